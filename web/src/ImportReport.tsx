// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { Table } from "./Table";
import type { ImportLine, ImportOutcome, ImportReport as Whole } from "./openapi";
import { T } from "./text";

const ROWS = 200;

export type Report = Whole | ImportOutcome;

// What does not simply come is read first.
const ORDER = ["refused", "left_out", "skipped", "updated", "unchanged"];
const orderOf = (l: ImportLine) => (ORDER.includes(l.fate) ? ORDER.indexOf(l.fate) : ORDER.length + (l.why ? 0 : 1));

function Lines({ of }: { of: Whole }) {
	const lines = [...of.lines].sort((a, b) => orderOf(a) - orderOf(b) || a.line - b.line);
	const more = Math.max(0, lines.length - ROWS) + of.lines_left_off;
	const rows = lines
		.slice(0, ROWS)
		.map((l) => [
			{ text: l.line },
			{ text: l.resource ?? T.dash },
			{ text: l.login ?? T.dash },
			{ text: T.importFates[l.fate] ?? l.fate, kind: l.fate === "refused" ? "bad" : l.fate === "new" ? "good" : "warn" },
			{ text: l.why ?? "" },
		]);
	return (
		<>
			{rows.length > 0 && <Table id="import-lines" title={T.importLines} columns={T.importColumns} rows={rows} />}
			{more > 0 && <p class="hint">{T.importMore(more)}</p>}
		</>
	);
}

// What comes, what does not and why, and what has no place here. The title takes the focus: it is what was waited for.
export function ImportReport({ id, title, of, children }: { id: string; title: string; of: Report; children: ComponentChildren }) {
	const head = useRef<HTMLHeadingElement>(null);
	const counts = (["refused", "left_out", "skipped", "updated", "unchanged"] as const).filter((name) => of[name] > 0);
	const whole = "lines" in of ? of : null;

	useLayoutEffect(() => head.current!.focus(), []);
	return (
		<div id={id} class="report">
			<h3 ref={head} tabIndex={-1}>
				{title}
			</h3>
			{of.state !== "stopped" && of.state !== "unknown" && (
				<ul>
					<li>{T.importComes(of.accounts, of.resources, of.entries)}</li>
					{counts.map((name) => (
						<li key={name}>{T.importCounts[name](of[name])}</li>
					))}
					{whole && whole.lost.length > 0 && (
						<li>{T.importLost(whole.lost.map((l) => `${l.name} (${l.values})`).join(", "))}</li>
					)}
					{whole && <li>{T.importIs(whole.format_title)}</li>}
				</ul>
			)}
			{children}
			{whole && <Lines of={whole} />}
		</div>
	);
}
