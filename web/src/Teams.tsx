// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "preact/hooks";
import { Columns } from "./Columns";
import { Said, useSaid } from "./Said";
import { TeamDialog } from "./TeamDialog";
import { call } from "./api";
import { useChanges } from "./levels";
import type { Team, Teams as Page } from "./openapi";
import { useMay } from "./may";
import { T } from "./text";
import { named, time } from "./words";

const ROWS = 100;

function AddTeam({ added }: { added: (team: Team) => void }) {
	const changes = useChanges();
	const [word, say] = useSaid();
	const name = useRef<HTMLInputElement>(null);

	async function submit(event: Event) {
		event.preventDefault();
		const r = await call<Team>("POST", "/v1/teams", { name: name.current!.value.trim() });
		if (!say(r, "") || !r.body)
			return;
		name.current!.value = "";
		added(r.body);
	}

	return (
		<>
			<form id="add-team" class="line" onSubmit={submit}>
				<label>
					{T.newTeam}
					<input id="team-name" ref={name} autoComplete="off" autoCapitalize="none" spellcheck={false} required maxLength={200} />
				</label>
				<button disabled={!changes}>{T.addTeam}</button>
			</form>
			{!changes && <p class="hint">{T.onlyPrimary}</p>}
			<Said id="team-added-said" word={word} />
		</>
	);
}

// The teams that somebody is in; for administrators all, and what they do to them.
export function Teams() {
	const administers = useMay("teams");
	const [page, keep] = useState<Page>({ teams: [], next: null });
	const [loaded, arrived] = useState(false);
	const [word, say] = useSaid();
	const [open, show] = useState<Team | null>(null);

	async function load() {
		const r = await call<Page>("GET", `/v1/teams?limit=${ROWS}`);
		arrived(true);
		if (say(r, "") && r.body)
			keep(r.body);
	}
	useEffect(() => void load(), []);

	return (
		<section id="teams" aria-labelledby="teams-title">
			<h2 id="teams-title">{T.teams}</h2>
			<p class="hint">{T.teamsHint}</p>
			{administers && (
				<AddTeam
					added={(team) => {
						show(team);
						void load();
					}}
				/>
			)}
			{loaded && page.teams.length === 0 && <p class="hint">{administers ? T.noTeams : T.inNoTeam}</p>}
			<table id="team-list" class="cards" hidden={page.teams.length === 0}>
				<Columns names={T.teamColumns} acts />
				<tbody>
					{page.teams.map((t) => (
						<tr key={t.id}>
							<td data-column={T.teamColumns[0]}>{named(t.name, t)}</td>
							<td data-column={T.teamColumns[1]}>{t.members}</td>
							<td data-column={T.teamColumns[2]}>{t.mine ? T.yes : T.no}</td>
							<td data-column={T.teamColumns[3]}>{time(t.created)}</td>
							<td class="acts">
								<button type="button" aria-label={administers ? T.manageTeam(t.name) : T.membersOf(t.name)} onClick={() => show(t)}>
									{administers ? T.manage : T.members}
								</button>
							</td>
						</tr>
					))}
				</tbody>
			</table>
			{page.next && <p class="hint">{T.firstTeams(page.teams.length)}</p>}
			<Said id="teams-said" word={word} />
			{open && <TeamDialog key={open.id} team={open} close={() => show(null)} changed={() => void load()} />}
		</section>
	);
}
