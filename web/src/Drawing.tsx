// SPDX-License-Identifier: Apache-2.0
import type { HaNode } from "./openapi";
import { T } from "./text";
import { bytes } from "./words";

export function lagOf(n: HaNode) {
	return typeof n.lag_bytes === "number" && typeof n.lag_seconds === "number" ? T.lag(bytes(n.lag_bytes), n.lag_seconds.toFixed(1)) : T.dash;
}

const KINDS: Record<string, string> = { Active: "good", Inactive: "bad" };
const kindOf = (word: string | null) => KINDS[word ?? ""] ?? "warn";

function Box({ node }: { node: HaNode }) {
	const well = node.service === "Active" && node.database === "Active";
	return (
		<div class={`box ${well ? "good" : kindOf(node.service === "Active" ? node.database : node.service)}`}>
			<strong>{node.name}</strong>
			<span>
				{node.role}
				{node.state ? `, ${node.state}` : ""}
			</span>
			<span class="small">{T.works(node.service ?? T.unknown, node.database ?? T.unknown)}</span>
		</div>
	);
}

function Channel({ from, to }: { from: HaNode; to: HaNode }) {
	const streams = to.streaming === true;
	const lag = lagOf(to);
	return (
		<div class={`channel ${streams ? "good" : "bad"}`}>
			<svg viewBox="0 0 120 24" role="img" aria-label={T.drawing(from.name, to.name, streams, lag)}>
				<line x1="2" y1="12" x2="104" y2="12" class={streams ? "" : "broken"} />
				<path d="M102 4 L118 12 L102 20 Z" />
			</svg>
			<span aria-hidden="true">{streams ? `${T.streams} · ${lag}` : T.streamsNot}</span>
		</div>
	);
}

// From whom data go to whom, and whether they do.
export function Drawing({ nodes, old }: { nodes: HaNode[]; old: boolean }) {
	const primary = nodes.find((n) => n.role === "primary");
	const others = nodes.filter((n) => n !== primary);

	if (!primary)
		return null;
	return (
		<div id="drawing" class={old ? "old" : ""}>
			<Box node={primary} />
			<div class="branches">
				{others.map((n) => (
					<div class="branch" key={n.name}>
						<Channel from={primary} to={n} />
						<Box node={n} />
					</div>
				))}
			</div>
		</div>
	);
}
