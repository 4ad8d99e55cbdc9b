// SPDX-License-Identifier: Apache-2.0
import { useRef, useState } from "preact/hooks";
import { Said, useSaid } from "./Said";
import { Ways } from "./Ways";
import { call } from "./api";
import type { Why as Answer } from "./openapi";
import { T } from "./text";

// What a user may see here, and through what: for whoever may share it. path: of the account or the resource.
export function Why({ path }: { path: string }) {
	const [why, keep] = useState<Answer | null>(null);
	const [word, say] = useSaid();
	const user = useRef<HTMLInputElement>(null);

	async function ask(event: Event) {
		event.preventDefault();
		const r = await call<Answer>("GET", `${path}/why?user=${encodeURIComponent(user.current!.value.trim())}`);
		say(r, "");
		keep(r.body);
	}

	return (
		<>
			<h3>{T.why}</h3>
			<form id="why" class="line" onSubmit={ask}>
				<label>
					{T.whyOf}
					<input id="why-user" ref={user} autoComplete="off" autoCapitalize="none" spellcheck={false} required maxLength={200} />
				</label>
				<button>{T.whyAsk}</button>
			</form>
			<div id="why-answer" role="status">
				{why && <p>{why.through.length ? T.mayThrough(why.user.name) : T.mayNothing(why.user.name)}</p>}
				{why && <Ways of={why} />}
			</div>
			<Said id="why-said" word={word} />
		</>
	);
}
