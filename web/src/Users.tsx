// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "preact/hooks";
import { Columns } from "./Columns";
import { Said, useSaid } from "./Said";
import { Token } from "./Token";
import { UserDialog } from "./UserDialog";
import { call } from "./api";
import { useChanges } from "./levels";
import type { User, Users as Page, UserWithToken } from "./openapi";
import { T } from "./text";
import { named } from "./words";

const ROWS = 100;
const TYPING_MS = 150;

const state = (u: User) => (u.disabled ? T.isDisabled : u.held ? T.isHeld : u.password_set ? T.isActive : T.hasToken);

function AddUser({ added }: { added: () => void }) {
	const changes = useChanges();
	const [word, say] = useSaid();
	const [token, keep] = useState<UserWithToken | null>(null);
	const name = useRef<HTMLInputElement>(null);
	const role = useRef<HTMLSelectElement>(null);

	async function submit(event: Event) {
		event.preventDefault();
		const r = await call<UserWithToken>("POST", "/v1/users", { name: name.current!.value.trim(), role: role.current!.value });
		if (!say(r, "") || !r.body)
			return;
		name.current!.value = "";
		keep(r.body);
		added();
	}

	return (
		<>
			<form id="add-user" class="line" onSubmit={submit}>
				<label>
					{T.newUser}
					<input id="add-name" ref={name} autoComplete="off" autoCapitalize="none" spellcheck={false} required maxLength={200} />
				</label>
				<label>
					{T.role}
					<select id="add-role" ref={role}>
						{Object.keys(T.roles).map((r) => (
							<option key={r} value={r} selected={r === "user"}>
								{T.roles[r]}
							</option>
						))}
					</select>
				</label>
				<button disabled={!changes}>{T.addUser}</button>
			</form>
			{!changes && <p class="hint">{T.onlyPrimary}</p>}
			<Said id="add-said" word={word} />
			{token && <Token key={token.setup_token} id="token" of={token} />}
		</>
	);
}

export function Users() {
	const [page, keep] = useState<Page>({ users: [], next: null });
	const [word, say] = useSaid();
	const [open, show] = useState<User | null>(null);
	const query = useRef<HTMLInputElement>(null);
	const waiting = useRef(0);
	const searches = useRef(0);

	async function load() {
		const asked = ++searches.current;
		const q = query.current!.value;
		const r = await call<Page>("GET", `/v1/users?${q ? `q=${encodeURIComponent(q)}&` : ""}limit=${ROWS}`);
		if (asked === searches.current && say(r, "") && r.body)
			keep(r.body);
	}
	useEffect(() => {
		void load();
		return () => clearTimeout(waiting.current);
	}, []);

	return (
		<section id="users" aria-labelledby="users-title">
			<h2 id="users-title">{T.users}</h2>
			<AddUser added={() => void load()} />
			<form
				id="find-user"
				class="line"
				role="search"
				onSubmit={(e) => {
					e.preventDefault();
					void load();
				}}
			>
				<label>
					{T.find}
					<input
						id="user-query"
						ref={query}
						type="search"
						autoComplete="off"
						maxLength={200}
						placeholder={T.findHint}
						onInput={() => {
							clearTimeout(waiting.current);
							waiting.current = setTimeout(load, TYPING_MS);
						}}
					/>
				</label>
			</form>
			<table id="user-list" class="cards" hidden={page.users.length === 0}>
				<Columns names={T.userColumns} acts />
				<tbody>
					{page.users.map((u) => (
						<tr key={u.id}>
							<td data-column={T.userColumns[0]}>{named(u.name, u)}</td>
							<td data-column={T.userColumns[1]}>{T.roles[u.role] ?? u.role}</td>
							<td data-column={T.userColumns[2]}>{state(u)}</td>
							<td data-column={T.userColumns[3]}>{u.totp ? T.yes : T.no}</td>
							<td data-column={T.userColumns[4]}>{u.owns}</td>
							<td class="acts">
								<button type="button" aria-label={T.manageUser(u.name)} onClick={() => show(u)}>
									{T.manage}
								</button>
							</td>
						</tr>
					))}
				</tbody>
			</table>
			{page.next && <p class="hint">{T.firstUsers(page.users.length)}</p>}
			<Said id="users-said" word={word} />
			{open && (
				<UserDialog
					key={open.id}
					user={open}
					close={() => show(null)}
					changed={(u) => {
						show(u);
						void load();
					}}
				/>
			)}
		</section>
	);
}
