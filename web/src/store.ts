// SPDX-License-Identifier: Apache-2.0
//
// What the page knows now. rounds.ts asks and writes; components read by useStore and are drawn anew when what they read has changed.
import { useEffect, useState } from "preact/hooks";
import type { HaNode, HaReason, HaWarning, Health, Login, Offer, Session } from "./openapi";

export type PageName = "passwords" | "folders" | "import" | "bin" | "teams" | "users" | "audit" | "settings" | "me" | "seen" | "ha";

export interface Place {
	name: string;
	url: string;
	asked: boolean; // the page may ask it
}

// What another node last said for itself.
export interface Other {
	health: Health | null; // null: the last question had no answer
	tries: number; // questions without an answer, in a row
}

export interface Pair {
	status: string; // "Alive", "Failed", or what else is said
	state: string;
	why: string;
	whole: boolean; // what follows was told: to administrators
	nodes: HaNode[];
	reasons: HaReason[];
	warnings: HaWarning[];
}

export interface Store {
	health: Health | null; // what this node last said
	answered: number; // when, ms; 0: never
	silent: boolean;
	me: Session | null; // who is logged in here
	told: Login | null; // what the log-in said of what was done since the one before, until it was seen
	offers: Offer[]; // what is offered to them
	typedName: string; // in the log-in
	places: Place[]; // the pair's nodes but this one
	others: Record<string, Other>; // by url
	pair: Pair | null;
	figured: number; // when the pair's figures were last had, ms
	old: boolean; // nobody has confirmed them since (H9)
	idle: boolean; // nobody does anything here: nothing is asked in their name
	emergencySeen: number; // when this page first saw emergency access here, ms; 0: it did not
	newer: boolean; // this node runs another release than the one that this page is of
	page: PageName;
	folder: string; // that the page of folders shows; "": the top
	now: number;
}

let state: Store = {
	health: null,
	answered: 0,
	silent: false,
	me: null,
	told: null,
	offers: [],
	typedName: "",
	places: [],
	others: {},
	pair: null,
	figured: 0,
	old: true,
	idle: false,
	emergencySeen: 0,
	newer: false,
	page: "passwords",
	folder: "",
	now: Date.now(),
};
const listeners = new Set<() => void>();

export const get = () => state;

export function set(news: Partial<Store>) {
	state = { ...state, ...news };
	listeners.forEach((tell) => tell());
}

export function useStore<R>(read: (s: Store) => R): R {
	const [value, keep] = useState<{ is: R }>({ is: read(state) });
	useEffect(() => {
		const look = () => keep((was) => (Object.is(was.is, read(state)) ? was : { is: read(state) }));
		listeners.add(look);
		look();
		return () => void listeners.delete(look);
	}, []);
	return value.is;
}

// As whom this node serves users now.
export function serves(s: Store): "primary" | "emergency" | "" {
	if (!s.health || s.health.status !== "serving")
		return "";
	return s.health.mode === "emergency" ? "emergency" : "primary";
}
