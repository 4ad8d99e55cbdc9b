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

export function answerOf<R>(status: number, text: string, asOf: string | null): Answer<R> {
	try {
		const said = text ? JSON.parse(text) : null;
		const error = said?.error ?? null;
		return { status, body: error ? null : said, error, asOf };
	} catch {
		return { status: 0, body: null, error: null, asOf: null };
	}
}

// What the page itself has to say, in the place of an answer; nothing: it is well.
export function said(message: string): Answer<never> {
	return { status: message ? 0 : 200, body: null, error: message ? { code: "", message } : null, asOf: null };
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
		return answerOf(r.status, await r.text(), r.headers.get("Holdfast-As-Of"));
	} catch {
		return answerOf(0, "", null);
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
