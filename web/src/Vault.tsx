// SPDX-License-Identifier: Apache-2.0
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Row } from "./AccountRow";
import { leftOut, rowsOf, rowsOfReference, useAccounts } from "./Accounts";
import { NewAccount } from "./NewAccount";
import { Offers } from "./Offers";
import { Waiting } from "./Waiting";
import { call } from "./api";
import { useChanges } from "./levels";
import type { Lookup, Resources } from "./openapi";
import { useSearchKey } from "./searchKey";
import { get } from "./store";
import { T } from "./text";
import { failure } from "./words";

const ROWS = 50;
const TYPING_MS = 150;

// What there is beyond the rows that are shown.
const beyond = (page: Resources) => [page.next && T.firstRows(page.resources.length), leftOut(page.resources)].filter(Boolean).join(" ");

// A word with slashes may be a reference, with the path of a folder before it: network/switches/core/admin.
async function refer(text: string) {
	const r = await call<Lookup>("GET", `/v1/lookup?reference=${encodeURIComponent(text)}`);
	return r.body ? rowsOfReference(r.body) : [];
}

export function Vault({ hidden }: { hidden: boolean }) {
	const [rows, setRows] = useState<Row[]>([]);
	const [found, say] = useState({ text: "", bad: false });
	const changes = useChanges();
	const [changed, change] = useState(0);
	const [making, make] = useState(false);
	const query = useRef<HTMLInputElement>(null);
	const searches = useRef(0);
	const waiting = useRef(0);
	const accounts = useAccounts({
		id: "accounts",
		rows,
		up: () => query.current!.focus(),
		changed: () => {
			change((n) => n + 1);
			void find();
		},
	});

	async function find() {
		const asked = ++searches.current;
		const text = query.current!.value; // empty: all there is
		clearTimeout(waiting.current);
		say({ text: T.looking, bad: false });
		const r = await call<Resources>("GET", `/v1/resources?${text ? `q=${encodeURIComponent(text)}&` : ""}limit=${ROWS}`);
		if (asked !== searches.current)
			return; // a later search
		if (!r.body) {
			if (r.status !== 401 || get().me)
				say({ text: failure(r), bad: true }); // the rows stay: they are what was found
			return;
		}
		const all = rowsOf(r.body.resources, true);
		if (!all.length && text.includes("/"))
			all.push(...(await refer(text)));
		if (asked !== searches.current)
			return;
		setRows(all);
		say({ text: all.length ? beyond(r.body) : text ? T.none : T.empty, bad: false });
	}

	function typed() {
		say({ text: T.looking, bad: false });
		searches.current++;
		clearTimeout(waiting.current);
		waiting.current = setTimeout(find, TYPING_MS);
	}

	useLayoutEffect(() => query.current!.focus(), []);
	useEffect(() => () => clearTimeout(waiting.current), []);
	useEffect(() => {
		if (!hidden)
			void find(); // also after what another page changed
	}, [hidden]);
	useSearchKey(query, hidden);

	function made(name: string) {
		make(false);
		query.current!.value = name;
		void find();
	}

	return (
		<section id="vault" hidden={hidden} aria-labelledby="vault-title" onKeyDown={making ? undefined : accounts.key}>
			<h2 id="vault-title">{T.passwords}</h2>
			<form
				id="find"
				role="search"
				onSubmit={(e) => {
					e.preventDefault();
					void find();
				}}
			>
				<label>
					{T.find}
					<input
						id="query"
						ref={query}
						type="search"
						autoComplete="off"
						maxLength={200}
						placeholder={T.findReference}
						aria-keyshortcuts="/"
						onInput={typed}
					/>
				</label>
				<button>{T.find}</button>
				<button id="add" type="button" disabled={!changes} aria-describedby={changes ? undefined : "add-not"} onClick={() => make(true)}>
					{T.newAccount}
				</button>
				<a id="to-import" class="button" href="#import">
					{T.importMany}
				</a>
			</form>
			{!changes && (
				<p id="add-not" class="hint">
					{T.onlyPrimary}
				</p>
			)}
			<Offers changed={() => void find()} />
			<Waiting asked={changed} open={accounts.details} changed={() => void find()} />
			{accounts.table}
			<p id="found" role="status" class={found.bad ? "hint bad" : "hint"}>
				{found.text}
			</p>
			{accounts.below}
			{making && <NewAccount close={() => make(false)} made={(a) => made(a.resource.name)} />}
		</section>
	);
}
