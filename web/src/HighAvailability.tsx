// SPDX-License-Identifier: Apache-2.0
import { Certificates } from "./Certificates";
import { Drawing } from "./Drawing";
import { NodeTable } from "./NodeTable";
import { Orders } from "./Orders";
import { Reasons } from "./Reasons";
import { useMay } from "./may";
import { useStore } from "./store";
import { T } from "./text";

export function HighAvailability() {
	const pair = useStore((s) => s.pair);
	const old = useStore((s) => s.old);
	const orders = useMay("nodes");

	if (!pair)
		return null;
	return (
		<>
			<section id="pair" class={old ? "old" : ""} aria-label={T.ha}>
				<p id="state">{pair.state && T.state(pair.state, pair.why)}</p>
				<Reasons reasons={pair.reasons} warnings={pair.warnings} />
				{pair.nodes.length > 1 && <Drawing nodes={pair.nodes} old={old} />}
				{pair.nodes.length > 0 && <NodeTable nodes={pair.nodes} />}
				{pair.nodes.length > 0 && <Certificates nodes={pair.nodes} />}
				{!pair.whole && <p class="hint">{T.brief}</p>}
				{pair.state === "single" && <p class="hint">{T.single}</p>}
			</section>
			{orders && <Orders />}
		</>
	);
}
