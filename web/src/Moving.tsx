// SPDX-License-Identifier: Apache-2.0
import { useRef, useState } from "preact/hooks";
import { FolderField } from "./FolderField";
import { More } from "./More";
import { Said, useSaid } from "./Said";
import { Table } from "./Table";
import { call } from "./api";
import { folderAt, TOP } from "./folder";
import { useChanges } from "./levels";
import type { Effect, EffectRow, Placed } from "./openapi";
import { usePages } from "./pages";
import { T } from "./text";
import { named } from "./words";

const ROWS = 50;

const may = (level: string | null) => (level ? (T.levels[level] ?? level) : T.nothing);

interface Props {
	path: string; // of the folder or the resource
	field: "parent" | "folder"; // what says there where it stands
	moved: () => void;
}

// Elsewhere with it: first who gains and who loses, then it is done.
export function Moving({ path, field, moved }: Props) {
	const changes = useChanges();
	const [to, choose] = useState<Placed | null>(null);
	const [word, say] = useSaid();
	const where = useRef<HTMLInputElement>(null);
	const asked = to ? `${path}/effect?limit=${ROWS}${to.id && `&${field}=${to.id}`}` : "";
	const effect = usePages<Effect, EffectRow>(asked, (p) => p.changes, (r) => void say(r, ""));

	async function look(event: Event) {
		event.preventDefault();
		const r = await folderAt(where.current!.value.trim());
		say(r, "");
		choose(r.body);
	}

	async function move(there: Placed) {
		const done = there.id === TOP.id ? T.movedToTop : T.moved(there.path);
		if (!say(await call("PATCH", path, { [field]: there.id }), done))
			return;
		where.current!.value = "";
		choose(null);
		moved();
	}

	return (
		<>
			<h3>{T.moving}</h3>
			<form id="move" class="line" onSubmit={look} onInput={() => choose(null)}>
				<FolderField id="move-to" label={T.moveTo} field={where} required />
				<button>{T.moveLook}</button>
			</form>
			<div id="effect" role="status">
				{to && effect.known && (
					<>
						<p>{effect.rows.length ? T.moveChanges(to.path) : T.moveChangesNothing}</p>
						{effect.rows.length > 0 && (
							<Table
								id="effect-rows"
								title={T.moveEffect}
								columns={T.effectColumns}
								rows={effect.rows.map((e) => [{ text: named(e.user.name, e.user) }, { text: may(e.before) }, { text: may(e.after) }])}
							/>
						)}
						<More id="effect-more" of={effect} />
						<p>
							<button id="move-do" type="button" class="main" disabled={!changes} onClick={() => void move(to)}>
								{to.id === TOP.id ? T.moveDoTop : T.moveDo(to.path)}
							</button>
						</p>
					</>
				)}
			</div>
			<Said id="move-said" word={word} />
		</>
	);
}
