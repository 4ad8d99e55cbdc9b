// SPDX-License-Identifier: Apache-2.0
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Dialog } from "./Dialog";
import { Edit } from "./Edit";
import type { Retrieved } from "./openapi";
import { copy, retrieve } from "./retrieve";
import { T } from "./text";
import { failure, time } from "./words";

const SHOW_S = 10;

export interface Shown {
	account: string;
	title: string;
	version: number; // 0: the current one
	modify: boolean; // whether the user may store another one
}

function Field({ name, value }: { name: string; value: string }) {
	const [said, say] = useState(T.copy);
	return (
		<>
			<dt>{name}</dt>
			<dd>{value}</dd>
			<dd>
				<button
					type="button"
					aria-label={`${said} ${name}`}
					onClick={async () => say((await copy(value, () => say(T.copy))) ? T.copied : T.copyNot)}
				>
					{said}
				</button>
			</dd>
		</>
	);
}

// One account's fields, after a reason; taken off the page after SHOW_S, and when it is closed.
export function Secret({ shown, close, changed }: { shown: Shown; close: () => void; changed: () => void }) {
	const reason = useRef<HTMLInputElement>(null);
	const [notice, say] = useState("");
	const [bad, mark] = useState(false);
	const [secret, keep] = useState<Retrieved | null>(null);
	const [edited, edit] = useState<Retrieved | null>(null);
	const open = useRef(true);

	useLayoutEffect(() => {
		reason.current?.focus();
		return () => void (open.current = false);
	}, []);
	useEffect(() => {
		if (!secret)
			return;
		const hiding = setTimeout(() => {
			keep(null);
			say(T.hidden);
		}, SHOW_S * 1000);
		return () => clearTimeout(hiding);
	}, [secret]);

	async function submit(event: Event) {
		event.preventDefault();
		const r = await retrieve(shown.account, reason.current!.value, shown.version);
		if (!open.current)
			return;
		mark(!r.body);
		say(r.body ? (r.body.conflict ? T.conflict : r.asOf ? T.asOf(time(r.asOf)) : "") : failure(r));
		keep(r.body);
	}

	function begin() {
		edit(secret);
		keep(null);
		say("");
	}

	function stored(said: string) {
		edit(null);
		mark(false);
		say(said);
		changed();
	}

	return (
		<Dialog id="secret" title={shown.title} close={close}>
			{!secret && !edited && (
				<form id="retrieve" onSubmit={submit}>
					<label>
						{T.reason}
						<input id="reason" ref={reason} autoComplete="off" maxLength={500} />
					</label>
					<button>{T.showNow}</button>
				</form>
			)}
			<p id="secret-notice" class={bad ? "notice bad" : "notice"} role="alert" hidden={!notice}>
				{notice}
			</p>
			<dl id="fields">{secret && Object.entries(secret.fields).map(([name, value]) => <Field key={name} name={name} value={value} />)}</dl>
			{secret && (
				<p id="hides" class="hint">
					{T.hides(SHOW_S)}
				</p>
			)}
			{secret && shown.modify && (
				<p>
					<button id="change" type="button" onClick={begin}>
						{T.change}
					</button>
				</p>
			)}
			{edited && <Edit account={shown.account} was={edited} stored={stored} />}
		</Dialog>
	);
}
