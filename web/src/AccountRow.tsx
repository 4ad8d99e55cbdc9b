// SPDX-License-Identifier: Apache-2.0
import { Component } from "preact";
import { T } from "./text";

export interface Row {
	id: string;
	resource: string;
	login: string;
	version: number;
	conflict: boolean;
	level: string;
}

interface Props {
	row: Row;
	open: (row: Row) => void;
	copy: (row: Row) => void;
	more: (row: Row) => void;
}

// Drawn anew only when it is another row.
export class AccountRow extends Component<Props> {
	shouldComponentUpdate(next: Props) {
		return next.row !== this.props.row;
	}

	render({ row, open, copy, more }: Props) {
		const of = `${row.resource} / ${row.login}`;
		return (
			<tr tabIndex={-1}>
				<td data-column={T.resource}>{row.resource}</td>
				<td data-column={T.login}>{row.login}</td>
				<td data-column={T.version}>{!row.version ? T.noVersion : row.conflict ? T.inConflict(row.version) : row.version}</td>
				<td class="acts">
					{row.version > 0 && (
						<>
							<button type="button" aria-label={`${T.show} ${of}`} onClick={() => open(row)}>
								{T.show}
							</button>{" "}
							<button type="button" aria-label={`${T.copy} ${of}`} onClick={() => copy(row)}>
								{T.copy}
							</button>{" "}
						</>
					)}
					<button type="button" aria-label={`${T.details} ${of}`} onClick={() => more(row)}>
						{T.details}
					</button>
				</td>
			</tr>
		);
	}
}
