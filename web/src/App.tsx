// SPDX-License-Identifier: Apache-2.0
import { Audit } from "./Audit";
import { Banner } from "./Banner";
import { Bin } from "./Bin";
import { Folders } from "./Folders";
import { Head } from "./Head";
import { HighAvailability } from "./HighAvailability";
import { Import } from "./Import";
import { LogIn } from "./LogIn";
import { Me } from "./Me";
import { Newer } from "./Newer";
import { Notices } from "./Notices";
import { Seen } from "./Seen";
import { Settings } from "./Settings";
import { Status } from "./Status";
import { Teams } from "./Teams";
import { Users } from "./Users";
import { Vault } from "./Vault";
import { pageOf, useMay } from "./may";
import { serves, useStore } from "./store";

export function App() {
	const known = useStore((s) => s.health !== null || s.silent);
	const user = useStore((s) => s.me?.user.id ?? "");
	const serving = useStore((s) => serves(s) !== "" || (s.silent && s.me !== null && s.me.mode !== ""));
	const page = useStore(pageOf);
	const uses = useMay("use");

	// What somebody sees or types is theirs: another user's page begins anew. A silent node takes nothing off the page.
	return (
		<>
			<Head />
			<main id="content" tabIndex={-1}>
				<Banner />
				<Newer />
				{known && <Status />}
				{known && !user && <LogIn />}
				{user && <Notices />}
				{user && (page === "ha" || !serving) && <HighAvailability />}
				{user && serving && uses && <Vault key={user} hidden={page !== "passwords"} />}
				{user && serving && page === "import" && <Import key={user} />}
				{user && serving && page === "folders" && <Folders key={user} />}
				{user && serving && page === "bin" && <Bin key={user} />}
				{user && serving && page === "audit" && <Audit key={user} />}
				{user && serving && page === "settings" && <Settings key={user} />}
				{user && serving && page === "teams" && <Teams key={user} />}
				{user && serving && page === "users" && <Users key={user} />}
				{user && serving && page === "me" && <Me key={user} />}
				{user && serving && page === "seen" && <Seen key={user} />}
			</main>
		</>
	);
}
