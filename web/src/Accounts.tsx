// SPDX-License-Identifier: Apache-2.0
import { useCallback, useRef, useState } from "preact/hooks";
import { AccountRow, titleOf, type Row } from "./AccountRow";
import { Details } from "./Details";
import { ResourceDialog } from "./ResourceDialog";
import { Secret, type Shown } from "./Secret";
import { mayModify } from "./levels";
import type { FoundAccount, FoundResourceAccount, Lookup, OwnedResource, Resource } from "./openapi";
import { copy, mainField, retrieve } from "./retrieve";
import { T } from "./text";
import { failure, named } from "./words";

interface Opened {
	id: string;
	title: string;
}

// A row for each account, and one for each resource without. folders: they say in which one it stands.
export function rowsOf(resources: Resource[], folders: boolean): Row[] {
	return resources.flatMap((resource) => {
		const folder = (folders && resource.folder?.path) || "";
		const of = { resource: named(resource.name, resource), resourceId: resource.id, folder };
		if (!resource.accounts.length)
			return [{ ...of, id: "", login: "", version: 0, conflict: false, level: "", waits: resource.waits }];
		return resource.accounts.map((account) => ({
			...of,
			id: account.id,
			login: named(account.login, account),
			version: account.version,
			conflict: account.conflict,
			level: account.level,
			waits: account.waits,
		}));
	});
}

function rowOf(account: FoundAccount | FoundResourceAccount, resource: OwnedResource): Row {
	return {
		id: account.id,
		login: named(account.login, account),
		version: account.version,
		conflict: account.conflict,
		level: account.level,
		waits: false, // what waits is not looked up by name
		resource: named(resource.name, resource),
		resourceId: resource.id,
		folder: resource.path ?? "",
	};
}

// What a reference means: accounts, and all of a resource that is called so.
export function rowsOfReference(found: Lookup): Row[] {
	const rows = found.accounts.map((a) => rowOf(a, a.resource));
	const more = found.resources.flatMap((r) => r.accounts.map((a) => rowOf(a, r)));
	return [...rows, ...more.filter((m) => rows.every((r) => r.id !== m.id))];
}

// Of which resource not all accounts are there.
export function leftOut(resources: Resource[]) {
	const many = resources.find((r) => r.accounts_next);
	return many ? T.manyAccounts(many.name, many.accounts.length) : "";
}

interface Props {
	id: string; // of the table
	rows: Row[];
	up: () => void; // above the first row
	changed: () => void; // they are not what they were
}

// Accounts in a table, and what is done with one: shown, copied, looked at. The section that they stand in hands its keys on (key), and shows the rest below.
export function useAccounts({ id, rows, up, changed }: Props) {
	const [said, tell] = useState("");
	const [shown, show] = useState<Shown | null>(null);
	const [details, showDetails] = useState<Opened | null>(null);
	const [resource, showResource] = useState<Opened | null>(null);
	const body = useRef<HTMLTableSectionElement>(null);

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

	function focusRow(at: number) {
		const all = body.current!.rows;
		if (at < 0)
			up();
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

	const table = (
		<table id={id} class="cards accounts" hidden={rows.length === 0} aria-describedby={`${id}-keys`}>
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
	);
	const below = (
		<>
			<p id={`${id}-said`} class="said" role="status">
				{said}
			</p>
			<p id={`${id}-keys`} class="hint wide-only">
				{T.keys}
			</p>
			{shown && <Secret key={shown.account} shown={shown} close={closed} changed={changed} />}
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
					changed={changed}
				/>
			)}
			{resource && (
				<ResourceDialog key={resource.id} id={resource.id} title={resource.title} close={() => showResource(null)} changed={changed} />
			)}
		</>
	);
	return { table, below, details: showDetails, key: shown || details || resource ? undefined : key };
}
