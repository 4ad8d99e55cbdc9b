// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import { Confirm } from "./Confirm";
import { Dialog } from "./Dialog";
import { History } from "./History";
import { Said, useSaid } from "./Said";
import { Sharing } from "./Sharing";
import { Through } from "./Through";
import { Why } from "./Why";
import { call } from "./api";
import { mayManage, mayModify, useChanges } from "./levels";
import type { Account, Versions } from "./openapi";
import { T } from "./text";
import { named } from "./words";

const ROWS = 50;

interface Props {
	id: string;
	title: string;
	close: () => void;
	show: (version: number, modify: boolean) => void;
	resource: (id: string, title: string) => void; // to be shown instead
	changed: () => void; // the list is not what it was
}

// An account but for its secrets: its history, with whom it is shared, and out with it.
export function Details({ id, title, close, show, resource, changed }: Props) {
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
				<dl class="facts">
					{account.resource.url && <dt>{T.url}</dt>}
					{account.resource.url && <dd>{account.resource.url}</dd>}
					{account.description && <dt>{T.description}</dt>}
					{account.description && <dd>{account.description}</dd>}
					<dt>{T.resource}</dt>
					<dd>
						<button
							id="to-resource"
							type="button"
							class="link"
							onClick={() => resource(account.resource.id, named(account.resource.name, account.resource))}
						>
							{named(account.resource.name, account.resource)}
						</button>
					</dd>
					<dt>{T.youMay}</dt>
					<dd>{T.levels[account.level] ?? account.level}</dd>
				</dl>
			)}
			{account && <Through path={path} />}
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
			{account && mayManage(account.level) && <Sharing path={path} nobody={T.sharedWithNobodyHere} />}
			{account && mayManage(account.level) && <Why path={path} />}
			{account && mayManage(account.level) && (
				<Confirm id="remove" what={T.remove} ask={T.removeAsk} disabled={!changes} go={() => void remove()} />
			)}
			{!changes && <p class="hint">{T.onlyPrimary}</p>}
		</Dialog>
	);
}
