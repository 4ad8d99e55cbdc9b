// SPDX-License-Identifier: Apache-2.0
//
// What whoever is logged in may, as the API says it (`may` of the session): pages and parts ask for that, never for a role.
import { useStore, type PageName, type Store } from "./store";

// What a page takes; without one everybody sees it.
const TAKES: Partial<Record<PageName, string>> = {
	passwords: "use",
	folders: "use",
	import: "use",
	bin: "use",
	teams: "use",
	seen: "use",
	users: "users",
	audit: "audit",
	settings: "nodes",
};
const BEGINNINGS: PageName[] = ["passwords", "audit", "me"];

export const may = (s: Store, what: string) => s.me?.user.may.includes(what) ?? false;
export const useMay = (what: string) => useStore((s) => may(s, what));
export const sees = (s: Store, page: PageName) => !TAKES[page] || may(s, TAKES[page]);

// Whoever may not see a page is where they begin.
export const pageOf = (s: Store) => (!s.me || sees(s, s.page) ? s.page : BEGINNINGS.find((p) => sees(s, p)) ?? "me");
