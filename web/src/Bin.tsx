// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import { Columns } from "./Columns";
import { Said, useSaid } from "./Said";
import { call } from "./api";
import { mayManage, useChanges } from "./levels";
import type { Removed, RemovedRow } from "./openapi";
import { T } from "./text";
import { time } from "./words";

const ROWS = 100;

const titleOf = (r: RemovedRow) => (r.login === undefined ? r.resource.name : `${r.resource.name} / ${r.login}`);

// What was removed, until the bin is emptied of it.
export function Bin() {
	const changes = useChanges();
	const [page, keep] = useState<Removed | null>(null);
	const [word, say] = useSaid();

	async function load() {
		const r = await call<Removed>("GET", `/v1/removed?limit=${ROWS}`);
		if (r.body)
			keep(r.body);
		else
			say(r, "");
	}
	useEffect(() => void load(), []);

	async function bring(row: RemovedRow) {
		const path = `/v1/${row.kind === "resource" ? "resources" : "accounts"}/${row.id}/restore`;
		if (say(await call("POST", path, {}), T.broughtBack(titleOf(row))))
			await load();
	}

	return (
		<section id="bin" aria-labelledby="bin-title">
			<h2 id="bin-title">{T.bin}</h2>
			<p class="hint">{T.binHint}</p>
			<table id="removed" class="cards" hidden={!page?.removed.length}>
				<Columns names={T.binColumns} acts />
				<tbody>
					{page?.removed.map((r) => (
						<tr key={r.id}>
							<td data-column={T.binColumns[0]}>{titleOf(r)}</td>
							<td data-column={T.binColumns[1]}>{time(r.removed)}</td>
							<td data-column={T.binColumns[2]}>{r.by?.name ?? T.dash}</td>
							<td data-column={T.binColumns[3]}>{time(r.until)}</td>
							<td class="acts">
								{mayManage(r.level) && (
									<button
										type="button"
										disabled={!changes || (r.kind !== "resource" && r.resource.removed)}
										aria-label={`${T.bringBack} ${titleOf(r)}`}
										onClick={() => void bring(r)}
									>
										{T.bringBack}
									</button>
								)}
							</td>
						</tr>
					))}
				</tbody>
			</table>
			{page && !page.removed.length && <p class="hint">{T.binEmpty}</p>}
			{page?.next && <p class="hint">{T.binMore(page.removed.length)}</p>}
			{!changes && <p class="hint">{T.onlyPrimary}</p>}
			<Said id="bin-said" word={word} />
		</section>
	);
}
