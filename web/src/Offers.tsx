// SPDX-License-Identifier: Apache-2.0
import { Said, useSaid } from "./Said";
import { call } from "./api";
import { useChanges, useWithdrawals } from "./levels";
import type { Offer } from "./openapi";
import { lookForOffers } from "./rounds";
import { useStore } from "./store";
import { T } from "./text";
import { named, time } from "./words";

function nameOf(o: Offer) {
	if (o.folder)
		return T.folderCalled(named(o.folder.name, o.folder));
	const resource = o.resource ? named(o.resource.name, o.resource) : "";
	return o.account ? `${resource} / ${named(o.account.login, o.account)}` : resource;
}

const idOf = (o: Offer) => (o.folder ?? o.account ?? o.resource)!.id;

// What waits for the answer of whoever is logged in: resources that their owners offer, and what others share with them by themselves. Mostly there is none.
export function Offers({ changed }: { changed: () => void }) {
	const changes = useChanges();
	const withdrawals = useWithdrawals();
	const offers = useStore((s) => s.offers);
	const me = useStore((s) => s.me?.user.id ?? "");
	const [word, say] = useSaid();

	function send(o: Offer, accept: boolean) {
		const path = `/v1/${o.kind}s/${idOf(o)}`;
		if (o.ownership)
			return accept ? call("POST", `${path}/offer/accept`) : call("DELETE", `${path}/offer`);
		return accept ? call("POST", `${path}/shares/accept`) : call("DELETE", `${path}/shares/${me}`);
	}

	async function answer(o: Offer, accept: boolean) {
		const name = nameOf(o);
		const r = await send(o, accept);
		await lookForOffers(); // also where it was withdrawn meanwhile
		const said = o.ownership ? [T.accepted(name), T.refused(name, o.from?.name ?? T.dash)] : [T.shareAccepted(name), T.givenUp(name)];
		if (say(r, said[accept ? 0 : 1]))
			changed();
	}

	if (!offers.length && !word.text)
		return null;
	return (
		<div id="offers" class="notice">
			{offers.length > 0 && <p>{T.offeredHere}</p>}
			<ul class="plain">
				{offers.map((o) => {
					const name = nameOf(o);
					const from = o.from?.name ?? T.dash;
					const no = o.ownership ? T.refuse : T.giveUp;
					return (
						<li key={idOf(o)}>
							<span>
								{name} <span class="hint">{o.ownership ? T.offeredBy(from) : T.sharedBy(T.levels[o.level ?? ""] ?? T.dash, from)}</span>{" "}
								{o.until && <span class="hint">{T.until(time(o.until))}</span>}
							</span>
							<span class="row">
								<button type="button" disabled={!changes} aria-label={`${T.accept} ${name}`} onClick={() => void answer(o, true)}>
									{T.accept}
								</button>
								<button
									type="button"
									disabled={!(o.ownership ? changes : withdrawals)}
									aria-label={`${no} ${name}`}
									onClick={() => void answer(o, false)}
								>
									{no}
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
