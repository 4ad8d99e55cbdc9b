// SPDX-License-Identifier: Apache-2.0
import type { Pages } from "./pages";
import { T } from "./text";

// The next page of a list that has one.
export function More({ id, of }: { id: string; of: Pages<unknown> }) {
	if (!of.more)
		return null;
	return (
		<p>
			<button id={id} type="button" onClick={of.more}>
				{T.more}
			</button>
		</p>
	);
}
