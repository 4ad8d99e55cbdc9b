// SPDX-License-Identifier: Apache-2.0
//
// Whether the log is whole: recomputed by the service from its first event on.
import { useState } from "preact/hooks";
import { Said, useSaid, type Word } from "./Said";
import { call } from "./api";
import { useMay } from "./may";
import type { Nodes, Verified } from "./openapi";
import { T } from "./text";
import { time } from "./words";

const bad = (text: string): Word => ({ text, bad: true });
const good = (text: string): Word => ({ text, bad: false });

// What is found, the sum first. named: nodes by their ids.
function findings(v: Verified, named: (id: string) => string): Word[] {
	const sum = v.without_effect.length ? T.logNoEffect : !v.good ? T.logBroken : v.accepted.length ? T.logAccepted : T.logWhole;
	const chain = (n: Verified["nodes"][number]) => (n.chain && n.chain !== n.node.id ? T.chainOf(named(n.node.id), n.chain) : named(n.node.id));
	return [
		{ text: `${sum} ${T.eventsVerified(v.events)}`, bad: !v.good },
		...v.nodes.map((n) => (n.broken ? bad(T.nodeBroken(chain(n), n.broken_seq ?? 0, n.why ?? "")) : good(T.nodeGood(chain(n), n.events)))),
		...v.accepted.map((a) => good(T.breakAccepted(named(a.node), a.seq, time(a.at), a.by, a.reason))),
		...v.without_effect.map((w) => bad(T.noEffect(named(w.chain), w.first, w.last, time(w.at), w.why))),
	];
}

export function Verify() {
	const [found, keep] = useState<Word[]>([]);
	const [busy, work] = useState(false);
	const [word, say] = useSaid();
	const mayNodes = useMay("nodes"); // without it nodes are known by their ids

	async function verify() {
		keep([]);
		work(true);
		const r = await call<Verified>("GET", "/v1/audit/verify");
		const known = mayNodes ? await call<Nodes>("GET", "/v1/nodes") : null;
		work(false);
		if (!say(r, "") || !r.body)
			return;
		const names = new Map(known?.body?.nodes.map((n) => [n.id, n.name]));
		keep(findings(r.body, (id) => names.get(id) ?? id));
	}

	return (
		<div id="verify" aria-busy={busy}>
			<button id="verify-log" type="button" class="quiet" disabled={busy} onClick={() => void verify()}>
				{busy ? T.verifying : T.verifyLog}
			</button>
			<Said id="verify-said" word={word} />
			<div id="verified" role="status">
				{found.map((f) => (
					<p key={f.text} class={f.bad ? "notice bad" : "notice calm"}>
						{f.text}
					</p>
				))}
			</div>
		</div>
	);
}
