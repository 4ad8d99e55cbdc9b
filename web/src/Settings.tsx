// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import { Said, useSaid } from "./Said";
import { Table } from "./Table";
import { call } from "./api";
import type { SettingRow, Settings as Page } from "./openapi";
import { useStore } from "./store";
import { T } from "./text";

const valueOf = (s: SettingRow) => (s.secret ? (s.changed ? T.settingSecret : T.settingEmpty) : s.value || T.settingEmpty);

// What this node goes by, all from its one table; it is changed in its file.
export function Settings() {
	const node = useStore((s) => s.health?.node ?? "");
	const [page, keep] = useState<Page | null>(null);
	const [word, say] = useSaid();

	useEffect(() => {
		void call<Page>("GET", "/v1/settings").then((r) => (r.body ? keep(r.body) : say(r, "")));
	}, []);

	return (
		<section id="settings" aria-labelledby="settings-title">
			<h2 id="settings-title">{T.settings}</h2>
			<p class="hint">{T.settingsHint(node || T.thisNode)}</p>
			<Said id="settings-said" word={word} />
			{page && (
				<Table
					id="setting-list"
					title={T.settingsOf(node || T.thisNode)}
					columns={T.settingColumns}
					rows={page.settings.map((s) => [
						{ text: <code>{s.name}</code> },
						{ text: s.changed ? <strong>{valueOf(s)}</strong> : valueOf(s) },
						{ text: s.default || T.settingEmpty },
						{ text: T.settingCounts[s.counts] ?? s.counts },
						{ text: s.help },
					])}
				/>
			)}
		</section>
	);
}
