// SPDX-License-Identifier: Apache-2.0
//
// Secrets: asked for, copied. They live in the component that shows them and nowhere else.
import { call } from "./api";
import type { Retrieved } from "./openapi";

const CLEAR_MS = 30000;

// version 0: the current one.
export function retrieve(account: string, reason: string, version = 0) {
	const asked = { ...(reason ? { reason } : {}), ...(version ? { version } : {}) };
	return call<Retrieved>("POST", `/v1/accounts/${account}/retrieve`, asked);
}

// What people mean by "the password": that field, or else the first one.
export function mainField(fields: Record<string, string>): [string, string] {
	const name = "password" in fields ? "password" : Object.keys(fields)[0];
	return [name, fields[name]];
}

let clearing = 0;

// Whether it is in the clipboard. Half a minute later it is emptied where the browser lets a page do that; then cleared is told.
export async function copy(text: string, cleared: () => void): Promise<boolean> {
	try {
		await navigator.clipboard.writeText(text);
	} catch {
		return false;
	}
	clearTimeout(clearing);
	clearing = setTimeout(() => navigator.clipboard.writeText("").then(cleared, () => {}), CLEAR_MS);
	return true;
}
