// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "preact/hooks";
import { Factor } from "./Factor";
import { Said, useSaid } from "./Said";
import { call, said } from "./api";
import { useChanges, useWithdrawals } from "./levels";
import type { User } from "./openapi";
import { T } from "./text";

function OwnPassword({ name, factor }: { name: string; factor: boolean }) {
	const changes = useChanges();
	const [word, say] = useSaid();
	const form = useRef<HTMLFormElement>(null);
	const old = useRef<HTMLInputElement>(null);
	const fresh = useRef<HTMLInputElement>(null);
	const again = useRef<HTMLInputElement>(null);
	const code = useRef<HTMLInputElement>(null);

	async function submit(event: Event) {
		event.preventDefault();
		if (fresh.current!.value !== again.current!.value) {
			say(said(T.differ), "");
			return;
		}
		const asked: Record<string, string> = { old: old.current!.value, new: fresh.current!.value };
		if (code.current?.value)
			asked.code = code.current.value;
		if (say(await call("POST", "/v1/users/me/password", asked), T.passwordChanged))
			form.current!.reset();
	}

	return (
		<form id="own-password" ref={form} onSubmit={submit} aria-labelledby="own-password-title">
			<h3 id="own-password-title">{T.ownPassword}</h3>
			<input type="text" autoComplete="username" value={name} readOnly hidden />
			<label>
				{T.oldPassword}
				<input id="old" ref={old} type="password" autoComplete="current-password" required maxLength={1024} />
			</label>
			<label>
				{T.newPassword}
				<input id="fresh" ref={fresh} type="password" autoComplete="new-password" required maxLength={1024} />
			</label>
			<label>
				{T.again}
				<input id="fresh-again" ref={again} type="password" autoComplete="new-password" required maxLength={1024} />
			</label>
			{factor && (
				<label>
					{T.code}
					<input id="own-code" ref={code} autoComplete="one-time-code" inputMode="numeric" required maxLength={10} />
				</label>
			)}
			<button disabled={!changes}>{T.changePassword}</button>
			<Said id="own-said" word={word} />
		</form>
	);
}

// What users do for themselves. The vault asks for the password, and for the factor, again: a session may be somebody else's by now.
export function Me() {
	const changes = useChanges();
	const withdrawals = useWithdrawals();
	const [me, keep] = useState<User | null>(null);
	const [word, say] = useSaid();

	async function load() {
		const r = await call<User>("GET", "/v1/users/me");
		if (r.body)
			keep(r.body);
		else
			say(r, "");
	}
	useEffect(() => void load(), []);

	const endOthers = async () => void say(await call("POST", "/v1/users/me/sessions/end"), T.othersEnded);

	return (
		<section id="me" aria-labelledby="me-title">
			<h2 id="me-title">{T.you}</h2>
			{!changes && <p class="hint">{T.onlyPrimary}</p>}
			<Said id="me-said" word={word} />
			<p>
				<a id="to-seen" href="#seen">
					{T.seen}
				</a>
			</p>
			<p>
				<button id="end-others" type="button" disabled={!withdrawals} onClick={() => void endOthers()}>
					{T.endOthers}
				</button>
			</p>
			{me && <OwnPassword name={me.name} factor={me.totp} />}
			{me && <Factor name={me.name} on={me.totp} changed={() => void load()} />}
		</section>
	);
}
