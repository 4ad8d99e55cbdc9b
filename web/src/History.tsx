// SPDX-License-Identifier: Apache-2.0
import { Columns } from "./Columns";
import { mayModify, useChanges } from "./levels";
import type { Account, VersionRow } from "./openapi";
import { T } from "./text";
import { time } from "./words";

interface Props {
	account: Account;
	versions: VersionRow[];
	more: boolean;
	show: (version: number) => void;
	settle: (version: number) => void;
}

function marks(v: VersionRow) {
	const said = [v.current && T.isCurrent, v.conflict && T.isSibling, v.approval && (T.approvals[v.approval] ?? v.approval)];
	return said.filter(Boolean).join(", ");
}

export function History({ account, versions, more, show, settle }: Props) {
	const changes = useChanges();
	const settles = account.conflict && mayModify(account.level);

	return (
		<>
			<table id="history" class="cards">
				<caption>{T.history}</caption>
				<Columns names={T.historyColumns} acts />
				<tbody>
					{versions.map((v) => (
						<tr key={v.id}>
							<td data-column={T.historyColumns[0]}>{v.n}</td>
							<td data-column={T.historyColumns[1]}>{time(v.created)}</td>
							<td data-column={T.historyColumns[2]}>{v.author?.name ?? T.dash}</td>
							<td data-column={T.historyColumns[3]}>{v.node?.name ?? T.dash}</td>
							<td data-column={T.historyColumns[4]} class={marks(v) ? "" : "empty"}>
								{marks(v)}
							</td>
							<td class="acts">
								<button type="button" aria-label={T.showVersion(v.n)} onClick={() => show(v.n)}>
									{T.show}
								</button>{" "}
								{settles && (v.conflict || v.current) && (
									<button type="button" disabled={!changes} aria-label={T.settleOn(v.n)} onClick={() => settle(v.n)}>
										{T.settle}
									</button>
								)}
							</td>
						</tr>
					))}
				</tbody>
			</table>
			{more && <p class="hint">{T.moreVersions}</p>}
			{settles && <p class="hint">{T.settleHint}</p>}
		</>
	);
}
