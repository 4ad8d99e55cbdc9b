// SPDX-License-Identifier: Apache-2.0
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { leftOut, rowsOf, useAccounts } from "./Accounts";
import { Columns } from "./Columns";
import { FolderDialog } from "./FolderDialog";
import { More } from "./More";
import { NewAccount } from "./NewAccount";
import { NewFolder } from "./NewFolder";
import { Said, useSaid } from "./Said";
import { TOP, wayTo } from "./folder";
import { mayManage, mayModify, useChanges } from "./levels";
import type { Folder, Folders as FolderPage, Resource, Resources } from "./openapi";
import { usePages, type Pages } from "./pages";
import { useSearchKey } from "./searchKey";
import { get, useStore } from "./store";
import { T } from "./text";
import { named } from "./words";

const ROWS = 50;
const TYPING_MS = 150;

const link = (id: string) => (id ? `#folders/${id}` : "#folders");

// From the top to the folder that is shown. go: to one of them, perhaps to where the page is.
function Crumbs({ way, go }: { way: Folder[]; go: (to: string) => void }) {
	return (
		<nav aria-label={T.path}>
			<ol id="crumbs">
				<li>
					<a href={link("")} aria-current={way.length ? undefined : "page"} onClick={() => go("")}>
						{T.top}
					</a>
				</li>
				{way.map((f, i) => (
					<li key={f.id}>
						<a href={link(f.id)} aria-current={i === way.length - 1 ? "page" : undefined} onClick={() => go(f.id)}>
							{named(f.name, f)}
						</a>
					</li>
				))}
			</ol>
		</nav>
	);
}

interface ListProps {
	of: Pages<Folder>;
	found: boolean; // they stand anywhere, so that their paths are said
	go: (to: string) => void;
	manage: (f: Folder) => void;
}

function FolderList({ of, found, go, manage }: ListProps) {
	return (
		<table id="folder-list" class="cards" hidden={!of.rows.length}>
			<Columns names={T.folderColumns} acts />
			<tbody>
				{of.rows.map((f) => (
					<tr key={f.id}>
						<td data-column={T.folderColumns[0]}>
							<a href={link(f.id)} onClick={() => go(f.id)}>
								{found ? f.path : named(f.name, f)}
							</a>
							{f.waits && <span class="hint"> {T.unaccepted}</span>}
						</td>
						<td data-column={T.folderColumns[1]}>{T.levels[f.level ?? ""] ?? T.dash}</td>
						<td data-column={T.folderColumns[2]}>{f.owner.name}</td>
						<td class="acts">
							<button type="button" aria-label={T.manageFolder(named(f.name, f))} onClick={() => manage(f)}>
								{mayManage(f.level) ? T.manage : T.details}
							</button>
						</td>
					</tr>
				))}
			</tbody>
		</table>
	);
}

// Folders, one at a time, and what stands in it: asked for when somebody opens it, a page at a time.
export function Folders() {
	const changes = useChanges();
	const id = useStore((s) => s.folder);
	const [way, keepWay] = useState<Folder[]>([]);
	const [text, search] = useState("");
	const [managed, manage] = useState<Folder | null>(null);
	const [making, make] = useState<"folder" | "account" | null>(null);
	const [word, say] = useSaid();
	const query = useRef<HTMLInputElement>(null);
	const waiting = useRef(0);
	const went = useRef(false);
	const here = way[way.length - 1]?.id === id ? way[way.length - 1] : null;

	const asked = text ? `q=${encodeURIComponent(text)}&` : id ? `parent=${id}&` : "";
	const folders = usePages<FolderPage, Folder>(`/v1/folders?${asked}limit=${ROWS}`, (p) => p.folders, (r) => void say(r, ""));
	const inside = id && !text ? `/v1/resources?folder=${id}&limit=${ROWS}` : "";
	const resources = usePages<Resources, Resource>(inside, (p) => p.resources, () => {});
	const rows = useMemo(() => rowsOf(resources.rows, false), [resources.rows]);
	const accounts = useAccounts({ id: "inside", rows, up: () => query.current!.focus(), changed: again });

	async function find(known: Folder[]) {
		const r = id ? await wayTo(id, known) : null;
		if (get().folder !== id)
			return; // somebody went on meanwhile
		if (!r || r.body)
			keepWay(r?.body ?? []);
		else
			say(r, "");
	}

	function clear() {
		clearTimeout(waiting.current);
		query.current!.value = "";
		search("");
	}

	// Somebody goes on by a link, which may be gone when they are there: the focus goes on with them.
	function go(to: string) {
		went.current = to !== id;
		clear();
	}
	useEffect(() => {
		clear();
		void find(way);
		return () => clearTimeout(waiting.current);
	}, [id]);
	useLayoutEffect(() => {
		if (!went.current || (id && !here))
			return;
		went.current = false;
		document.querySelector<HTMLElement>("#crumbs [aria-current]")?.focus();
	}, [id, way]);
	useSearchKey(query, false);

	function again() {
		void find([]);
		folders.again();
		resources.again();
	}

	// What was removed may be the folder that is shown, or one that it stands in.
	function removed(f: Folder, parent: string) {
		manage(null);
		if (way.some((w) => w.id === f.id))
			location.hash = link(parent);
		else
			again();
	}

	return (
		<section id="folders" aria-labelledby="folders-title" onKeyDown={making || managed ? undefined : accounts.key}>
			<h2 id="folders-title">{T.folders}</h2>
			<p class="hint">{T.foldersHint}</p>
			<form
				id="find-folder"
				class="line"
				role="search"
				onSubmit={(e) => {
					e.preventDefault();
					search(query.current!.value.trim());
				}}
			>
				<label>
					{T.find}
					<input
						id="folder-query"
						ref={query}
						type="search"
						autoComplete="off"
						maxLength={200}
						placeholder={T.findHint}
						aria-keyshortcuts="/"
						onInput={() => {
							clearTimeout(waiting.current);
							waiting.current = setTimeout(() => search(query.current!.value.trim()), TYPING_MS);
						}}
					/>
				</label>
				<button>{T.find}</button>
				{(!id || mayModify(here?.level ?? null)) && (
					<button id="add-folder" type="button" disabled={!changes} onClick={() => make("folder")}>
						{T.newFolder}
					</button>
				)}
				{here && mayModify(here.level) && (
					<button id="add-inside" type="button" disabled={!changes} onClick={() => make("account")}>
						{T.newAccount}
					</button>
				)}
			</form>
			{!changes && <p class="hint">{T.onlyPrimary}</p>}
			{!text && (
				<div class="row way">
					<Crumbs way={here ? way : []} go={go} />
					{here && (
						<button id="manage-folder" type="button" onClick={() => manage(here)}>
							{mayManage(here.level) ? T.manageThis : T.details}
						</button>
					)}
				</div>
			)}
			<Said id="folders-said" word={word} />
			<FolderList of={folders} found={text !== ""} go={go} manage={manage} />
			{folders.known && !folders.rows.length && (
				<p id="no-folders" class="hint">
					{text ? T.noFolderFound : id ? T.noFoldersIn : T.noFolders}
				</p>
			)}
			<More id="more-folders" of={folders} />
			<div class="inside" hidden={!inside || !resources.known}>
				<h3>{T.inIt}</h3>
				{accounts.table}
				{!rows.length && <p class="hint">{T.nothingIn}</p>}
				{leftOut(resources.rows) && <p class="hint">{leftOut(resources.rows)}</p>}
				<More id="more-inside" of={resources} />
				{accounts.below}
			</div>
			{managed && (
				<FolderDialog
					key={managed.id}
					id={managed.id}
					title={named(managed.name, managed)}
					close={() => manage(null)}
					changed={again}
					removed={(parent) => removed(managed, parent)}
				/>
			)}
			{making === "folder" && (
				<NewFolder
					parent={here ? { id: here.id, path: here.path } : TOP}
					close={() => make(null)}
					made={(f) => {
						make(null);
						location.hash = link(f.id);
					}}
				/>
			)}
			{making === "account" && here && (
				<NewAccount
					folder={here.path}
					close={() => make(null)}
					made={() => {
						make(null);
						again();
					}}
				/>
			)}
		</section>
	);
}
