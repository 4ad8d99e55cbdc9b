// SPDX-License-Identifier: Apache-2.0
//
// Times, sizes and failures in words. Times are the browser's, in ISO order.
import type { Answer } from "./api";
import { T } from "./text";

const two = (n: number) => String(n).padStart(2, "0");

export function clock(ms: number): string {
	const d = new Date(ms);
	return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

export function day(iso: string): string {
	const d = new Date(iso);
	return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
}

export const time = (iso: string | null | undefined) => (iso ? `${day(iso)} ${clock(Date.parse(iso))}` : T.dash);

// The last moment of a day here, "2027-01-31", as the API has times; "" for none.
export const endOf = (date: string) => (date ? new Date(`${date}T23:59:59.999`).toISOString() : "");

export function bytes(n: number | null | undefined): string {
	if (typeof n !== "number")
		return T.dash;
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let u = 0;
	for (; n >= 1024 && u + 1 < units.length; u++)
		n /= 1024;
	return `${u ? n.toFixed(1) : n} ${units[u]}`;
}

export const begin = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
const sentence = (text: string) => `${begin(text)}.`;

export function failure(r: Answer<unknown>): string {
	if (!r.status && !r.error)
		return T.unanswered;
	if (!r.error)
		return sentence(T.answerWas(r.status));
	return sentence(r.error.detail ? `${r.error.message}: ${r.error.detail}` : r.error.message);
}

// Where several hold a name, a suffix tells them apart.
export const named = (name: string, holder: { suffix?: string | null }) => name + (holder.suffix ?? "");

// No certificates, hashes or ids.
const readable = (v: unknown) =>
	typeof v === "number" || typeof v === "boolean" || (typeof v === "string" && !/\n|^[0-9a-f]{32,}$|^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(v));
const valueOf = (v: unknown) => (typeof v === "boolean" ? (v ? T.yes : T.no) : String(v));

// "reason: to mend the switch, version: 3" of an event's body; the rest is for programs.
export const details = (body: Record<string, unknown>) =>
	Object.entries(body)
		.filter(([, v]) => readable(v))
		.map(([name, v]) => `${name.replaceAll("_", " ")}: ${valueOf(v)}`)
		.join(", ");
