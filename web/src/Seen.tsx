// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { Columns } from "./Columns";
import { More } from "./More";
import { ResourceDialog } from "./ResourceDialog";
import { Said, useSaid } from "./Said";
import { Ways } from "./Ways";
import type { Seen as Page, SeenRow } from "./openapi";
import { usePages } from "./pages";
import { T } from "./text";
import { named } from "./words";

const ROWS = 50;

// As a reference is written, but for the spaces.
function titleOf(row: SeenRow) {
	const last = row.folder ?? row.resource!;
	const place = row.path ? `${row.path}/` : "";
	return place + named(last.name, last) + (row.account ? ` / ${named(row.account.login, row.account)}` : "");
}

function What({ row, open }: { row: SeenRow; open: () => void }) {
	if (row.folder)
		return <a href={`#folders/${row.folder.id}`}>{titleOf(row)}</a>;
	return (
		<button type="button" class="link" onClick={open}>
			{titleOf(row)}
		</button>
	);
}

// Everything that somebody may see, and through what.
export function Seen() {
	const [through, choose] = useState("");
	const [word, say] = useSaid();
	const [resource, show] = useState<{ id: string; title: string } | null>(null);
	const path = `/v1/seen?${through && `through=${through}&`}limit=${ROWS}`;
	const seen = usePages<Page, SeenRow>(path, (p) => p.seen, (r) => void say(r, ""));

	return (
		<section id="seen" aria-labelledby="seen-title">
			<h2 id="seen-title">{T.seen}</h2>
			<p class="hint">{T.seenHint}</p>
			<form class="line" onSubmit={(e) => e.preventDefault()}>
				<label>
					{T.seenThrough}
					<select id="seen-through" value={through} onChange={(e) => choose(e.currentTarget.value)}>
						{Object.entries(T.seenWays).map(([name, title]) => (
							<option key={name} value={name}>
								{title}
							</option>
						))}
					</select>
				</label>
			</form>
			<Said id="seen-said" word={word} />
			<table id="seen-list" class="cards" hidden={!seen.rows.length}>
				<Columns names={T.seenColumns} />
				<tbody>
					{seen.rows.map((row) => {
						const of = row.account ?? row.resource ?? row.folder!;
						return (
							<tr key={of.id}>
								<td data-column={T.seenColumns[0]}>
									<What row={row} open={() => row.resource && show({ id: row.resource.id, title: named(row.resource.name, row.resource) })} />
								</td>
								<td data-column={T.seenColumns[1]} class="short">{T.shareOn[row.kind] ?? row.kind}</td>
								<td data-column={T.seenColumns[2]}>
									<Ways of={row} />
								</td>
							</tr>
						);
					})}
				</tbody>
			</table>
			{seen.known && !seen.rows.length && <p class="hint">{T.seenNothing}</p>}
			<More id="more-seen" of={seen} />
			{resource && (
				<ResourceDialog key={resource.id} id={resource.id} title={resource.title} close={() => show(null)} changed={seen.again} />
			)}
		</section>
	);
}
