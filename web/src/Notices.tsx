// SPDX-License-Identifier: Apache-2.0
//
// What was done about who logs in, by whomever, since they logged in last: told once, at the log-in.
import type { Login, Notice } from "./openapi";
import { set, useStore } from "./store";
import { T } from "./text";
import { begin, time } from "./words";

function words(n: Notice, me: string) {
	const said = T.notices[n.what];
	const name = n.user?.name ?? "";
	const what = !said ? `${name}: ${n.what}` : n.user?.id === me ? said[0] : said[1](name);
	const by = n.by ? (n.by.id === me ? T.inYourName : T.by(n.by.name)) : "";
	return begin(what + (n.value ? `: ${n.value}` : "") + by + (n.address ? T.from(n.address) : "")) + ".";
}

export const keepTold = (r: Login | null | undefined) => set({ told: r?.notices?.length ? r : null });

export function Notices() {
	const told = useStore((s) => s.told);
	const me = useStore((s) => s.me?.user.id ?? "");

	if (!told || told.user.id !== me)
		return null;
	return (
		<section id="notices" class="notice" role="status" aria-labelledby="notices-title">
			<h2 id="notices-title">{T.toldSince(told.last_login ? time(told.last_login.at) : "", told.last_login?.address ?? "")}</h2>
			<ul>
				{told.notices!.map((n, i) => (
					<li key={i}>
						<span class="hint">{time(n.at)}</span> {words(n, me)}
					</li>
				))}
			</ul>
			{told.more_notices && <p>{T.toldMore}</p>}
			<p>{T.toldOdd}</p>
			<button onClick={() => set({ told: null })}>{T.toldSeen}</button>
		</section>
	);
}
