// SPDX-License-Identifier: Apache-2.0
import { Said, useSaid } from "./Said";
import { call } from "./api";
import { useChanges } from "./levels";
import type { Offer } from "./openapi";
import { lookForOffers } from "./rounds";
import { useStore } from "./store";
import { T } from "./text";
import { named } from "./words";

// The resources that their owners offer to whoever is logged in, who has to decide. Mostly there is none.
export function Offers({ changed }: { changed: () => void }) {
	const changes = useChanges();
	const offers = useStore((s) => s.offers);
	const [word, say] = useSaid();

	async function answer(o: Offer, accept: boolean) {
		const path = `/v1/resources/${o.resource.id}/offer`;
		const name = named(o.resource.name, o.resource);
		const r = await (accept ? call("POST", `${path}/accept`) : call("DELETE", path));
		await lookForOffers(); // also where it was withdrawn meanwhile
		if (say(r, accept ? T.accepted(name) : T.refused(name, o.from.name)))
			changed();
	}

	if (!offers.length && !word.text)
		return null;
	return (
		<div id="offers" class="notice">
			{offers.length > 0 && <p>{T.offeredHere}</p>}
			<ul class="plain">
				{offers.map((o) => {
					const name = named(o.resource.name, o.resource);
					return (
						<li key={o.resource.id}>
							<span>
								{name} <span class="hint">{T.offeredBy(o.from.name)}</span>
							</span>
							<span class="row">
								<button type="button" disabled={!changes} aria-label={`${T.accept} ${name}`} onClick={() => void answer(o, true)}>
									{T.accept}
								</button>
								<button type="button" disabled={!changes} aria-label={`${T.refuse} ${name}`} onClick={() => void answer(o, false)}>
									{T.refuse}
								</button>
							</span>
						</li>
					);
				})}
			</ul>
			<Said id="offers-said" word={word} />
		</div>
	);
}
