// SPDX-License-Identifier: Apache-2.0
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { call } from "./api";
import { look } from "./rounds";
import { get, serves, set, useStore } from "./store";
import { T } from "./text";
import { failure } from "./words";

// The first password of a user, by the one-time token. Only the primary takes it.
export function SetUp({ back }: { back: () => void }) {
	const possible = useStore((s) => serves(s) === "primary");
	const [notice, say] = useState("");
	const [busy, work] = useState(false);
	const nameField = useRef<HTMLInputElement>(null);
	const token = useRef<HTMLInputElement>(null);
	const password = useRef<HTMLInputElement>(null);
	const again = useRef<HTMLInputElement>(null);

	useLayoutEffect(() => (get().typedName ? token : nameField).current?.focus(), []);

	async function submit(event: Event) {
		event.preventDefault();
		if (password.current!.value !== again.current!.value) {
			say(T.differ);
			again.current!.focus();
			return;
		}
		const asked = { name: nameField.current!.value, setup_token: token.current!.value.trim(), password: password.current!.value };
		work(true);
		const r = await call("POST", "/v1/setup", asked);
		work(false);
		if (r.status !== 200 && r.status !== 201) {
			say(failure(r));
			return;
		}
		await look();
	}

	return (
		<form id="setup" onSubmit={submit} aria-labelledby="setup-title" aria-busy={busy}>
			<h2 id="setup-title">{T.setUp}</h2>
			<label>
				{T.name}
				<input
					id="setup-name"
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
				{T.token}
				<input id="setup-token" ref={token} autoComplete="off" autoCapitalize="none" spellcheck={false} required maxLength={100} />
			</label>
			<label>
				{T.newPassword}
				<input id="setup-password" ref={password} type="password" autoComplete="new-password" required maxLength={1024} />
			</label>
			<label>
				{T.again}
				<input id="setup-again" ref={again} type="password" autoComplete="new-password" required maxLength={1024} />
			</label>
			<button disabled={busy || !possible} aria-describedby={possible ? undefined : "setup-not"}>
				{busy ? T.working : T.setUpDo}
			</button>
			{!possible && (
				<p id="setup-not" class="hint">
					{T.setUpNot}
				</p>
			)}
			<p id="setup-notice" class="notice bad" role="alert" hidden={!notice}>
				{notice}
			</p>
			<button type="button" class="plain" onClick={back}>
				{T.backToLogin}
			</button>
		</form>
	);
}
