// SPDX-License-Identifier: Apache-2.0
//
// The head of a table. acts: a last column has buttons.
export function Columns({ names, acts }: { names: string[]; acts?: boolean }) {
	return (
		<thead>
			<tr>
				{names.map((c) => (
					<th key={c} scope="col">
						{c}
					</th>
				))}
				{acts && <td />}
			</tr>
		</thead>
	);
}
