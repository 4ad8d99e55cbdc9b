// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import { Confirm } from "./Confirm";
import { Dialog } from "./Dialog";
import { History } from "./History";
import { Said, useSaid } from "./Said";
import { Sharing } from "./Sharing";
import { call } from "./api";
import { mayManage, mayModify, useChanges } from "./levels";
import type { Account, Versions } from "./openapi";
import { T } from "./text";

const ROWS = 50;

interface Props {
	id: string;
	title: string;
	close: () => void;
	show: (version: number, modify: boolean) => void;
	changed: () => void; // the list is not what it was
}

// An account but for its secrets: its history, with whom it is shared, and out with it.
export function Details({ id, title, close, show, changed }: Props) {
	const changes = useChanges();
	const [account, keep] = useState<Account | null>(null);
	const [versions, keepVersions] = useState<Versions>({ versions: [], next: null });
	const [word, say] = useSaid();
	const path = `/v1/accounts/${id}`;

	async function load() {
		const [a, v] = await Promise.all([call<Account>("GET", path), call<Versions>("GET", `${path}/versions?limit=${ROWS}`)]);
		if (a.body)
			keep(a.body);
		if (v.body)
			keepVersions(v.body);
		if (!a.body || !v.body)
			say(a.body ? v : a, "");
	}
	useEffect(() => void load(), []);

	async function settle(version: number) {
		if (!say(await call("POST", `${path}/settle`, { version }), T.settled(version)))
			return;
		changed();
		await load();
	}

	async function remove() {
		if (!say(await call("DELETE", path), ""))
			return;
		changed();
		close();
	}

	return (
		<Dialog id="details" title={title} close={close}>
			{account && (
				<dl id="facts">
					{account.resource.url && <dt>{T.url}</dt>}
					{account.resource.url && <dd class="text">{account.resource.url}</dd>}
					{account.description && <dt>{T.description}</dt>}
					{account.description && <dd class="text">{account.description}</dd>}
					<dt>{T.youMay}</dt>
					<dd class="text">{T.levels[account.level] ?? account.level}</dd>
				</dl>
			)}
			{account && (
				<History
					account={account}
					versions={versions.versions}
					more={versions.next !== null}
					show={(version) => show(version, mayModify(account.level))}
					settle={(n) => void settle(n)}
				/>
			)}
			<Said id="details-said" word={word} />
			{account && mayManage(account.level) && <Sharing account={id} />}
			{account && mayManage(account.level) && (
				<Confirm id="remove" what={T.remove} ask={T.removeAsk} disabled={!changes} go={() => void remove()} />
			)}
			{!changes && <p class="hint">{T.onlyPrimary}</p>}
		</Dialog>
	);
}
