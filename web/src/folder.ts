// SPDX-License-Identifier: Apache-2.0
//
// Folders as people write them: a path, or how it ends.
import { call, said, type Answer } from "./api";
import type { Folders, Placed } from "./openapi";
import { T } from "./text";

export const TOP: Placed = { id: "", path: "/" };

// The one folder that reads so; "/" is the top.
export async function folderAt(path: string): Promise<Answer<Placed>> {
	if (path === TOP.path)
		return { ...said(""), body: TOP };
	const r = await call<Folders>("GET", `/v1/folders?path=${encodeURIComponent(path)}`);
	if (!r.body)
		return { ...r, body: null };
	const found = r.body.folders;
	if (found.length !== 1)
		return said(found.length ? T.severalFolders(found.map((f) => f.path).join(", ")) : T.noFolder(path));
	return { ...r, body: { id: found[0].id, path: found[0].path } };
}

// A folder and what it stands in as far as the user sees that, the topmost first. known: such a way, which may have part of it.
export async function wayTo<F extends { id: string; parent: string | null }>(id: string, known: F[]): Promise<Answer<F[]>> {
	const at = known.findIndex((f) => f.id === id);
	if (at >= 0)
		return { ...said(""), body: known.slice(0, at + 1) };
	const r = await call<F>("GET", `/v1/folders/${id}`);
	if (!r.body)
		return { ...r, body: null };
	const above = r.body.parent ? await wayTo(r.body.parent, known) : null;
	return { ...r, body: [...(above?.body ?? []), r.body] };
}
