// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "preact/hooks";
import { Confirm } from "./Confirm";
import { Dialog } from "./Dialog";
import { Said, useSaid } from "./Said";
import { call } from "./api";
import { useChanges, useWithdrawals } from "./levels";
import type { Member, Members, Team } from "./openapi";
import { useMay } from "./may";
import { T } from "./text";
import { named, time } from "./words";

interface Props {
	team: Team;
	close: () => void;
	changed: () => void;
}

// Who is in a team; administrators say it.
export function TeamDialog({ team, close, changed }: Props) {
	const administers = useMay("teams");
	const changes = useChanges();
	const withdrawals = useWithdrawals();
	const [page, keep] = useState<Members | null>(null);
	const [gone, remove] = useState(false);
	const [word, say] = useSaid();
	const user = useRef<HTMLInputElement>(null);
	const path = `/v1/teams/${team.id}`;
	const name = named(team.name, team);

	async function load() {
		const r = await call<Members>("GET", `${path}/members`);
		if (r.body)
			keep(r.body);
		else
			say(r, "");
	}
	useEffect(() => void load(), []);

	async function add(event: Event) {
		event.preventDefault();
		const who = user.current!.value.trim();
		if (!say(await call("POST", `${path}/members`, { user: who }), T.memberAdded(who)))
			return;
		user.current!.value = "";
		changed();
		await load();
	}

	async function takeOut(m: Member) {
		if (!say(await call("DELETE", `${path}/members/${m.user.id}`), T.memberRemoved(named(m.user.name, m.user))))
			return;
		changed();
		await load();
	}

	async function end() {
		if (!say(await call("DELETE", path), T.teamRemoved(name)))
			return;
		remove(true);
		changed();
	}

	return (
		<Dialog id="team-dialog" title={T.team(name)} close={close}>
			<Said id="team-said" word={word} />
			{!gone && (
				<>
					{page && page.members.length === 0 && <p class="hint">{T.nobodyInTeam}</p>}
					<ul id="members" class="plain">
						{page?.members.map((m) => (
							<li key={m.user.id}>
								<span>
									{named(m.user.name, m.user)}{" "}
									<span class="hint">{m.disabled ? T.isDisabled : T.memberSince(time(m.since))}</span>
								</span>
								{administers && (
									<button
										type="button"
										disabled={!withdrawals}
										aria-label={T.takeOutOf(m.user.name)}
										onClick={() => void takeOut(m)}
									>
										{T.takeOut}
									</button>
								)}
							</li>
						))}
					</ul>
					{page?.next && <p class="hint">{T.moreMembers(name)}</p>}
					{administers && (
						<>
							<form id="add-member" class="line" onSubmit={add}>
								<label>
									{T.newMember}
									<input
										id="member-user"
										ref={user}
										autoComplete="off"
										autoCapitalize="none"
										spellcheck={false}
										required
										maxLength={200}
									/>
								</label>
								<button disabled={!changes}>{T.addMember}</button>
							</form>
							<Confirm
								key="remove"
								id="remove-team"
								what={T.removeTeam}
								ask={T.removeTeamAsk(name)}
								disabled={!withdrawals}
								go={() => void end()}
							/>
							{!changes && <p class="hint">{T.onlyPrimary}</p>}
						</>
					)}
				</>
			)}
		</Dialog>
	);
}
