// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "preact/hooks";
import { Said, useSaid } from "./Said";
import { call } from "./api";
import { useChanges } from "./levels";
import type { OfferMade } from "./openapi";
import { T } from "./text";

// A resource goes to another owner, who takes it: its owner offers it, and takes the offer back.
export function Offering({ resource }: { resource: string }) {
	const changes = useChanges();
	const [offer, keep] = useState<OfferMade | null>(null);
	const [word, say] = useSaid();
	const user = useRef<HTMLInputElement>(null);
	const path = `/v1/resources/${resource}/offer`;

	async function load() {
		const r = await call<OfferMade>("GET", path);
		if (r.body)
			keep(r.body);
		else
			say(r, "");
	}
	useEffect(() => void load(), []);

	async function make(event: Event) {
		event.preventDefault();
		const name = user.current!.value.trim();
		if (say(await call("POST", path, { user: name }), T.offered(name)))
			await load();
	}

	async function end() {
		if (say(await call("DELETE", path), T.offerEnded))
			await load();
	}

	return (
		<>
			<h3>{T.ownership}</h3>
			{offer?.to && (
				<p id="offered" class="row">
					<span>{T.isOffered(offer.to.name)}</span>
					<button id="offer-end" type="button" disabled={!changes} onClick={() => void end()}>
						{T.offerEnd}
					</button>
				</p>
			)}
			{offer && !offer.to && (
				<form id="offer" class="line" onSubmit={make}>
					<label>
						{T.offerTo}
						<input id="offer-user" ref={user} autoComplete="off" autoCapitalize="none" spellcheck={false} required maxLength={200} />
					</label>
					<button disabled={!changes}>{T.offer}</button>
				</form>
			)}
			<Said id="offer-said" word={word} />
		</>
	);
}
