// SPDX-License-Identifier: Apache-2.0
//
// What the page asks by itself: this node's health, the others' health, who is logged in, and the figures of the pair.
//
// Silence is a fact of the page's own questions: two that failed, or one that has waited for PATIENCE_MS. When the page itself stood
// still (the machine slept, the browser held its timers), waiting begins anew.
import { may } from "./may";
import { call, health, lacks } from "./api";
import type { HaBrief, HaUnknown, HaWhole, Health, Offers, Session } from "./openapi";
import { get, serves, set, type Pair, type Place } from "./store";

const TICK_MS = 100;
const POLL_MS = 700;
const HIDDEN_MS = 5000; // while nobody sees the page; whoever comes back to it has it asked at once
const AGAIN_MS = 150; // after a question that failed
const PATIENCE_MS = 1000; // with POLL_MS: silence is said within two seconds
const ANSWER_MS = 1500;
const FIGURES_MS = 1000;
const OTHERS_MS = 5000; // while all is well
const OTHERS_SOON_MS = 400; // while it is not
const OLD_MS = 2500;
const GAP_MS = 1500;
const RELEASE_MS = 60000;
const IDLE_MS = 300000;
const OFFERS_MS = 20000;

let asked = 0; // when the question that waits was asked; 0: none waits
let failures = 0;
let ticked = Date.now();
let touched = Date.now();
let seen: () => void = () => {}; // ends the wait for the next question to this node
let hurry: () => void = () => {}; // ends the wait for the next round of the others
let doubt: () => void = () => {}; // ends the wait for the next look at the release

const wait = (ms: number) => new Promise<void>((on) => setTimeout(on, ms));

// ---- this node ----

function hear(h: Health) {
	const was = get().health;
	set({
		health: h,
		answered: Date.now(),
		silent: false,
		emergencySeen: h.mode === "emergency" && h.status === "serving" ? get().emergencySeen || Date.now() : get().emergencySeen,
		places: get().places.filter((p) => p.name !== h.node),
	});
	if (!was || was.status !== h.status || was.mode !== h.mode)
		hurry();
}

async function askHealth() {
	for (;;) {
		asked = Date.now();
		const h = await health("", ANSWER_MS);
		asked = 0;
		if (h && failures)
			doubt(); // it was started anew, perhaps as another release
		failures = h ? 0 : failures + 1;
		if (h)
			hear(h);
		judge();
		const pause = document.hidden ? HIDDEN_MS : h ? POLL_MS : AGAIN_MS;
		await Promise.race([wait(pause), new Promise<void>((on) => (seen = on))]);
	}
}

function judge() {
	const now = Date.now();
	if (now - ticked > GAP_MS) {
		asked &&= now;
		doubt();
	}
	ticked = now;
	const silent = get().silent || failures >= 2 || (asked > 0 && now - asked > PATIENCE_MS);
	if (silent && !get().silent) {
		set({ silent });
		hurry();
	}
	set({ now, old: silent || now - get().figured > OLD_MS, idle: now - touched > IDLE_MS });
}

// ---- the others ----

async function askOther(p: Place) {
	const h = await health(p.url, ANSWER_MS);
	const tries = h ? 0 : (get().others[p.url]?.tries ?? 0) + 1;
	set({ others: { ...get().others, [p.url]: { health: h, tries } } });
}

async function askOthers() {
	for (;;) {
		await Promise.all(get().places.filter((p) => p.asked).map(askOther));
		const s = get();
		const here = !s.silent && s.health?.status === "serving" && s.health.mode !== "emergency";
		const all = Object.values(s.others).every((o) => o.health);
		await Promise.race([wait(!here ? OTHERS_SOON_MS : all ? OTHERS_MS : FIGURES_MS), new Promise<void>((on) => (hurry = on))]);
	}
}

// ---- the release ----

// This page's files have names that change with what is in them: a node that lacks one has another page.
async function askRelease() {
	for (let known: boolean | null = false; ; ) {
		await Promise.race([wait(known === null ? OTHERS_MS : RELEASE_MS), new Promise<void>((on) => (doubt = on))]);
		const files = [...document.querySelectorAll<HTMLScriptElement | HTMLLinkElement>("script[src], link[rel=stylesheet]")];
		const urls = files.map((f) => (f instanceof HTMLLinkElement ? f.href : f.src));
		known = await lacks(urls, ANSWER_MS);
		set({ newer: known ?? get().newer });
	}
}

// ---- in the user's name ----

// A standby has the primary look after sessions: whoever logs in there sees the status of the pair there.
export function sessionPath() {
	const h = get().health;
	return h && h.status === "serving" ? "/v1/session" : "/v1/session?standby=forward";
}

function learnPlaces(session: Session) {
	const known = get().places;
	const here = get().health?.node;
	const places = session.nodes
		.filter((n) => n.name !== here)
		.map((n) => ({ name: n.name, url: `https://${n.name}${n.https_port === 443 ? "" : `:${n.https_port}`}` }))
		.map((n) => ({ ...n, asked: known.some((p) => p.asked && p.url === n.url) }));
	if (places.map((p) => p.url).join() !== known.map((p) => p.url).join())
		set({ places });
}

export async function who() {
	const was = get().me?.user.id;
	const r = await call<Session>("GET", sessionPath(), undefined, ANSWER_MS);
	if (r.status === 200 && r.body) {
		set({ me: r.body });
		learnPlaces(r.body);
		if (was !== r.body.user.id)
			void lookForOffers();
	} else if (r.status === 401 && get().me) {
		set({ me: null, offers: [] });
	}
}

export async function lookForOffers() {
	const me = get().me?.user.id;
	if (!may(get(), "use"))
		return;
	const r = await call<Offers>("GET", "/v1/offers", undefined, ANSWER_MS);
	if (r.body && get().me?.user.id === me)
		set({ offers: r.body.offers });
}

async function askOffers() {
	for (;;) {
		await wait(OFFERS_MS);
		if (get().me && !get().idle && !get().silent && serves(get()))
			await lookForOffers();
	}
}

function pairOf(h: Health): Pair {
	return { status: h.pair ?? "", state: h.state, why: h.why ?? "", whole: false, nodes: [], reasons: [], warnings: [] };
}

// Whoever is not logged in sees the one word; who is, what their role may see.
async function figures() {
	const h = get().health;
	const answered = get().answered;
	if (!h)
		return;
	if (!get().me) {
		set({ pair: pairOf(h), figured: answered });
		judge(); // so that it is not shown as old until the next tick
		return;
	}
	const r = await call<HaWhole | HaUnknown | HaBrief>("GET", "/v1/ha", undefined, ANSWER_MS);
	if (r.status === 401)
		set({ pair: pairOf(h), figured: answered });
	if (r.status !== 200 || !r.body || !get().me)
		return;
	const b = r.body;
	const told = { whole: false, nodes: [], reasons: [], warnings: [] };
	const seen = "nodes" in b ? { ...told, whole: true, nodes: b.nodes, reasons: b.reasons } : told;
	const warnings = "warnings" in b ? b.warnings : [];
	const why = ("why" in b ? b.why : null) ?? b.reason ?? "";
	set({ pair: { status: b.status ?? "", state: b.state ?? "", why, ...seen, warnings }, figured: Date.now() });
	judge();
}

// Everything that may have changed by a log-in or a log-out.
export async function look() {
	await Promise.all([who(), figures()]);
}

async function askFigures() {
	while (!get().health)
		await wait(TICK_MS);
	await who();
	for (;;) {
		if (!get().silent && !(get().me && get().idle)) {
			// side by side: a slow primary makes the figures of a standby no older
			if (get().me)
				await look();
			else
				await who().then(figures);
		}
		await wait(FIGURES_MS);
	}
}

export function begin(places: Place[]) {
	set({ places });
	for (const event of ["keydown", "pointerdown"])
		addEventListener(event, () => (touched = Date.now()), true);
	setInterval(judge, TICK_MS);
	for (const event of ["visibilitychange", "resume"])
		document.addEventListener(event, () => {
			judge(); // before anybody sees what grew old behind another tab
			if (!document.hidden)
				seen();
		});
	addEventListener("pageshow", judge);
	void askHealth();
	void askOthers();
	void askRelease();
	void askFigures();
	void askOffers();
}
