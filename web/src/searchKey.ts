// SPDX-License-Identifier: Apache-2.0
//
// "/" leads to the search of the page.
import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";

const typing = (e: KeyboardEvent) => e.target instanceof HTMLElement && e.target.closest("input, textarea, select, dialog") !== null;

export function useSearchKey(query: RefObject<HTMLInputElement | null>, hidden: boolean) {
	useEffect(() => {
		const key = (e: KeyboardEvent) => {
			if (e.key !== "/" || typing(e) || hidden || e.ctrlKey || e.metaKey || e.altKey)
				return;
			e.preventDefault();
			query.current!.select();
			query.current!.focus();
		};
		addEventListener("keydown", key);
		return () => removeEventListener("keydown", key);
	}, [hidden]);
}
