// SPDX-License-Identifier: Apache-2.0
import type { RefObject } from "preact";
import { useState } from "preact/hooks";
import { generate } from "./generate";
import { T } from "./text";

interface Props {
	id: string;
	label: string;
	field: RefObject<HTMLInputElement | null>;
	initial?: string;
}

// A secret that is typed, or made here; hidden until somebody wants to see it. To the browser it is no password: it must not offer to keep it.
export function PasswordField({ id, label, field, initial }: Props) {
	const [plain, see] = useState(false);
	return (
		<div class="field">
			<label for={id}>{label}</label>
			<div class="row">
				<input
					id={id}
					ref={field}
					class={plain ? "" : "masked"}
					defaultValue={initial}
					autoComplete="off"
					autoCapitalize="none"
					spellcheck={false}
					required
					maxLength={10000}
				/>
				<button type="button" aria-label={`${plain ? T.hide : T.see} ${label}`} onClick={() => see(!plain)}>
					{plain ? T.hide : T.see}
				</button>
				<button
					type="button"
					aria-label={`${T.generate} ${label}`}
					onClick={() => {
						field.current!.value = generate();
						see(true);
					}}
				>
					{T.generate}
				</button>
			</div>
		</div>
	);
}
