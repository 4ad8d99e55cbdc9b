// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { T } from "./text";

interface Props {
	id: string;
	title: string;
	close: () => void; // it was closed
	children: ComponentChildren;
}

export function Dialog({ id, title, close, children }: Props) {
	const dialog = useRef<HTMLDialogElement>(null);

	useEffect(() => dialog.current!.showModal(), []);
	return (
		<dialog id={id} ref={dialog} aria-labelledby={`${id}-title`} onClose={close}>
			<h2 id={`${id}-title`}>{title}</h2>
			{children}
			<button id={`${id}-close`} type="button" onClick={() => dialog.current!.close()}>
				{T.close}
			</button>
		</dialog>
	);
}
