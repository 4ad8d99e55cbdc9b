// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { Confirm } from "./Confirm";
import { Dialog } from "./Dialog";
import { Said, useSaid } from "./Said";
import { Token } from "./Token";
import { call } from "./api";
import { useChanges, useWithdrawals } from "./levels";
import type { User, UserWithToken } from "./openapi";
import { useStore } from "./store";
import { T } from "./text";
import { named } from "./words";

interface Props {
	user: User;
	close: () => void;
	changed: (user: User) => void;
}

// What administrators do to one user; each is told to that user at their next log-in.
export function UserDialog({ user, close, changed }: Props) {
	const me = useStore((s) => s.me?.user.id ?? "");
	const changes = useChanges();
	const withdrawals = useWithdrawals();
	const [token, keep] = useState<UserWithToken | null>(null);
	const [word, say] = useSaid();
	const self = user.id === me;
	const name = named(user.name, user);
	const others = Object.keys(T.roles).filter((r) => r !== user.role);

	async function change(what: Record<string, unknown>, done: string) {
		const r = await call<UserWithToken>("PATCH", `/v1/users/${user.id}`, what);
		if (!say(r, done) || !r.body)
			return;
		keep(r.body);
		changed(r.body.user);
	}

	async function release() {
		if (say(await call("POST", `/v1/users/${user.id}/release`), T.released(name)))
			changed({ ...user, held: false });
	}

	const endSessions = async () => void say(await call("POST", `/v1/users/${user.id}/sessions/end`), T.sessionsEnded(name));

	return (
		<Dialog id="user-dialog" title={T.user(name, T.roles[user.role] ?? user.role)} close={close}>
			<p class="hint">{self ? T.yourself : T.userTold}</p>
			{token && <Token id="new-token" of={token} />}
			<Said id="user-said" word={word} />
			{!self && (
				<>
					{user.disabled ? (
						<p>
							<button id="enable" type="button" disabled={!changes} onClick={() => void change({ disabled: false }, T.enabled(name))}>
								{T.enable}
							</button>
						</p>
					) : (
						<Confirm
							key="disable"
							id="disable"
							what={T.disable}
							ask={T.disableAsk(name)}
							disabled={!withdrawals}
							go={() => void change({ disabled: true }, T.disabled(name))}
						/>
					)}
					{user.held && (
						<Confirm id="release" what={T.release} ask={T.releaseAsk(name)} disabled={!changes} go={() => void release()} />
					)}
					<Confirm
						key="reset"
						id="reset"
						what={T.reset}
						ask={T.resetAsk(name)}
						disabled={!changes}
						go={() => void change({ reset_password: true }, T.wasReset(name))}
					/>
					{user.totp && (
						<Confirm
							key="no-factor"
							id="no-factor"
							what={T.removeFactor}
							ask={T.removeFactorAsk(name)}
							disabled={!changes}
							go={() => void change({ remove_totp: true }, T.factorRemoved(name))}
						/>
					)}
					{others.map((r) => (
						<Confirm
							key={`role-${r}`}
							id={`role-${r}`}
							what={T.makeRole(T.roles[r])}
							ask={T.roleAsk(name, T.roles[r])}
							disabled={!changes}
							go={() => void change({ role: r }, T.roleSet(name, T.roles[r]))}
						/>
					))}
					<p>
						<button id="end-sessions" type="button" disabled={!withdrawals} onClick={() => void endSessions()}>
							{T.endSessions}
						</button>
					</p>
				</>
			)}
			{!changes && <p class="hint">{T.onlyPrimary}</p>}
		</Dialog>
	);
}
