// SPDX-License-Identifier: Apache-2.0
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Dialog } from "./Dialog";
import { Said, useSaid } from "./Said";
import { call } from "./api";
import { follow, type Course } from "./follow";
import type { HaOrder, HaOrdered } from "./openapi";
import { get, useStore } from "./store";
import { T } from "./text";

const ANSWER_MS = 120000; // longer than the node takes to answer at all

interface Props {
	order: HaOrder;
	close: () => void;
}

// One order: what would come of it, what shows that it is they, and what became of it. What was typed stays when it is refused.
export function OrderDialog({ order, close }: Props) {
	const name = useStore((s) => s.me?.user.name ?? "");
	const [asked, ask] = useState(false);
	const [course, tell] = useState<Course | null>(null);
	const [code, needCode] = useState(false);
	const [target, aim] = useState(order.targets.find((t) => t.allowed)?.name ?? "");
	const [word, say] = useSaid();
	const password = useRef<HTMLInputElement>(null);
	const factor = useRef<HTMLInputElement>(null);
	const sure = useRef<HTMLInputElement>(null);
	const outcome = useRef<HTMLParagraphElement>(null);
	const open = useRef(true);
	const known = order.known || (order.targets.find((t) => t.name === target)?.known ?? "");

	useLayoutEffect(() => {
		password.current!.focus();
		return () => void (open.current = false);
	}, []);
	useLayoutEffect(() => {
		if (code)
			factor.current!.focus();
	}, [code]);
	const begun = course !== null;
	useLayoutEffect(() => {
		if (begun)
			outcome.current!.focus();
	}, [begun]);

	async function submit(event: Event) {
		event.preventDefault();
		if (asked)
			return;
		ask(true);
		const before = get().health?.state ?? "";
		const body: Record<string, unknown> = { order: order.order, password: password.current!.value };
		if (target)
			body.target = target;
		if (factor.current?.value)
			body.code = factor.current.value;
		if (order.question)
			body.confirm = sure.current!.checked;
		const r = await call<HaOrdered>("POST", "/v1/ha/orders", body, ANSWER_MS);
		if (!open.current)
			return;
		ask(false);
		if (r.error?.code === "second_factor")
			needCode(true);
		if (r.status !== 0 && !say(r, ""))
			return;
		// No answer is none: it may have been taken, and the node's states say so.
		password.current!.value = "";
		tell({ over: false, good: true, text: T.orderTaken });
		void follow(order, before, (c) => open.current && tell(c));
	}

	return (
		<Dialog id="order-dialog" title={T.orderDo[order.order] ?? order.order} close={close}>
			{known && (
				<div id="order-known">
					{known.trimEnd().split("\n").map((line) => (
						<p key={line}>{line}</p>
					))}
				</div>
			)}
			<p id="order-comes">{T.orderComes[order.order] ?? ""}</p>
			{course ? (
				<>
					<p
						id="order-outcome"
						ref={outcome}
						tabIndex={-1}
						role="status"
						class={course.over ? (course.good ? "notice calm" : "notice bad") : "notice"}
					>
						{course.text}
					</p>
					{course.over && course.good && <p id="order-after">{T.orderAfter[order.order] ?? ""}</p>}
				</>
			) : (
				<form id="order-form" onSubmit={submit}>
					<input type="text" autoComplete="username" value={name} readOnly hidden />
					{order.targets.length > 0 && (
						<label>
							{T.orderTarget}
							<select id="order-target" value={target} onChange={(e) => aim(e.currentTarget.value)}>
								{order.targets.map((t) => (
									<option key={t.name} value={t.name} disabled={!t.allowed}>
										{t.allowed ? t.name : `${t.name}: ${t.reason}`}
									</option>
								))}
							</select>
						</label>
					)}
					<label>
						{T.password}
						<input
							id="order-password"
							ref={password}
							type="password"
							autoComplete="current-password"
							required
							maxLength={1024}
						/>
					</label>
					<label>
						{code ? T.code : T.orderCode}
						<input
							id="order-code"
							ref={factor}
							autoComplete="one-time-code"
							inputMode="numeric"
							required={code}
							maxLength={10}
						/>
					</label>
					{order.question && (
						<label class="check">
							<input id="order-sure" ref={sure} type="checkbox" required />
							{order.question}
						</label>
					)}
					<button class="danger" disabled={asked}>
						{asked ? T.working : T.orderDo[order.order] ?? order.order}
					</button>
					<Said id="order-said" word={word} />
				</form>
			)}
		</Dialog>
	);
}
