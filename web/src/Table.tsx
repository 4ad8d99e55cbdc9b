// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { Columns } from "./Columns";

export interface Cell {
	text: ComponentChildren;
	kind?: string;
}

// On a narrow page each row is a card whose cells say their column (console.css).
export function Table({ id, title, columns, rows }: { id: string; title: string; columns: string[]; rows: Cell[][] }) {
	return (
		<table id={id} class="cards">
			<caption>{title}</caption>
			<Columns names={columns} />
			<tbody>
				{rows.map((cells, r) => (
					<tr key={r}>
						{cells.map((c, i) => (
							<td key={i} data-column={columns[i]} class={[c.kind ?? "", c.text === "" ? "empty" : ""].join(" ").trim()}>
								{c.text}
							</td>
						))}
					</tr>
				))}
			</tbody>
		</table>
	);
}
