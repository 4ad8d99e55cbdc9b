// SPDX-License-Identifier: Apache-2.0
import { offerOf, type Offer } from "./offer";
import { useStore } from "./store";

export function Banner() {
	const said = useStore((s) => JSON.stringify(offerOf(s)));
	const offer = JSON.parse(said) as Offer | null;

	// The element stays, so that readers of the screen hear what changes in it.
	return (
		<div id="notice" role="alert" hidden={!offer} class={offer ? `notice ${offer.kind}` : "notice"}>
			{offer && (
				<>
					<p class="title">{offer.title}</p>
					{offer.links.length > 0 && (
						<p class="ways">
							{offer.links.map((l) => (
								<a key={l.url + l.text} href={l.url} target="_blank" rel="noopener" class={l.best ? "best" : ""}>
									{l.text}
								</a>
							))}
						</p>
					)}
					{offer.lines.map((line) => (
						<p key={line}>{line}</p>
					))}
				</>
			)}
		</div>
	);
}
