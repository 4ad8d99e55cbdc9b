// SPDX-License-Identifier: Apache-2.0
//
// The page of a node: where it stands in the pair, whether the pair is Alive and, if not, why and what to do; and passwords.
// It knows no more than the API tells whoever is logged in. Texts go into the page as text, never as markup. The session is the
// cookie, which this script cannot read; nothing is stored in the browser.
"use strict";

const POLL_MS = 1000;
const ANSWER_MS = 1500; // a round that is not answered within this is none
const OLD_MS = 3000; // figures that nobody has confirmed for so long are not shown as present ones (H9)
const SHOW_MS = 30000;
const IDLE_MS = 300000; // then the page asks nothing in the user's name, so that their session can end
const ROWS = 50;
const LOOKING = "Looking …";

const $ = (id) => document.getElementById(id);
let me = null; // who is logged in here, as GET /v1/session says
let serves = ""; // "primary", "emergency" or "": as whom this node serves users now
let shown = null; // the account in the dialog
let hiding = 0; // timer
let searches = 0; // the number of the last one
let touched = Date.now(); // when somebody last did something here
let here = ""; // this node's name
let nodes = []; // the nodes of the pair, as the last answer named them: {name, url}
const opened = Date.now();
let answered = 0; // when this node last answered a round
let figured = 0; // when the figures of the pair were last had
let paired = { status: "", kind: "" }; // the word of the pair, as the last figures had it

// ---- the API ----

// {status, body, asOf}; status 0: no answer, or this node sends its users elsewhere. ms: how long is waited, if not for ever.
async function call(method, path, body, ms) {
	const asked = { method, redirect: "manual", cache: "no-store", credentials: "same-origin" };
	if (ms)
		asked.signal = AbortSignal.timeout(ms);
	if (body !== undefined) {
		asked.headers = { "Content-Type": "application/json" };
		asked.body = JSON.stringify(body);
	}
	try {
		const r = await fetch(path, asked);
		const text = await r.text();
		return { status: r.status, body: text ? JSON.parse(text) : null, asOf: r.headers.get("Holdfast-As-Of") };
	} catch {
		return { status: 0, body: null, asOf: null };
	}
}

function failure(r) {
	if (!r.status)
		return "This node did not answer the request. Look at the top of the page for where to go, or try again.";
	const e = (r.body && r.body.error) || {};
	const text = e.detail ? `${e.message}: ${e.detail}` : e.message || `the answer was ${r.status}`;
	return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

// ---- words into the page ----

function say(element, text, kind) {
	element.textContent = text;
	element.className = [element.classList.contains("notice") ? "notice" : "", kind || ""].join(" ").trim();
	element.hidden = !text;
}

function row(table, cells) {
	const tr = table.tBodies[0].insertRow();
	for (const c of cells) {
		const td = tr.insertCell();
		if (c instanceof Node)
			td.append(c);
		else
			td.textContent = c;
	}
	return tr;
}

function button(text, act) {
	const b = document.createElement("button");
	b.type = "button";
	b.textContent = text;
	b.addEventListener("click", act);
	return b;
}

const time = (iso) => (iso ? new Date(iso).toLocaleString() : "–");

function bytes(n) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let u = 0;
	if (typeof n !== "number")
		return "–";
	for (; n >= 1024 && u + 1 < units.length; u++)
		n /= 1024;
	return `${u ? n.toFixed(1) : n} ${units[u]}`;
}

// ---- where this node stands ----

const places = {
	primary: ["the primary", "good"],
	emergency: ["emergency access", "warn"],
	standby: ["stands by", ""],
};

function showPlace(h) {
	here = h.node;
	document.title = `Holdfast · ${h.node}`;
	const [text, kind] = h.status === "not serving" ? ["not serving", "bad"] : places[h.mode] || [h.mode, ""];
	$("where").textContent = `${h.node}: ${text}`;
	$("where").className = kind;
	if (h.status === "not serving")
		sayWhere(`This node does not serve: ${h.why || h.state}.`, others());
	else if (h.mode === "emergency")
		sayWhere(`The primary cannot be reached. This is emergency access: what you see is as of ${h.as_of ? time(h.as_of) : "an unknown time"}; everything is recorded.`, []);
	else if (h.status === "standby" && h.primary)
		sayWhere("This node stands by; users work on the primary:", [{ name: h.primary, url: h.primary }]);
	else
		sayWhere(h.status === "standby" ? "This node stands by, and knows of no primary." : "", []);
}

const others = () => nodes.filter((n) => n.name !== here);

// A sentence, and the nodes that it sends people to.
function sayWhere(text, to) {
	const same = [text, ...to.map((n) => n.url)].join(" ");
	if ($("notice").dataset.said === same)
		return; // a link that is being clicked stays
	say($("notice"), text);
	$("notice").dataset.said = same;
	for (const n of to) {
		if (!/^https:\/\//.test(n.url))
			continue;
		const a = document.createElement("a");
		a.href = n.url;
		a.textContent = n.name;
		$("notice").append(" ", a);
	}
}

function showSilence() {
	$("where").textContent = `${here || "this node"}: does not answer`;
	$("where").className = "bad";
	const since = answered ? `has not answered since ${new Date(answered).toLocaleTimeString()}` : "does not answer";
	const to = others();
	sayWhere(`This node ${since}. ${to.length ? "Try the other nodes; one of them may give emergency access:" : "Retrying every second."}`, to);
}

function showUser() {
	const in_ = Boolean(me);
	$("who").hidden = !in_;
	$("login").hidden = in_;
	$("login-why").hidden = Boolean(serves);
	$("vault").hidden = !in_ || !serves;
	if (in_)
		$("user").textContent = `${me.user.name} (${me.user.role})`;
}

// ---- the pair ----

function showReason(r) {
	const li = document.createElement("li");
	const what = document.createElement("strong");
	const named = !r.node || r.text.includes(r.node);
	what.textContent = (named ? "" : `${r.node}: `) + r.text + (r.detail ? `: ${r.detail}` : "");
	li.append(what);
	const cause = $("reasons").lastElementChild;
	if (r.follows_from && cause) { // under what it follows from
		what.replaceWith(`And so ${what.textContent}.`);
		if (cause.lastElementChild.tagName !== "UL")
			cause.append(document.createElement("ul"));
		cause.lastElementChild.append(li);
		return;
	}
	const todo = document.createElement("div");
	todo.textContent = `What to do: ${r.todo}`;
	li.append(todo);
	$("reasons").append(li);
}

function showNode(n) {
	const slot = n.slot || {};
	const second = n.role === "secondary";
	const lag = [n.lag_bytes, n.lag_seconds].every((x) => typeof x === "number") ? `${bytes(n.lag_bytes)}, ${n.lag_seconds.toFixed(1)} s` : "–";
	const kept = n.slot ? `${bytes(slot.retained_bytes)} of ${bytes(slot.limit_bytes)}` : "–";
	const kinds = { Active: "good", Inactive: "bad" };
	const version = n.version ? `${n.version}${n.schema_known ? `/${n.schema_known}` : ""}` : "–";
	const tr = row($("nodes"), [n.name, version, n.role, n.state || "–", n.service, n.database, second ? lag : "", second ? (n.last_in_step ? time(n.last_in_step) : "unknown") : "",
		second ? kept : "", second ? String(n.journal_rows ?? "–") : ""]);
	for (const i of [4, 5])
		tr.cells[i].className = kinds[tr.cells[i].textContent] || "warn";
}

function showPair(p) {
	const kinds = { Alive: "good", Failed: "bad" };
	paired = { status: p.status || "not known", kind: kinds[p.status] || "warn" };
	$("state").textContent = p.state ? `State of this node: ${p.state}${p.why || p.reason ? ` – ${p.why || p.reason}` : ""}.` : "";
	$("reasons").replaceChildren();
	(p.reasons || []).forEach(showReason);
	$("nodes").tBodies[0].replaceChildren();
	(p.nodes || []).forEach(showNode);
	$("nodes").hidden = !(p.nodes && p.nodes.length);
	$("pair").hidden = false;
	showAge();
}

// Figures say how old they are; those that nobody confirms any more are grey and claim nothing (H9).
function showAge() {
	const age = Date.now() - figured;
	const silent = Date.now() - (answered || opened) > OLD_MS;
	const old = silent || age > OLD_MS;
	$("status").textContent = old ? "not known now" : paired.status;
	$("status").className = old ? "" : paired.kind;
	$("pair").classList.toggle("old", old);
	$("age").textContent = figured ? `As of ${new Date(figured).toLocaleTimeString()}, ${old ? `${Math.round(age / 1000)} s ago: not confirmed since` : "now"}.` : "";
	if (silent)
		showSilence();
}

// ---- passwords ----

// Where several hold a name, a suffix tells them apart.
function named(name, holder) {
	return name + (holder.suffix || "");
}

function showAccount(resource, account) {
	row($("accounts"), [named(resource.name, resource), named(account.login, account),
		account.version ? `${account.version}${account.conflict ? ", in conflict" : ""}` : "none yet",
		account.version ? button("Show …", () => openSecret(resource, account)) : ""]);
}

async function find(event) {
	event.preventDefault();
	$("accounts").tBodies[0].replaceChildren();
	$("accounts").hidden = true;
	say($("found"), LOOKING, "hint");
	const asked = ++searches;
	const text = $("query").value; // empty: all there is
	const r = await call("GET", `/v1/resources?${text ? `q=${encodeURIComponent(text)}&` : ""}limit=${ROWS}`);
	if (asked !== searches)
		return; // a later search, or whoever searched has logged out
	if (r.status !== 200) {
		say($("found"), failure(r), "hint bad");
		return;
	}
	for (const resource of r.body.resources)
		for (const account of resource.accounts)
			showAccount(resource, account);
	$("accounts").hidden = $("accounts").tBodies[0].rows.length === 0;
	say($("found"), $("accounts").hidden ? "Nothing of that name is shared with you." : leftOut(r.body), "hint");
}

// What there is beyond the rows that are shown.
function leftOut(page) {
	const many = page.resources.find((resource) => resource.accounts_next);
	return [page.next ? `The first ${page.resources.length} resources; say more of the name.` : "",
		many ? `“${many.name}” has more than ${many.accounts.length} accounts: \`holdfast find\` shows all of them.` : ""].filter(Boolean).join(" ");
}

function openSecret(resource, account) {
	shown = account.id;
	$("secret-title").textContent = `${named(resource.name, resource)} / ${named(account.login, account)}`;
	$("retrieve").hidden = false;
	$("reason").value = "";
	say($("secret-notice"), "");
	$("secret").showModal();
}

function hideSecret() {
	clearTimeout(hiding);
	$("fields").replaceChildren();
	$("hides").hidden = true;
}

function showField(name, value) {
	const dt = document.createElement("dt");
	const dd = document.createElement("dd");
	const copy = button("Copy", async () => {
		await navigator.clipboard.writeText(value);
		copy.textContent = "Copied";
	});
	dt.textContent = name;
	dd.textContent = value;
	$("fields").append(dt, dd, copy);
}

async function retrieve(event) {
	event.preventDefault();
	hideSecret();
	const asked = shown;
	const reason = $("reason").value;
	const r = await call("POST", `/v1/accounts/${asked}/retrieve`, reason ? { reason } : {});
	if (asked !== shown)
		return; // the dialog was closed meanwhile, or is another account's
	if (r.status !== 200) {
		say($("secret-notice"), failure(r), "bad");
		return;
	}
	say($("secret-notice"), r.body.conflict ? "This account is in conflict: other versions may count." : r.asOf ? `As of ${time(r.asOf)}.` : "");
	$("retrieve").hidden = true;
	for (const [name, value] of Object.entries(r.body.fields))
		showField(name, value);
	$("hides").hidden = false;
	hiding = setTimeout(() => $("secret").close(), SHOW_MS);
}

// ---- logging in and out ----

// A standby has the primary look after sessions: whoever logs in here sees the status of the pair here.
const session = () => (serves ? "/v1/session" : "/v1/session?standby=forward");

async function login(event) {
	event.preventDefault();
	const asked = { name: $("name").value, password: $("password").value };
	if ($("code").value)
		asked.code = $("code").value;
	const r = await call("POST", session(), asked);
	$("password").value = $("code").value = "";
	if (r.status !== 200 && r.status !== 201) {
		say($("login-notice"), failure(r), "bad");
		return;
	}
	say($("login-notice"), "");
	await look();
}

async function logout() {
	await call("DELETE", session());
	forget();
	showUser();
}

function forget() {
	me = null;
	showPair({ status: paired.status });
	searches++;
	say($("found"), "", "hint");
	$("secret").close();
	$("accounts").tBodies[0].replaceChildren();
	$("accounts").hidden = true;
	$("query").value = "";
}

// ---- the round ----

async function who() {
	const s = await call("GET", session(), undefined, ANSWER_MS);
	if (s.status === 200) {
		me = s.body;
		nodes = (s.body.nodes || []).map((n) => ({ name: n.name, url: `https://${n.name}:${n.https_port}` }));
	} else if (s.status === 401 && me) {
		forget();
	}
	showUser();
}

// Whoever is not logged in sees the one word; who is, what their role may see.
async function figures(h) {
	const p = me ? await call("GET", "/v1/ha", undefined, ANSWER_MS) : { status: 401 };
	if (p.status !== 200 && p.status !== 401)
		return;
	figured = Date.now();
	showPair(p.status === 200 ? p.body : { status: h.pair, state: h.state, reason: h.why });
}

async function look() {
	const h = await call("GET", "/v1/sys/health", undefined, ANSWER_MS);
	if (!h.body)
		return; // showAge says so when it lasts
	answered = Date.now();
	serves = h.status === 200 ? h.body.mode : "";
	showPlace(h.body);
	if (me && Date.now() - touched > IDLE_MS) {
		$("state").textContent = "Not asked any more, since nobody does anything here: press a key.";
		return;
	}
	if (me) // side by side: a slow primary makes the figures of a standby no older
		await Promise.all([who(), figures(h.body)]);
	else
		await who().then(() => figures(h.body));
}

async function round() {
	await look();
	setTimeout(round, POLL_MS);
}

for (const event of ["keydown", "pointerdown"])
	addEventListener(event, () => (touched = Date.now()), true);
document.addEventListener("visibilitychange", showAge);
setInterval(showAge, POLL_MS / 2);
$("login").addEventListener("submit", login);
$("find").addEventListener("submit", find);
$("retrieve").addEventListener("submit", retrieve);
$("logout").addEventListener("click", logout);
$("close").addEventListener("click", () => $("secret").close());
$("secret").addEventListener("close", () => {
	shown = null;
	hideSecret();
});
round();
