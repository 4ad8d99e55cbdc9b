// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "preact/hooks";
import { Confirm } from "./Confirm";
import { Dialog } from "./Dialog";
import { Moving } from "./Moving";
import { Said, useSaid } from "./Said";
import { Sharing } from "./Sharing";
import { Through } from "./Through";
import { Why } from "./Why";
import { call } from "./api";
import { mayManage, mayModify, useChanges } from "./levels";
import type { Folder } from "./openapi";
import { T } from "./text";
import { named } from "./words";

interface Props {
	id: string;
	title: string;
	close: () => void;
	changed: () => void; // it is not what it was, or not where
	removed: (parent: string) => void;
}

function Facts({ of }: { of: Folder }) {
	const texts = [
		[T.path, of.path],
		[T.description, of.description],
		[T.owner, of.owner.name],
		[T.youMay, T.levels[of.level ?? ""] ?? ""],
	];
	return (
		<dl class="facts">
			{texts.map(([name, text]) => text && [<dt key={name}>{name}</dt>, <dd key={`${name}:`}>{text}</dd>])}
		</dl>
	);
}

function Renaming({ of, changed }: { of: Folder; changed: (f: Folder) => void }) {
	const changes = useChanges();
	const [word, say] = useSaid();
	const name = useRef<HTMLInputElement>(null);
	const description = useRef<HTMLInputElement>(null);

	async function submit(event: Event) {
		event.preventDefault();
		const r = await call<Folder>("PATCH", `/v1/folders/${of.id}`, { name: name.current!.value.trim(), description: description.current!.value });
		if (say(r, T.folderStored) && r.body)
			changed(r.body);
	}

	return (
		<>
			<h3>{T.renaming}</h3>
			<form id="rename" class="line" onSubmit={submit}>
				<label>
					{T.name}
					<input id="rename-name" ref={name} defaultValue={of.name} autoComplete="off" spellcheck={false} required maxLength={200} />
				</label>
				<label>
					{T.description}
					<input id="rename-description" ref={description} defaultValue={of.description} autoComplete="off" maxLength={4000} />
				</label>
				<button disabled={!changes}>{T.store}</button>
			</form>
			<Said id="rename-said" word={word} />
		</>
	);
}

// A folder: what it is, where it stands, with whom it is shared with all that stands below it, and out with it.
export function FolderDialog({ id, title, close, changed, removed }: Props) {
	const changes = useChanges();
	const [folder, keep] = useState<Folder | null>(null);
	const [word, say] = useSaid();
	const path = `/v1/folders/${id}`;

	async function load() {
		const r = await call<Folder>("GET", path);
		say(r, "");
		keep(r.body); // whoever moved it where they do not see it has it no more
	}
	useEffect(() => void load(), []);

	async function remove(parent: string) {
		if (say(await call("DELETE", path), ""))
			removed(parent);
	}

	return (
		<Dialog id="folder" title={T.folder(folder ? named(folder.name, folder) : title)} close={close}>
			<Said id="folder-said" word={word} />
			{folder && <Facts of={folder} />}
			{folder && <Through key={folder.path} path={path} />}
			{folder && mayManage(folder.level) && <Sharing path={path} nobody={T.sharedWithNobodyBelow} />}
			{folder && mayManage(folder.level) && <Why path={path} />}
			{folder && mayModify(folder.level) && (
				<Renaming
					of={folder}
					changed={(f) => {
						keep(f);
						changed();
					}}
				/>
			)}
			{folder && mayManage(folder.level) && (
				<>
					<Moving
						path={path}
						field="parent"
						moved={() => {
							changed();
							void load();
						}}
					/>
					<Confirm
						id="remove-folder"
						what={T.remove}
						ask={T.removeFolderAsk}
						disabled={!changes}
						go={() => void remove(folder.parent ?? "")}
					/>
				</>
			)}
			{!changes && <p class="hint">{T.onlyPrimary}</p>}
		</Dialog>
	);
}
