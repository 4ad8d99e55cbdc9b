// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { T } from "./text";

interface Props {
	id: string;
	title: string;
	close: () => void; // it was closed
	children: ComponentChildren;
}

export function Dialog({ id, title, close, children }: Props) {
	const dialog = useRef<HTMLDialogElement>(null);
	const open = useRef(true);

	useLayoutEffect(() => dialog.current!.showModal(), []);

	// The browser tells of it later, when another one may be open.
	function closed() {
		if (open.current)
			close();
		open.current = false;
	}

	function end() {
		dialog.current!.close();
		closed();
	}

	return (
		<dialog id={id} ref={dialog} aria-labelledby={`${id}-title`} onClose={closed}>
			<h2 id={`${id}-title`}>{title}</h2>
			{children}
			<button id={`${id}-close`} type="button" onClick={end}>
				{T.close}
			</button>
		</dialog>
	);
}
