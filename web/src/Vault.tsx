// SPDX-License-Identifier: Apache-2.0
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { AccountRow, type Row } from "./AccountRow";
import { Details } from "./Details";
import { NewAccount } from "./NewAccount";
import { Offers } from "./Offers";
import { ResourceDialog } from "./ResourceDialog";
import { Secret, type Shown } from "./Secret";
import { Waiting } from "./Waiting";
import { call } from "./api";
import { mayModify, useChanges } from "./levels";
import type { Resources } from "./openapi";
import { copy, mainField, retrieve } from "./retrieve";
import { get } from "./store";
import { T } from "./text";
import { failure, named } from "./words";

const ROWS = 50;
const TYPING_MS = 150;

const titleOf = (row: Row) => `${row.resource} / ${row.login}`;

function rowsOf(page: Resources): Row[] {
	return page.resources.flatMap((resource) => {
		const of = { resource: named(resource.name, resource), resourceId: resource.id };
		if (!resource.accounts.length)
			return [{ ...of, id: "", login: "", version: 0, conflict: false, level: "" }];
		return resource.accounts.map((account) => ({
			...of,
			id: account.id,
			login: named(account.login, account),
			version: account.version,
			conflict: account.conflict,
			level: account.level,
		}));
	});
}

// What there is beyond the rows that are shown.
function leftOut(page: Resources) {
	const many = page.resources.find((r) => r.accounts_next);
	const said = [page.next && T.firstRows(page.resources.length), many && T.manyAccounts(many.name, many.accounts.length)];
	return said.filter(Boolean).join(" ");
}

const typing = (e: KeyboardEvent) => e.target instanceof HTMLElement && e.target.closest("input, textarea, select, dialog") !== null;

export function Vault({ hidden }: { hidden: boolean }) {
	const [rows, setRows] = useState<Row[]>([]);
	const [found, say] = useState({ text: "", bad: false });
	const [said, tell] = useState("");
	const changes = useChanges();
	const [shown, show] = useState<Shown | null>(null);
	const [details, showDetails] = useState<{ id: string; title: string } | null>(null);
	const [resource, showResource] = useState<{ id: string; title: string } | null>(null);
	const [changed, change] = useState(0);
	const [making, make] = useState(false);
	const query = useRef<HTMLInputElement>(null);
	const body = useRef<HTMLTableSectionElement>(null);
	const searches = useRef(0);
	const waiting = useRef(0);

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
		const all = rowsOf(r.body);
		setRows(all);
		say({ text: all.length ? leftOut(r.body) : text ? T.none : T.empty, bad: false });
	}

	function typed() {
		say({ text: T.looking, bad: false });
		searches.current++;
		clearTimeout(waiting.current);
		waiting.current = setTimeout(find, TYPING_MS);
	}

	useEffect(() => {
		query.current!.focus();
		return () => clearTimeout(waiting.current);
	}, []);
	useEffect(() => {
		if (!hidden)
			void find(); // also after what another page changed
	}, [hidden]);
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

	const open = useCallback(
		(row: Row) => show({ account: row.id, title: titleOf(row), version: 0, modify: mayModify(row.level) }),
		[],
	);
	const copyOf = useCallback(async (row: Row) => {
		const of = titleOf(row);
		tell(T.looking);
		const r = await retrieve(row.id, "");
		if (!r.body) {
			tell(failure(r));
			return;
		}
		const [name, value] = mainField(r.body.fields);
		tell((await copy(value, () => tell(T.copyCleared))) ? T.copiedWhat(name, of) : T.copyNot);
	}, []);
	const more = useCallback((row: Row) => showDetails({ id: row.id, title: titleOf(row) }), []);
	const whole = useCallback((row: Row) => showResource({ id: row.resourceId, title: row.resource }), []);
	const closed = useCallback(() => show(null), []);

	function news() {
		change((n) => n + 1);
		void find();
	}

	function made(name: string) {
		make(false);
		query.current!.value = name;
		void find();
	}

	function focusRow(at: number) {
		const all = body.current!.rows;
		if (at < 0)
			query.current!.focus();
		else
			all[Math.min(at, all.length - 1)]?.focus();
	}

	function key(e: KeyboardEvent) {
		const at = [...body.current!.rows].findIndex((tr) => tr === document.activeElement);
		const row = rows[at];
		if (e.ctrlKey || e.metaKey || e.altKey)
			return;
		if (e.key === "ArrowDown")
			focusRow(at + 1);
		else if (e.key === "ArrowUp" && at >= 0)
			focusRow(at - 1);
		else if (row?.version && e.key === "Enter")
			open(row);
		else if (row?.version && e.key === "c")
			void copyOf(row);
		else if (row?.id && e.key === "d")
			more(row);
		else if (row && e.key === "r")
			whole(row);
		else
			return;
		e.preventDefault();
	}

	return (
		<section id="vault" hidden={hidden} aria-labelledby="vault-title" onKeyDown={shown || details || resource || making ? undefined : key}>
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
						placeholder={T.findHint}
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
			<Waiting asked={changed} open={showDetails} changed={() => void find()} />
			<table id="accounts" class="cards" hidden={rows.length === 0} aria-describedby="keys">
				<thead>
					<tr>
						<th scope="col">{T.resource}</th>
						<th scope="col">{T.login}</th>
						<th scope="col">{T.version}</th>
						<td />
					</tr>
				</thead>
				<tbody ref={body}>
					{rows.map((row) => (
						<AccountRow key={row.id || row.resourceId} row={row} open={open} copy={copyOf} more={more} whole={whole} />
					))}
				</tbody>
			</table>
			<p id="found" role="status" class={found.bad ? "hint bad" : "hint"}>
				{found.text}
			</p>
			<p id="said" role="status">
				{said}
			</p>
			<p id="keys" class="hint wide-only">
				{T.keys}
			</p>
			{shown && <Secret key={shown.account} shown={shown} close={closed} changed={news} />}
			{details && (
				<Details
					key={details.id}
					id={details.id}
					title={details.title}
					close={() => showDetails(null)}
					show={(version, modify) => {
						showDetails(null);
						show({ account: details.id, title: details.title, version, modify });
					}}
					resource={(id, title) => {
						showDetails(null);
						showResource({ id, title });
					}}
					changed={news}
				/>
			)}
			{resource && (
				<ResourceDialog key={resource.id} id={resource.id} title={resource.title} close={() => showResource(null)} changed={news} />
			)}
			{making && <NewAccount close={() => make(false)} made={(a) => made(a.resource.name)} />}
		</section>
	);
}
