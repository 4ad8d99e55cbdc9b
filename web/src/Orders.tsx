// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import { OrderDialog } from "./OrderDialog";
import { call } from "./api";
import type { HaOrder, HaOrders } from "./openapi";
import { useStore } from "./store";
import { T } from "./text";

const ANSWER_MS = 8000;
const AGAIN_MS = 5000;

// What administrators may order of the pair on this node, and why not. An order that is being given stays as it is.
export function Orders() {
	const state = useStore((s) => s.pair?.state ?? "");
	const node = useStore((s) => s.health?.node ?? "");
	const [known, keep] = useState<HaOrders | null>(null);
	const [why, say] = useState("");
	const [chosen, choose] = useState<HaOrder | null>(null);

	useEffect(() => {
		let gone = false;
		let timer = 0;
		async function look() {
			const r = await call<HaOrders>("GET", "/v1/ha/orders", undefined, ANSWER_MS);
			if (gone)
				return;
			if (r.body?.orders.length)
				keep(r.body);
			say(r.body ? r.body.without ?? "" : r.error?.message ?? T.unanswered);
			timer = window.setTimeout(() => void look(), AGAIN_MS);
		}
		void look();
		return () => {
			gone = true;
			clearTimeout(timer);
		};
	}, [state]);

	return (
		<section id="orders" aria-labelledby="orders-title">
			<h2 id="orders-title">{T.orders}</h2>
			<p class="hint">{T.ordersWhat(node || T.thisNode)}</p>
			{!known && !why && <p class="hint">{T.asking}</p>}
			{why && <p class="notice">{T.ordersNot(why)}</p>}
			<ul class="plain">
				{known?.orders.map((o) => (
					<li key={o.order}>
						<span>
							{T.orderWhat[o.order] ?? o.order}
							{!o.allowed && (
								<span class="hint" id={`${idOf(o)}-why`}>
									{" "}
									{T.orderNot(o.reason ?? "")}
								</span>
							)}
						</span>
						<button
							id={idOf(o)}
							type="button"
							disabled={!o.allowed}
							aria-describedby={o.allowed ? undefined : `${idOf(o)}-why`}
							onClick={() => choose(o)}
						>
							{T.orderDo[o.order] ?? o.order}
						</button>
					</li>
				))}
			</ul>
			{chosen && <OrderDialog order={chosen} close={() => choose(null)} />}
		</section>
	);
}

const idOf = (o: HaOrder) => `order-${o.order.replace(" ", "-")}`;
