// SPDX-License-Identifier: Apache-2.0
import { useLayoutEffect, useRef } from "preact/hooks";
import { Dialog } from "./Dialog";
import { Said, useSaid } from "./Said";
import { call } from "./api";
import type { Folder, Placed } from "./openapi";
import { T } from "./text";

interface Props {
	parent: Placed;
	close: () => void;
	made: (folder: Folder) => void;
}

export function NewFolder({ parent, close, made }: Props) {
	const [word, say] = useSaid();
	const name = useRef<HTMLInputElement>(null);
	const description = useRef<HTMLInputElement>(null);

	useLayoutEffect(() => name.current!.focus(), []);

	async function submit(event: Event) {
		event.preventDefault();
		const asked = { name: name.current!.value.trim(), description: description.current!.value, parent: parent.id };
		const r = await call<Folder>("POST", "/v1/folders", asked);
		if (say(r, "") && r.body)
			made(r.body);
	}

	return (
		<Dialog id="new-folder" title={T.newFolder} close={close}>
			<p class="hint">{parent.id ? T.newFolderIn(parent.path) : T.newFolderTop}</p>
			<form id="new-folder-form" onSubmit={submit}>
				<label>
					{T.name}
					<input id="new-folder-name" ref={name} autoComplete="off" spellcheck={false} required maxLength={200} />
				</label>
				<label>
					{T.description}
					<input id="new-folder-description" ref={description} autoComplete="off" maxLength={4000} />
				</label>
				<button>{T.store}</button>
				<Said id="new-folder-said" word={word} />
			</form>
		</Dialog>
	);
}
