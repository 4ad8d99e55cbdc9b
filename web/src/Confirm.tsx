// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { T } from "./text";

interface Props {
	id: string;
	what: string;
	ask: string; // what it means
	disabled: boolean;
	go: () => void;
}

// Two clicks for what is not undone by one.
export function Confirm({ id, what, ask, disabled, go }: Props) {
	const [asking, set] = useState(false);

	if (!asking)
		return (
			<p>
				<button id={id} type="button" class="danger" disabled={disabled} onClick={() => set(true)}>
					{what}
				</button>
			</p>
		);
	return (
		<div class="notice" role="alert">
			<p>{ask}</p>
			<p class="row">
				<button
					id={`${id}-yes`}
					type="button"
					class="danger"
					disabled={disabled}
					onClick={() => {
						set(false);
						go();
					}}
				>
					{what}
				</button>
				<button type="button" onClick={() => set(false)}>
					{T.keep}
				</button>
			</p>
		</div>
	);
}
