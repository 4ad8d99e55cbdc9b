// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import { Ways } from "./Ways";
import { call } from "./api";
import type { Why } from "./openapi";
import { T } from "./text";

// Through what users themselves may see what is before them. path: of the account or the resource.
export function Through({ path }: { path: string }) {
	const [why, keep] = useState<Why | null>(null);

	useEffect(() => void call<Why>("GET", `${path}/why`).then((r) => keep(r.body)), []);
	if (!why)
		return null;
	return (
		<section id="through" aria-labelledby="through-title">
			<h3 id="through-title">{T.through}</h3>
			<Ways of={why} />
		</section>
	);
}
