// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "preact/hooks";
import { Said, useSaid } from "./Said";
import { call } from "./api";
import { LEVELS, useChanges, useWithdrawals } from "./levels";
import type { ShareRow, Shares } from "./openapi";
import { T } from "./text";
import { endOf, named, time } from "./words";

const ROWS = 200;

function LevelOptions() {
	return (
		<>
			{LEVELS.map((l) => (
				<option key={l} value={l}>
					{T.levels[l]}
				</option>
			))}
		</>
	);
}

// With whom an account or a resource is shared by itself. path: of it.
export function Sharing({ path, nobody }: { path: string; nobody: string }) {
	const changes = useChanges();
	const withdrawals = useWithdrawals();
	const [page, keep] = useState<Shares | null>(null);
	const [word, say] = useSaid();
	const user = useRef<HTMLInputElement>(null);
	const level = useRef<HTMLSelectElement>(null);
	const last = useRef<HTMLInputElement>(null);
	const shares = `${path}/shares`;

	async function load() {
		const r = await call<Shares>("GET", `${shares}?limit=${ROWS}`);
		if (r.body)
			keep(r.body);
		else
			say(r, "");
	}
	useEffect(() => void load(), []);

	async function share(event: Event) {
		event.preventDefault();
		const name = user.current!.value.trim();
		const until = endOf(last.current!.value);
		const body = { user: name, level: level.current!.value, ...(until && { until }) };
		if (!say(await call("POST", shares, body), until ? T.sharedUntil(name, time(until)) : T.shared(name)))
			return;
		user.current!.value = last.current!.value = "";
		await load();
	}

	// Its end stays.
	async function change(row: ShareRow, to: string) {
		const body = { user: row.user.id, level: to, ...(row.until && { until: row.until }) };
		say(await call("POST", shares, body), T.nowMay(named(row.user.name, row.user), T.levels[to]));
		await load();
	}

	async function withdraw(row: ShareRow) {
		if (say(await call("DELETE", `${shares}/${row.user.id}`), T.unshared(named(row.user.name, row.user))))
			await load();
	}

	return (
		<>
			<h3>{T.sharing}</h3>
			{page?.shares.length === 0 && <p class="hint">{nobody}</p>}
			<ul id="shares" class="plain">
				{page?.shares.map((row) => {
					const name = named(row.user.name, row.user);
					return (
						<li key={row.user.id}>
							<span>
								{name} {row.team && T.aTeam} {row.waits && <span class="hint">{T.unaccepted} </span>}
								<span class="hint">{T.since(time(row.granted))}</span>{" "}
								{row.until && <span class="hint">{(row.ended ? T.endedAt : T.until)(time(row.until))}</span>}
							</span>
							<span class="row">
								<select
									aria-label={T.mayOf(name)}
									disabled={!changes || row.ended}
									value={row.level}
									onChange={(e) => void change(row, e.currentTarget.value)}
								>
									<LevelOptions />
								</select>
								<button type="button" disabled={!withdrawals} aria-label={T.unshareOf(name)} onClick={() => void withdraw(row)}>
									{T.unshare}
								</button>
							</span>
						</li>
					);
				})}
			</ul>
			{page?.next && <p class="hint">{T.moreShares}</p>}
			<form id="share" class="line" onSubmit={share}>
				<label>
					{T.shareWith}
					<input id="share-user" ref={user} autoComplete="off" autoCapitalize="none" spellcheck={false} required maxLength={200} />
				</label>
				<label>
					{T.mayDo}
					<select id="share-level" ref={level}>
						<LevelOptions />
					</select>
				</label>
				<label>
					{T.lastDay}
					<input id="share-until" ref={last} type="date" />
				</label>
				<button disabled={!changes}>{T.doShare}</button>
			</form>
			<Said id="share-said" word={word} />
		</>
	);
}
