// SPDX-License-Identifier: Apache-2.0
import { Component } from "preact";
import { T } from "./text";

export interface Row {
	id: string; // of the account; "": of this resource is none to be seen
	resource: string;
	folder: string; // the path of the one that it stands in, where that is to be said
	resourceId: string;
	login: string;
	version: number;
	conflict: boolean;
	level: string;
	waits: boolean; // it is found by its name once they accept it
}

// As a reference is written, but for the spaces.
export const titleOf = (row: Row) => `${row.folder && `${row.folder}/`}${row.resource} / ${row.login}`;

interface Props {
	row: Row;
	open: (row: Row) => void;
	copy: (row: Row) => void;
	more: (row: Row) => void;
	whole: (row: Row) => void; // the resource
}

// Drawn anew only when it is another row.
export class AccountRow extends Component<Props> {
	shouldComponentUpdate(next: Props) {
		return next.row !== this.props.row;
	}

	render({ row, open, copy, more, whole }: Props) {
		const of = titleOf(row);
		return (
			<tr tabIndex={-1}>
				<td data-column={T.resource}>
					<button type="button" class="link" aria-label={T.resourceOf(row.folder ? `${row.folder}/${row.resource}` : row.resource)} onClick={() => whole(row)}>
						{row.resource}
					</button>
					{row.folder && <span class="hint path"> {T.inFolder(row.folder)}</span>}
					{row.waits && <span class="hint"> {T.unaccepted}</span>}
				</td>
				<td data-column={T.login}>{row.id ? row.login : T.dash}</td>
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
					{row.id && (
						<button type="button" aria-label={`${T.details} ${of}`} onClick={() => more(row)}>
							{T.details}
						</button>
					)}
				</td>
			</tr>
		);
	}
}
