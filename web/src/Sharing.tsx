// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "preact/hooks";
import { Said, useSaid } from "./Said";
import { call } from "./api";
import { LEVELS, useChanges, useWithdrawals } from "./levels";
import type { ShareRow, Shares } from "./openapi";
import { T } from "./text";
import { named, time } from "./words";

// With whom an account is shared by itself.
export function Sharing({ account }: { account: string }) {
	const changes = useChanges();
	const withdrawals = useWithdrawals();
	const [rows, keep] = useState<ShareRow[] | null>(null);
	const [word, say] = useSaid();
	const user = useRef<HTMLInputElement>(null);
	const level = useRef<HTMLSelectElement>(null);
	const path = `/v1/accounts/${account}/shares`;

	async function load() {
		const r = await call<Shares>("GET", path);
		if (r.body)
			keep(r.body.shares);
		else
			say(r, "");
	}
	useEffect(() => void load(), []);

	async function share(event: Event) {
		event.preventDefault();
		const name = user.current!.value.trim();
		if (!say(await call("POST", path, { user: name, level: level.current!.value }), T.shared(name)))
			return;
		user.current!.value = "";
		await load();
	}

	async function withdraw(row: ShareRow) {
		if (say(await call("DELETE", `${path}/${row.user.id}`), T.unshared(named(row.user.name, row.user))))
			await load();
	}

	return (
		<>
			<h3>{T.sharing}</h3>
			{rows && rows.length === 0 && <p class="hint">{T.sharedWithNobody}</p>}
			<ul id="shares" class="plain">
				{rows?.map((row) => (
					<li key={row.user.id}>
						<span>
							{named(row.user.name, row.user)} {row.team && T.aTeam} <span class="hint">{T.sharedSince(T.levels[row.level] ?? row.level, time(row.granted))}</span>
						</span>
						<button
							type="button"
							disabled={!withdrawals}
							aria-label={T.unshareOf(row.user.name)}
							onClick={() => void withdraw(row)}
						>
							{T.unshare}
						</button>
					</li>
				))}
			</ul>
			<form id="share" onSubmit={share}>
				<label>
					{T.shareWith}
					<input id="share-user" ref={user} autoComplete="off" autoCapitalize="none" spellcheck={false} required maxLength={200} />
				</label>
				<label>
					{T.mayDo}
					<select id="share-level" ref={level}>
						{LEVELS.map((l) => (
							<option key={l} value={l}>
								{T.levels[l]}
							</option>
						))}
					</select>
				</label>
				<button disabled={!changes}>{T.doShare}</button>
			</form>
			<Said id="share-said" word={word} />
		</>
	);
}
