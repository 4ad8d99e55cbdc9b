// SPDX-License-Identifier: Apache-2.0
//
// What became of an order, by the states of the node that took it: as the command line follows it.
import { call, health } from "./api";
import type { HaOrder, HaOrders } from "./openapi";
import { T } from "./text";

const LOOK_MS = 700;
const ANSWER_MS = 1500;
const TAKEN_MS = 10000; // an order shows within this
const QUIET_MS = 120000; // a node that was not heard for so long does not say any more

export interface Course {
	over: boolean;
	good: boolean;
	text: string;
}

interface Heard {
	state: string;
	why: string;
	failure: string | null;
}

// Who is logged in no more, or whose node has no database now, still hears its health.
async function hear(): Promise<Heard | null> {
	const r = await call<HaOrders>("GET", "/v1/ha/orders?state=true", undefined, ANSWER_MS);
	if (r.body)
		return r.body;
	const h = await health("", ANSWER_MS);
	return h && { state: h.state, why: h.why ?? "", failure: null };
}

export async function follow(order: HaOrder, before: string, tell: (c: Course) => void) {
	const begun = Date.now();
	let heard = begun;
	let underWay = false;
	const end = (good: boolean, text: string) => tell({ over: true, good, text });
	if (!order.done)
		return end(true, T.orderDone);
	for (;;) {
		const now = await hear();
		if (now) {
			heard = Date.now();
			const good = order.good.includes(now.state);
			underWay ||= order.through.includes(now.state) || (now.state !== before && good);
			if (now.failure)
				return end(false, T.orderNotDone(now.failure));
			if (underWay && good)
				return end(true, T.orderIsDone(order.done));
			if (underWay && order.bad.includes(now.state))
				return end(false, T.orderNotDone(now.why));
			if (!underWay && heard - begun > TAKEN_MS)
				return end(false, T.orderWaits);
			tell({ over: false, good: true, text: T.orderGoes(now.state, now.why) });
		} else if (Date.now() - heard > QUIET_MS) {
			return end(false, T.orderSilent);
		} else {
			tell({ over: false, good: true, text: T.orderUnheard });
		}
		await new Promise((on) => setTimeout(on, LOOK_MS));
	}
}
