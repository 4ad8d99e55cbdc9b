// SPDX-License-Identifier: Apache-2.0
//
// What the banner says: outage first. A pure function of what the page knows.
import { serves, type Place, type Store } from "./store";
import { T } from "./text";
import { clock, time } from "./words";

export interface Offer {
	kind: "bad" | "warn" | "calm";
	title: string;
	lines: string[];
	links: { text: string; url: string; best: boolean }[];
}

// The log-in there has the name filled in; a fragment is sent to nobody, and that page takes it out of its address.
function linkTo(s: Store, url: string) {
	const name = s.me ? s.me.user.name + (s.me.user.suffix ?? "") : s.typedName;
	return `${url}/${name ? `#login=${encodeURIComponent(name)}` : ""}`;
}

// Where people can go on, the best first, and what is known of each node.
function ways(s: Store): Pick<Offer, "lines" | "links"> {
	const lines: string[] = [];
	const links: Offer["links"] = [];
	for (const p of s.places) {
		const other = s.others[p.url];
		const h = other?.health;
		const url = linkTo(s, p.url);
		if (h?.status === "serving") {
			links.unshift({ text: h.mode === "emergency" ? T.goEmergency(p.name) : T.goPrimary(p.name), url, best: true });
			continue;
		}
		links.push({ text: T.go(p.name), url, best: false });
		if (h?.status === "standby")
			lines.push(T.notYet(p.name));
		else if (h)
			lines.push(T.elseNotServing(p.name, h.why ?? h.state));
		else
			lines.push(p.asked ? (other ? T.elseSilent(p.name) : "") : T.elseUnasked(p.name));
	}
	if (!s.places.length)
		lines.push(T.noOther);
	return { lines: lines.filter(Boolean), links };
}

function silence(s: Store): Offer {
	const node = s.health?.node ?? T.thisNode;
	const { lines, links } = ways(s);
	const kept = links.some((l) => l.best) ? T.kept : T.retrying;
	const title = s.answered ? T.silentSince(node, clock(s.answered)) : T.silentAlways(node);
	return { kind: "bad", title, lines: [...lines, kept], links };
}

function emergency(s: Store): Offer {
	const back = s.places.filter((p) => isPrimary(s, p));
	return {
		kind: "warn",
		title: T.emergencyHead(s.health!.as_of ? time(s.health!.as_of) : T.unknownTime),
		lines: [s.health!.state_since ? T.emergencySince(time(s.health!.state_since)) : T.emergencySeen(clock(s.emergencySeen)), T.emergencyCan, T.emergencyCannot],
		links: back.map((p) => ({ text: T.goPrimary(p.name), url: linkTo(s, p.url), best: true })),
	};
}

const isPrimary = (s: Store, p: Place) => {
	const h = s.others[p.url]?.health;
	return h?.status === "serving" && h.mode === "primary";
};

// Only what a browser may follow.
const isWeb = (url: string) => url.startsWith("https://");

function standby(s: Store): Offer {
	const url = s.health!.primary;
	const seen = s.emergencySeen > 0;
	if (!url || !isWeb(url))
		return { kind: "calm", title: T.noPrimary, lines: [], links: [] };
	const bare = url.replace(/\/+$/, "");
	return { kind: "calm", title: seen ? T.home : T.atPrimary, lines: [], links: [{ text: bare, url: linkTo(s, bare), best: true }] };
}

// While all is well: would this browser find the way?
function untrusted(s: Store): Offer | null {
	const lost = s.places.filter((p) => p.asked && (s.others[p.url]?.tries ?? 0) >= 2);
	const active = lost.filter((p) => s.pair?.nodes.some((n) => n.name === p.name && n.service === "Active"));
	if (!active.length || s.old)
		return null;
	const links = active.map((p) => ({ text: T.go(p.name), url: `${p.url}/`, best: false }));
	return { kind: "warn", title: T.untrusted(active.map((p) => p.name).join(", ")), lines: [], links };
}

export function offerOf(s: Store): Offer | null {
	if (s.silent)
		return silence(s);
	if (!s.health)
		return null;
	if (s.health.status === "not serving")
		return { kind: "bad", title: T.notServe(s.health.why ?? s.health.state), ...ways(s) };
	if (serves(s) === "emergency")
		return emergency(s);
	if (s.health.status === "standby")
		return standby(s);
	return untrusted(s);
}
