// SPDX-License-Identifier: Apache-2.0
import { createRef } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { PasswordField } from "./PasswordField";
import { Said, useSaid } from "./Said";
import { call } from "./api";
import type { Retrieved, Version } from "./openapi";
import { get, serves } from "./store";
import { T } from "./text";

interface Props {
	account: string;
	was: Retrieved;
	stored: (said: string) => void;
}

// A new version, made of what was seen: all of its fields, so that none is lost, and only upon the version that was current then.
export function Edit({ account, was, stored }: Props) {
	const [word, say] = useSaid();
	const [busy, work] = useState(false);
	const names = Object.keys(was.fields);
	const fields = useRef(names.map(() => createRef<HTMLInputElement>())).current;

	useLayoutEffect(() => fields[0]?.current?.focus(), []);

	async function submit(event: Event) {
		event.preventDefault();
		const all = Object.fromEntries(names.map((name, i) => [name, fields[i].current!.value]));
		const here = serves(get()) === "emergency";
		work(true);
		const r = await call<Version>("POST", `/v1/accounts/${account}/versions`, { fields: all, if_version: was.current });
		work(false);
		if (say(r, "") && r.body)
			stored(here ? T.storedHere(r.body.version) : T.stored(r.body.version));
	}

	return (
		<form id="edit" onSubmit={submit} aria-label={T.change} aria-busy={busy}>
			{names.map((name, i) => (
				<PasswordField key={name} id={`edit-${i}`} label={name} field={fields[i]} initial={was.fields[name]} />
			))}
			<button disabled={busy}>{busy ? T.working : T.store}</button>
			<Said id="edit-said" word={word} />
		</form>
	);
}
