// SPDX-License-Identifier: Apache-2.0
import { useStore, type Store } from "./store";
import { T } from "./text";
import { clock } from "./words";

const KINDS: Record<string, string> = { Alive: "good", Failed: "bad" };

function ageOf(s: Store): string {
	if (s.idle && s.me && !s.silent)
		return T.idle;
	if (!s.figured)
		return "";
	const when = clock(s.figured);
	return s.old ? T.stale(when, Math.max(0, Math.round((s.now - s.figured) / 1000))) : T.fresh(when);
}

// The one word. What nobody confirms any more claims nothing (H9): it is grey, with its age.
export function Status() {
	const old = useStore((s) => s.old);
	const word = useStore((s) => s.pair?.status ?? "");
	const age = useStore(ageOf);

	return (
		<section id="strip" class={old ? "old" : ""} aria-live="polite">
			<h2>
				{T.status}{" "}
				<strong id="status" class={old ? "" : (KINDS[word] ?? "warn")}>
					{old ? T.notKnownNow : word || T.notKnown}
				</strong>
			</h2>
			<p id="age" class="hint" aria-live="off">
				{age}
			</p>
		</section>
	);
}
