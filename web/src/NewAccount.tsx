// SPDX-License-Identifier: Apache-2.0
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Dialog } from "./Dialog";
import { FolderField } from "./FolderField";
import { PasswordField } from "./PasswordField";
import { Said, useSaid } from "./Said";
import { call, said } from "./api";
import { folderAt, TOP } from "./folder";
import type { Account, Placed, Resources } from "./openapi";
import { T } from "./text";

const ROWS = 200;

interface Props {
	folder?: string; // the path of one that it is meant for
	close: () => void;
	made: (account: Account) => void;
}

interface Asked {
	login: string;
	fields: Record<string, string>;
	url?: string;
}

// Into the resource of that name, if the user sees one, else into a new one of theirs; in a folder that is named, or in none (the top), into one that stands there.
async function store(resource: string, place: Placed | null, asked: Asked) {
	const found = await call<Resources>("GET", `/v1/resources?name=${encodeURIComponent(resource)}&limit=${ROWS}`);
	if (!found.body)
		return { ...found, body: null };
	const there = found.body.resources.filter((r) => !place || (r.folder?.id ?? TOP.id) === place.id);
	if (there.length > 1)
		return said(T.severalResources);
	if (!there.length)
		return call<Account>("POST", "/v1/accounts", { resource, ...asked, folder: place?.id ?? TOP.id });
	return call<Account>("POST", `/v1/resources/${there[0].id}/accounts`, { login: asked.login, fields: asked.fields });
}

export function NewAccount({ folder, close, made }: Props) {
	const [word, say] = useSaid();
	const [busy, work] = useState(false);
	const resource = useRef<HTMLInputElement>(null);
	const login = useRef<HTMLInputElement>(null);
	const where = useRef<HTMLInputElement>(null);
	const url = useRef<HTMLInputElement>(null);
	const password = useRef<HTMLInputElement>(null);

	useLayoutEffect(() => resource.current!.focus(), []);

	async function submit(event: Event) {
		event.preventDefault();
		const asked: Asked = { login: login.current!.value.trim(), fields: { password: password.current!.value } };
		if (url.current!.value)
			asked.url = url.current!.value;
		work(true);
		const path = where.current!.value.trim();
		const place = path ? await folderAt(path) : null;
		const r = place && !place.body ? { ...place, body: null } : await store(resource.current!.value.trim(), place && place.body, asked);
		work(false);
		if (say(r, "") && r.body)
			made(r.body);
	}

	return (
		<Dialog id="new" title={T.newAccount} close={close}>
			<form id="new-form" onSubmit={submit} aria-busy={busy}>
				<label>
					{T.newResource}
					<input id="new-resource" ref={resource} autoComplete="off" required maxLength={200} />
				</label>
				<FolderField id="new-folder-of" label={T.newIn} field={where} initial={folder} />
				<label>
					{T.login}
					<input id="new-login" ref={login} autoComplete="off" autoCapitalize="none" spellcheck={false} required maxLength={200} />
				</label>
				<PasswordField id="new-password" label={T.password} field={password} />
				<label>
					{T.url}
					<input id="new-url" ref={url} autoComplete="off" maxLength={2000} placeholder="https://" />
				</label>
				<button disabled={busy}>{busy ? T.working : T.store}</button>
				<Said id="new-said" word={word} />
			</form>
		</Dialog>
	);
}
