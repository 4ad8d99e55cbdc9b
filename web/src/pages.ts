// SPDX-License-Identifier: Apache-2.0
//
// A list that is read page by page, as far as somebody wants it.
import { useEffect, useRef, useState } from "preact/hooks";
import { call, type Answer } from "./api";

export interface Pages<R> {
	rows: R[];
	known: boolean; // they are what was asked for
	more: (() => void) | null; // null: there are no more
	again: () => void; // from the first page on
}

const NOTHING: never[] = [];

// path "": nothing is asked. tell: what came of each question.
export function usePages<P extends { next: string | null }, R>(path: string, rowsOf: (page: P) => R[], tell: (r: Answer<P>) => void): Pages<R> {
	const [list, keep] = useState<{ of: string; rows: R[]; next: string | null }>({ of: "", rows: [], next: null });
	const asked = useRef(0);
	const known = path !== "" && list.of === path;

	async function load(after: string | null) {
		const mine = ++asked.current;
		const r = await call<P>("GET", after ? `${path}&after=${after}` : path);
		if (mine !== asked.current)
			return; // another list, or it was asked for anew
		if (r.body) {
			const rows = rowsOf(r.body);
			keep({ of: path, rows: after ? [...list.rows, ...rows] : rows, next: r.body.next });
		}
		tell(r);
	}
	useEffect(() => {
		asked.current++;
		if (path)
			void load(null);
	}, [path]);

	const next = known ? list.next : null;
	return {
		rows: known ? list.rows : NOTHING,
		known,
		more: next ? () => void load(next) : null,
		again: () => void (path && load(null)),
	};
}
