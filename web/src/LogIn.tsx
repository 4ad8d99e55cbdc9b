// SPDX-License-Identifier: Apache-2.0
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { keepTold } from "./Notices";
import { SetUp } from "./SetUp";
import { call } from "./api";
import type { Login } from "./openapi";
import { look, sessionPath } from "./rounds";
import { get, set, useStore } from "./store";
import { T } from "./text";
import { failure } from "./words";

interface Asked {
	name: string;
	password: string;
	code?: string;
}

export function LogIn() {
	const [first, setFirst] = useState(false);
	return first ? <SetUp back={() => setFirst(false)} /> : <Form first={() => setFirst(true)} />;
}

function Form({ first }: { first: () => void }) {
	const standby = useStore((s) => s.health?.status === "standby");
	const [notice, say] = useState("");
	const [factor, askFactor] = useState(false);
	const [busy, work] = useState(false);
	const nameField = useRef<HTMLInputElement>(null);
	const passwordField = useRef<HTMLInputElement>(null);
	const codeField = useRef<HTMLInputElement>(null);

	useLayoutEffect(() => (get().typedName ? passwordField : nameField).current?.focus(), []);
	useLayoutEffect(() => {
		if (factor)
			codeField.current?.focus();
	}, [factor]);

	async function submit(event: Event) {
		event.preventDefault();
		const password = passwordField.current!;
		const asked: Asked = { name: nameField.current!.value, password: password.value };
		if (codeField.current?.value)
			asked.code = codeField.current.value;
		work(true);
		const r = await call<Login>("POST", sessionPath(), asked);
		work(false);
		if (r.status === 200 || r.status === 201) {
			password.value = "";
			say("");
			keepTold(r.body);
			await look();
			return;
		}
		say(failure(r));
		if (!r.status)
			return; // what was typed is kept
		if (codeField.current)
			codeField.current.value = "";
		if (r.error?.code === "second_factor") {
			askFactor(true); // the password stays, to be sent with the code
			return;
		}
		password.value = "";
		password.focus();
	}

	return (
		<form id="login" onSubmit={submit} aria-labelledby="login-title" aria-busy={busy}>
			<h2 id="login-title">{T.logIn}</h2>
			{standby && (
				<p id="login-why" class="hint">
					{T.standbyWhy}
				</p>
			)}
			<label>
				{T.name}
				<input
					id="name"
					ref={nameField}
					defaultValue={get().typedName}
					onInput={(e) => set({ typedName: e.currentTarget.value })}
					autoComplete="username"
					autoCapitalize="none"
					spellcheck={false}
					required
					maxLength={200}
				/>
			</label>
			<label>
				{T.password}
				<input id="password" ref={passwordField} type="password" autoComplete="current-password" required maxLength={1024} />
			</label>
			{factor && (
				<label>
					{T.code}
					<input id="code" ref={codeField} autoComplete="one-time-code" inputMode="numeric" maxLength={10} />
				</label>
			)}
			<button disabled={busy}>{busy ? T.working : T.logIn}</button>
			<p id="login-notice" class="notice bad" role="alert" hidden={!notice}>
				{notice}
			</p>
			<button id="first" type="button" class="plain" onClick={first}>
				{T.firstTime}
			</button>
		</form>
	);
}
