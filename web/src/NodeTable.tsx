// SPDX-License-Identifier: Apache-2.0
import { lagOf } from "./Drawing";
import { Table, type Cell } from "./Table";
import type { HaNode } from "./openapi";
import { T } from "./text";
import { bytes, time } from "./words";

const KINDS: Record<string, string> = { Active: "good", Inactive: "bad" };

function version(n: HaNode) {
	return n.version ? `${n.version}${n.schema_known ? `/${n.schema_known}` : ""}` : T.dash;
}

function cells(n: HaNode): Cell[] {
	const second = n.role === "secondary";
	const only = (text: string) => ({ text: second ? text : "" });
	const part = (word: string | null) => ({ text: word ?? T.dash, kind: KINDS[word ?? ""] ?? "warn" });
	return [
		{ text: n.name },
		{ text: version(n) },
		{ text: n.role },
		{ text: n.state ?? T.dash },
		part(n.service),
		part(n.database),
		only(lagOf(n)),
		only(n.last_in_step ? time(n.last_in_step) : T.unknown),
		only(n.slot ? T.of(bytes(n.slot.retained_bytes), bytes(n.slot.limit_bytes)) : T.dash),
		only(String(n.journal_rows ?? T.dash)),
	];
}

export function NodeTable({ nodes }: { nodes: HaNode[] }) {
	return <Table id="nodes" title={T.nodes} columns={T.nodeColumns} rows={nodes.map(cells)} />;
}
