// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import type { UserWithToken } from "./openapi";
import { copy } from "./retrieve";
import { T } from "./text";
import { time } from "./words";

// A set-up token is shown once: the vault keeps only a hash of it.
export function Token({ id, of }: { id: string; of: UserWithToken }) {
	const [said, say] = useState(T.copy);

	if (!of.setup_token)
		return null;
	return (
		<div id={id} class="notice" role="status">
			<p>{T.tokenFor(of.user.name, time(of.setup_until))}</p>
			<p class="row">
				<code id={`${id}-text`}>{of.setup_token}</code>
				<button type="button" onClick={async () => say((await copy(of.setup_token!, () => say(T.copy))) ? T.copied : T.copyNot)}>
					{said}
				</button>
			</p>
		</div>
	);
}
