// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "preact/hooks";
import { Columns } from "./Columns";
import { Said, useSaid } from "./Said";
import { call } from "./api";
import type { Event as Line, Events } from "./openapi";
import { T } from "./text";
import { Verify } from "./Verify";
import { begin, details, time } from "./words";

const ROWS = 50;

// The log, the newest first, by whom it was done and what it was.
export function Audit() {
	const [lines, keep] = useState<Line[]>([]);
	const [next, keepNext] = useState<string | null>(null);
	const [word, say] = useSaid();
	const user = useRef<HTMLInputElement>(null);
	const kind = useRef<HTMLInputElement>(null);

	async function load(before: string | null) {
		const asked = new URLSearchParams({ limit: String(ROWS) });
		if (user.current!.value)
			asked.set("user", user.current!.value.trim());
		if (kind.current!.value)
			asked.set("kind", kind.current!.value.trim());
		if (before)
			asked.set("before", before);
		const r = await call<Events>("GET", `/v1/audit?${asked}`);
		if (!say(r, "") || !r.body)
			return;
		keep(before ? [...lines, ...r.body.events] : r.body.events);
		keepNext(r.body.next);
	}
	useEffect(() => void load(null), []);

	return (
		<section id="audit" aria-labelledby="audit-title">
			<h2 id="audit-title">{T.audit}</h2>
			<form
				id="find-events"
				class="line"
				role="search"
				onSubmit={(e) => {
					e.preventDefault();
					void load(null);
				}}
			>
				<label>
					{T.auditUser}
					<input id="audit-user" ref={user} autoComplete="off" autoCapitalize="none" spellcheck={false} maxLength={200} />
				</label>
				<label>
					{T.auditKind}
					<input id="audit-kind" ref={kind} autoComplete="off" autoCapitalize="none" spellcheck={false} maxLength={200} placeholder="retrieved" />
				</label>
				<button>{T.find}</button>
			</form>
			<Verify />
			<Said id="audit-said" word={word} />
			<table id="events" class="cards" hidden={!lines.length}>
				<Columns names={T.auditColumns} />
				<tbody>
					{lines.map((l) => (
						<tr key={`${l.node?.id} ${l.seq}`}>
							<td data-column={T.auditColumns[0]}>{time(l.at)}</td>
							<td data-column={T.auditColumns[1]}>{l.actor?.name ?? T.dash}</td>
							<td data-column={T.auditColumns[2]}>{begin(l.text ?? l.kind ?? T.dash)}</td>
							<td data-column={T.auditColumns[3]}>{l.object_name ?? T.dash}</td>
							<td data-column={T.auditColumns[4]}>{details(l.body) || T.dash}</td>
							<td data-column={T.auditColumns[5]}>{l.address || T.dash}</td>
							<td data-column={T.auditColumns[6]}>{l.node?.name ?? T.dash}</td>
						</tr>
					))}
				</tbody>
			</table>
			{next && (
				<p>
					<button id="older" type="button" onClick={() => void load(next)}>
						{T.older}
					</button>
				</p>
			)}
		</section>
	);
}
