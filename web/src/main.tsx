// SPDX-License-Identifier: Apache-2.0
//
// The page of a node: where it stands in the pair and, if it is silent, where to go on; passwords; the pair. It knows no more than the
// API tells whoever is logged in. Texts go into the page as text, never as markup.
import { render } from "preact";
import { App } from "./App";
import { begin } from "./rounds";
import { set, type PageName, type Place } from "./store";

const PAGES: PageName[] = ["passwords", "folders", "import", "bin", "teams", "users", "audit", "settings", "me", "seen", "ha"];

const ID = /^[0-9a-f-]{36}$/;

// The nodes that this page may ask, as the page itself lists them; which of them is this one is known when it has answered.
function places(): Place[] {
	const listed = document.querySelector<HTMLMetaElement>("meta[name=holdfast-nodes]")?.content ?? "";
	return listed
		.split(" ")
		.filter((url) => url.startsWith("https://") && url !== location.origin)
		.map((url) => ({ name: new URL(url).hostname, url, asked: true }));
}

// A link from another node's page fills in the name; it stays neither in the address nor in the history.
function takeName() {
	const m = /^#login=(.*)$/.exec(location.hash);
	if (!m)
		return;
	history.replaceState(null, "", location.pathname);
	try {
		set({ typedName: decodeURIComponent(m[1]).slice(0, 200) });
	} catch {
		// not of ours
	}
}

function takePage() {
	const [asked, folder] = location.hash.slice(1).split("/");
	set({ page: PAGES.find((p) => p === asked) ?? "passwords", folder: ID.test(folder ?? "") ? folder : "" });
}

takeName();
takePage();
addEventListener("hashchange", () => {
	takeName();
	takePage();
});
begin(places());
const app = document.getElementById("app")!;
app.replaceChildren(); // what stands there for when this script does not come
render(<App />, app);
