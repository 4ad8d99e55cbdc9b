// SPDX-License-Identifier: Apache-2.0
import { useStore } from "./store";
import { T } from "./text";

// The node runs another release by now: what is open goes on, and loading it anew is offered. Not while the node is silent, when
// there would be nothing to load.
export function Newer() {
	const newer = useStore((s) => s.newer && !s.silent);

	return (
		<div id="newer" role="status" class="notice calm" hidden={!newer}>
			{newer && (
				<>
					<p>{T.newer}</p>
					<p>
						<button id="reload" type="button" onClick={() => location.reload()}>
							{T.reload}
						</button>
					</p>
				</>
			)}
		</div>
	);
}
