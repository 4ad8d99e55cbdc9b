// SPDX-License-Identifier: Apache-2.0
import { Table, type Cell } from "./Table";
import type { HaCertificate, HaNode } from "./openapi";
import { T } from "./text";
import { day } from "./words";

const KINDS: Record<string, string> = { good: "good", soon: "warn" };

function cell(c: HaCertificate | undefined): Cell {
	if (!c)
		return { text: "" };
	return { text: T.ends(c.days, c.until ? day(c.until) : T.unknown), kind: KINDS[c.level] ?? "bad" };
}

// A row for each node, a column for each kind of certificate.
export function Certificates({ nodes }: { nodes: HaNode[] }) {
	const kinds = [...new Set(nodes.flatMap((n) => n.certificates.map((c) => c.certificate)))];
	const rows = nodes.map((n) => [{ text: n.name }, ...kinds.map((k) => cell(n.certificates.find((c) => c.certificate === k)))]);
	return kinds.length ? <Table id="certificates" title={T.certificates} columns={[T.node, ...kinds]} rows={rows} /> : null;
}
