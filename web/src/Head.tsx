// SPDX-License-Identifier: Apache-2.0
import { useEffect } from "preact/hooks";
import { Logo } from "./Logo";
import { call } from "./api";
import { useMay } from "./may";
import { look, sessionPath } from "./rounds";
import { serves, set, useStore, type PageName, type Store } from "./store";
import { T } from "./text";

const PLACES: Record<string, [string, string]> = {
	primary: [T.primary, "good"],
	emergency: [T.emergency, "warn"],
	standby: [T.standby, ""],
};

function placeOf(s: Store): [string, string] {
	if (s.silent)
		return [T.noAnswer, "bad"];
	if (!s.health)
		return [T.asking, ""];
	if (s.health.status === "not serving")
		return [T.notServing, "bad"];
	return PLACES[s.health.mode] ?? [s.health.mode, ""];
}

function Where() {
	const node = useStore((s) => s.health?.node ?? "");
	const what = useStore((s) => placeOf(s)[0]);
	const kind = useStore((s) => placeOf(s)[1]);

	useEffect(() => {
		document.title = node ? `${T.product} · ${node}` : T.product;
	}, [node]);
	return (
		<p id="where" role="status" aria-live="polite" class={kind}>
			{node || what !== T.asking ? T.place(node || T.thisNode, what) : what}
		</p>
	);
}

// How much there waits for whoever is logged in.
function Mark({ n, words }: { n: number; words: string }) {
	if (!n)
		return null;
	return (
		<>
			{" "}
			<span class="mark" title={words}>
				<span aria-hidden="true">{n}</span>
				<span class="spoken">, {words}</span>
			</span>
		</>
	);
}

function Part({ page, text, waits }: { page: PageName; text: string; waits?: number }) {
	const here = useStore((s) => (s.page === "import" ? "passwords" : s.page) === page);
	return (
		<a href={`#${page}`} aria-current={here ? "page" : undefined}>
			{text}
			<Mark n={waits ?? 0} words={T.offeredMark(waits ?? 0)} />
		</a>
	);
}

async function logOut() {
	await call("DELETE", sessionPath());
	set({ me: null, offers: [], typedName: "", page: "passwords" });
	history.replaceState(null, "", location.pathname);
	await look();
}

export function Head() {
	const me = useStore((s) => s.me);
	const page = useStore((s) => s.page);
	const offers = useStore((s) => s.offers.length);
	const serving = useStore((s) => serves(s) !== "" || s.silent);
	const uses = useMay("use");
	const users = useMay("users");
	const audits = useMay("audit");
	const nodes = useMay("nodes");

	return (
		<header>
			<a class="skip" href="#content" onClick={(e) => (e.preventDefault(), document.getElementById("content")?.focus())}>
				{T.skip}
			</a>
			<h1>
				<Logo /> {T.product}
			</h1>
			<Where />
			{me && (
				<p id="who">
					<a id="user" href="#me" title={T.you} aria-current={page === "me" || page === "seen" ? "page" : undefined}>
						{T.user(me.user.name, T.roles[me.user.role] ?? me.user.role)}
					</a>{" "}
					<button id="logout" type="button" onClick={logOut}>
						{T.logOut}
					</button>
				</p>
			)}
			{me && (
				<nav aria-label={T.parts}>
					{serving && uses && <Part page="passwords" text={T.passwords} waits={offers} />}
					{serving && uses && <Part page="folders" text={T.folders} />}
					{serving && uses && <Part page="bin" text={T.bin} />}
					{serving && uses && <Part page="teams" text={T.teams} />}
					{serving && users && <Part page="users" text={T.users} />}
					{serving && audits && <Part page="audit" text={T.audit} />}
					{serving && nodes && <Part page="settings" text={T.settings} />}
					<a id="to-ha" href="#ha" aria-current={page === "ha" || !serving ? "page" : undefined}>
						<span class="hint wide-only">{T.general} → </span>
						{T.ha}
					</a>
				</nav>
			)}
		</header>
	);
}
