// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import { Said, useSaid } from "./Said";
import { call } from "./api";
import { useChanges } from "./levels";
import type { ChangeRow, Changes, Conflicts } from "./openapi";
import { T } from "./text";
import { named, time } from "./words";

const ROWS = 50;

interface Open {
	id: string;
	title: string;
}

interface Props {
	asked: number; // when it changes, all is asked anew
	open: (what: Open) => void;
	changed: () => void;
}

function Waits({ row, decide, disabled }: { row: ChangeRow; decide: (approve: boolean) => void; disabled: boolean }) {
	const of = `${named(row.resource.name, row.resource)} / ${named(row.account.login, row.account)}`;
	return (
		<li>
			<span>
				{T.waits(of, row.version)} <span class="hint">{T.madeBy(row.author?.name ?? T.dash, time(row.created), row.node?.name ?? T.dash)}</span>
			</span>
			<span class="row">
				<button type="button" disabled={disabled} aria-label={`${T.approve} ${of}`} onClick={() => decide(true)}>
					{T.approve}
				</button>
				<button type="button" disabled={disabled} aria-label={`${T.decline} ${of}`} onClick={() => decide(false)}>
					{T.decline}
				</button>
			</span>
		</li>
	);
}

// What somebody has to decide: accounts that were changed apart on two nodes, and changes of people who are no longer entitled. Mostly there is none.
export function Waiting({ asked, open, changed }: Props) {
	const changes = useChanges();
	const [conflicts, keepConflicts] = useState<Open[]>([]);
	const [waiting, keepWaiting] = useState<ChangeRow[]>([]);
	const [word, say] = useSaid();

	async function load() {
		const [c, w] = await Promise.all([
			call<Conflicts>("GET", `/v1/conflicts?limit=${ROWS}`),
			call<Changes>("GET", `/v1/changes?limit=${ROWS}`),
		]);
		if (c.body)
			keepConflicts(c.body.conflicts.map((r) => ({ id: r.id, title: `${named(r.resource.name, r.resource)} / ${named(r.login, r)}` })));
		if (w.body)
			keepWaiting(w.body.changes);
	}
	useEffect(() => void load(), [asked]);

	async function decide(row: ChangeRow, approve: boolean) {
		if (!say(await call("POST", `/v1/changes/${row.id}`, { approve }), approve ? T.approved : T.declined))
			return;
		changed();
		await load();
	}

	if (!conflicts.length && !waiting.length && !word.text)
		return null;
	return (
		<div id="waiting" class="notice">
			{conflicts.length > 0 && <p>{T.inConflictHere}</p>}
			<ul id="conflicts" class="plain">
				{conflicts.map((c) => (
					<li key={c.id}>
						<span>{c.title}</span>
						<button type="button" aria-label={`${T.settleThem} ${c.title}`} onClick={() => open(c)}>
							{T.settleThem}
						</button>
					</li>
				))}
			</ul>
			{waiting.length > 0 && <p>{T.waitHere}</p>}
			<ul id="waits" class="plain">
				{waiting.map((row) => (
					<Waits key={row.id} row={row} disabled={!changes} decide={(approve) => void decide(row, approve)} />
				))}
			</ul>
			<Said id="waiting-said" word={word} />
		</div>
	);
}
