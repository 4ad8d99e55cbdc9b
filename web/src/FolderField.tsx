// SPDX-License-Identifier: Apache-2.0
import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { call } from "./api";
import type { Folders } from "./openapi";

const OFFERED = 20;
const TYPING_MS = 150;

interface Props {
	id: string;
	label: string;
	field: RefObject<HTMLInputElement | null>;
	initial?: string;
	required?: boolean;
}

// A folder, written as a path or how it ends; what reads like that is offered.
export function FolderField({ id, label, field, initial, required }: Props) {
	const [paths, offer] = useState<string[]>([]);
	const waiting = useRef(0);

	useEffect(() => () => clearTimeout(waiting.current), []);

	async function look() {
		const word = field.current!.value.split("/").pop()!.trim();
		const r = word ? await call<Folders>("GET", `/v1/folders?q=${encodeURIComponent(word)}&limit=${OFFERED}`) : null;
		offer(r?.body?.folders.map((f) => f.path) ?? []);
	}

	function typed() {
		clearTimeout(waiting.current);
		waiting.current = setTimeout(look, TYPING_MS);
	}

	return (
		<label>
			{label}
			<input
				id={id}
				ref={field}
				list={`${id}-offered`}
				defaultValue={initial}
				autoComplete="off"
				autoCapitalize="none"
				spellcheck={false}
				required={required}
				maxLength={4000}
				onInput={typed}
			/>
			<datalist id={`${id}-offered`}>
				{paths.map((p) => (
					<option key={p} value={p} />
				))}
			</datalist>
		</label>
	);
}
