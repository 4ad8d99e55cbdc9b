// SPDX-License-Identifier: Apache-2.0
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { QrCode } from "./QrCode";
import { Said, useSaid } from "./Said";
import { call } from "./api";
import { useChanges } from "./levels";
import type { TotpBegun } from "./openapi";
import { T } from "./text";

interface Props {
	name: string; // whose it is
	on: boolean;
	changed: () => void;
}

// An authenticator's codes beside the password: set up in two steps, since only a right code proves that the authenticator has the secret.
export function Factor({ name, on, changed }: Props) {
	const changes = useChanges();
	const [begun, keep] = useState<TotpBegun | null>(null);
	const [word, say] = useSaid();
	const password = useRef<HTMLInputElement>(null);
	const code = useRef<HTMLInputElement>(null);
	const path = "/v1/users/me/totp";

	useLayoutEffect(() => {
		if (begun)
			code.current!.focus(); // which brings what is above it into sight, too
	}, [begun]);

	async function begin(asked: { password: string }) {
		const r = await call<TotpBegun>("POST", path, asked);
		if (say(r, "") && r.body)
			keep(r.body);
	}

	function ended() {
		keep(null);
		password.current!.value = "";
		changed();
	}

	async function submit(event: Event) {
		event.preventDefault();
		const asked = { password: password.current!.value };
		if (!on && !begun)
			return begin(asked);
		const whole = { ...asked, code: code.current!.value, ...(begun ? { pending: begun.pending } : {}) };
		if (say(await call(on ? "DELETE" : "POST", path, whole), on ? T.factorOff : T.factorOn))
			ended();
	}

	return (
		<form id="factor" onSubmit={submit} aria-labelledby="factor-title">
			<h3 id="factor-title">{T.factor}</h3>
			<input type="text" autoComplete="username" value={name} readOnly hidden />
			<p class="hint">{on ? T.factorIsOn : T.factorIsOff}</p>
			<label>
				{T.password}
				<input id="factor-password" ref={password} type="password" autoComplete="current-password" required maxLength={1024} />
			</label>
			{begun && (
				<div id="factor-secret" class="notice">
					<p>{T.factorScan}</p>
					<QrCode id="factor-qr" text={begun.uri} title={T.factorQr} />
					<p>{T.factorSecret}</p>
					<p>
						<code id="factor-text">{begun.secret}</code>
					</p>
					<p class="hint">
						<code>{begun.uri}</code>
					</p>
				</div>
			)}
			{(on || begun) && (
				<label>
					{T.code}
					<input id="factor-code" ref={code} autoComplete="one-time-code" inputMode="numeric" required maxLength={10} />
				</label>
			)}
			<button disabled={!changes}>{on ? T.factorRemove : begun ? T.factorConfirm : T.factorBegin}</button>
			<Said id="factor-said" word={word} />
		</form>
	);
}
