// SPDX-License-Identifier: Apache-2.0
import type { Way, Why } from "./openapi";
import { T } from "./text";
import { named, time } from "./words";

function words(w: Way) {
	const what = (T.shareOn[w.on] ?? w.on) + (w.folder ? ` ${w.folder}` : "");
	if (!w.granted)
		return T.wayOwner(what);
	return w.team ? T.wayTeam(what, named(w.team.name, w.team)) : T.wayOwn(what);
}

// What somebody may do, and through what: each ownership and each share that reaches them, the one that gives most first.
export function Ways({ of }: { of: Pick<Why, "through"> }) {
	return (
		<ul class="ways-list">
			{of.through.map((w, i) => (
				<li key={i}>
					{T.levels[w.level] ?? w.level}: {words(w)}
					{w.granted && <span class="hint"> {T.since(time(w.granted))}</span>}
					{w.until && <span class="hint"> {T.until(time(w.until))}</span>}
					{w.waits && <span class="hint"> {T.unaccepted}</span>}
				</li>
			))}
		</ul>
	);
}
