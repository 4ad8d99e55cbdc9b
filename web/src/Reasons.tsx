// SPDX-License-Identifier: Apache-2.0
import type { HaReason, HaWarning } from "./openapi";
import { T } from "./text";
import { begin } from "./words";

function sentence(r: HaReason) {
	const whose = !r.node || r.text.includes(r.node) ? "" : `${r.node}: `;
	return whose + r.text;
}

interface Cause {
	of: HaReason;
	follows: HaReason[];
}

// The status names each cause before what follows from it.
function causes(reasons: HaReason[]): Cause[] {
	const found: Cause[] = [];
	for (const r of reasons) {
		const last = found[found.length - 1];
		if (r.follows_from && last)
			last.follows.push(r);
		else
			found.push({ of: r, follows: [] });
	}
	return found;
}

export function Reasons({ reasons, warnings }: { reasons: HaReason[]; warnings: HaWarning[] }) {
	return (
		<>
			{reasons.length > 0 && <h3>{T.causes}</h3>}
			<ul id="reasons">
				{causes(reasons).map((c) => (
					<li key={`${c.of.code} ${c.of.node}`}>
						<strong>{begin(sentence(c.of))}.</strong>
						<div>{T.todo(c.of.todo)}</div>
						{c.of.detail && <div class="hint">{c.of.detail}</div>}
						{c.follows.length > 0 && (
							<ul>
								{c.follows.map((f) => (
									<li key={`${f.code} ${f.node}`}>
										{T.follows(sentence(f))} {f.detail && <span class="hint">{f.detail}</span>}
									</li>
								))}
							</ul>
						)}
					</li>
				))}
			</ul>
			{warnings.length > 0 && <h3>{T.warnings}</h3>}
			{warnings.length > 0 && (
				<ul id="warnings">
					{warnings.map((w) => (
						<li key={`${w.about} ${w.node} ${w.text}`}>
							<strong>{begin(w.text)}.</strong>
							<div>{T.todo(w.todo)}</div>
						</li>
					))}
				</ul>
			)}
		</>
	);
}
