// SPDX-License-Identifier: Apache-2.0
//
// How the console asks. The session is the cookie, which no script can read; nothing is stored in the browser.
import type { Health } from "./openapi";

export interface Answer<R> {
	status: number; // 0: no answer, or this node sends its users elsewhere
	body: R | null; // of an answer that is no error
	error: { code: string; message: string; detail?: string } | null;
	asOf: string | null;
}

// ms: how long is waited, if not for ever.
export async function call<R>(method: string, path: string, body?: unknown, ms?: number): Promise<Answer<R>> {
	const asked: RequestInit = { method, redirect: "manual", cache: "no-store", credentials: "same-origin" };
	if (ms)
		asked.signal = AbortSignal.timeout(ms);
	if (body !== undefined) {
		asked.headers = { "Content-Type": "application/json" };
		asked.body = JSON.stringify(body);
	}
	try {
		const r = await fetch(path, asked);
		const text = await r.text();
		const said = text ? JSON.parse(text) : null;
		const error = said?.error ?? null;
		return { status: r.status, body: error ? null : said, error, asOf: r.headers.get("Holdfast-As-Of") };
	} catch {
		return { status: 0, body: null, error: null, asOf: null };
	}
}

// Whether this node has not all of these files; null: not known.
export async function lacks(urls: string[], ms: number): Promise<boolean | null> {
	try {
		const asked: RequestInit = { method: "HEAD", cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(ms) };
		const all = await Promise.all(urls.map((url) => fetch(url, asked)));
		return all.some((r) => r.status === 404);
	} catch {
		return null;
	}
}

// The health of this node ("") or of another; null: no answer, or none that this page may read.
export async function health(url: string, ms: number): Promise<Health | null> {
	try {
		const r = await fetch(`${url}/v1/sys/health`, {
			redirect: "error",
			cache: "no-store",
			credentials: "omit",
			signal: AbortSignal.timeout(ms),
		});
		return (await r.json()) as Health;
	} catch {
		return null;
	}
}
