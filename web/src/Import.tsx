// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "preact/hooks";
import { ImportReport, type Report } from "./ImportReport";
import { Said, useSaid } from "./Said";
import { call, said } from "./api";
import { useChanges } from "./levels";
import type { ImportOutcome, ImportReport as Whole } from "./openapi";
import { sendFile } from "./send";
import { T } from "./text";
import { bytes } from "./words";

const FILE_MAX = 32 << 20;

interface Progress {
	sent: number;
	size: number;
}

function Sent({ of, stop }: { of: Progress; stop: () => void }) {
	const all = of.sent >= of.size;
	return (
		<div id="sending" class="notice calm">
			<p>{all ? T.importWorks : T.importSent(bytes(of.sent), bytes(of.size))}</p>
			<progress aria-label={T.importProgress} max={of.size} value={all ? undefined : of.sent} />
			<p>
				<button type="button" onClick={stop}>
					{T.stop}
				</button>
			</p>
		</div>
	);
}

// What another program exported: looked at first, then stored. The file is the browser's and goes to the node as it is; neither it nor
// what is in it is kept.
export function Import() {
	const changes = useChanges();
	const [plan, keepPlan] = useState<Whole | null>(null);
	const [result, keepResult] = useState<Report | null>(null);
	const [progress, proceed] = useState<Progress | null>(null);
	const [open, leaveOpen] = useState(""); // the id of an import of which nobody knows what became
	const [word, say] = useSaid();
	const form = useRef<HTMLFormElement>(null);
	const file = useRef<HTMLInputElement>(null);
	const stop = useRef<() => void>(() => {});
	const stopped = useRef(false);

	useEffect(() => () => stop.current(), []);

	function changed() {
		keepPlan(null); // it is the plan of something else
		keepResult(null);
		say(said(""), "");
	}

	// id "": it is only looked at.
	function asked(id: string) {
		const q = new URLSearchParams({ dry_run: String(!id) });
		for (const [name, value] of new FormData(form.current!))
			if (typeof value === "string" && value)
				q.set(name, value);
		if (id)
			q.set("id", id);
		return `/v1/import?${q}`;
	}

	async function send(id: string) {
		const chosen = file.current!.files![0];
		if (chosen.size > FILE_MAX)
			return said(T.fileTooLarge);
		if (!(await chosen.slice(0, 1).arrayBuffer().catch(() => null)))
			return said(T.fileChanged);
		stopped.current = false;
		const sending = sendFile<Whole>(asked(id), chosen, (sent) => proceed({ sent, size: chosen.size }));
		proceed({ sent: 0, size: chosen.size });
		stop.current = () => {
			stopped.current = true;
			sending.stop();
		};
		const r = await sending.answer;
		stop.current = () => {};
		proceed(null);
		return r;
	}

	async function look(event: Event) {
		event.preventDefault();
		changed();
		const r = await send("");
		if (!stopped.current && say(r, "") && r.body)
			keepPlan(r.body as Whole);
	}

	function end(r: Report) {
		form.current!.reset(); // of the file, too
		leaveOpen("");
		keepPlan(null);
		keepResult(r);
	}

	// Nothing is stored any more after this, or all is: the node says which.
	async function settle(id: string) {
		const r = await call<ImportOutcome>("DELETE", `/v1/import/${id}`);
		leaveOpen(id);
		if (r.body)
			end(r.body);
	}

	async function store() {
		const id = crypto.randomUUID();
		const r = await send(id);
		if (r.body)
			end(r.body as Whole);
		else if (r.error && r.status < 500)
			say(r, "");
		else
			await settle(id);
	}

	return (
		<section id="import" aria-labelledby="import-title">
			<h2 id="import-title">{T.import}</h2>
			<p class="hint">{T.importHint}</p>
			{!changes && <p class="hint">{T.onlyPrimary}</p>}
			<form id="import-form" ref={form} onSubmit={(e) => void look(e)} onChange={changed}>
				<label>
					{T.importFile}
					<input id="import-file" ref={file} type="file" accept=".csv,.json,.xml,.txt" required />
				</label>
				<div class="line">
					<label>
						{T.importFormat}
						<select id="import-format" name="format">
							<option value="">{T.importFormatTold}</option>
							{Object.entries(T.importFormats).map(([name, title]) => (
								<option key={name} value={name}>
									{title}
								</option>
							))}
						</select>
					</label>
					<label>
						{T.importTwice}
						<select id="import-duplicates" name="duplicates">
							{Object.entries(T.importDuplicates).map(([name, title]) => (
								<option key={name} value={name}>
									{title}
								</option>
							))}
						</select>
					</label>
				</div>
				<label class="check">
					<input id="import-all" type="checkbox" name="all_or_nothing" value="true" />
					{T.importAll}
				</label>
				<button disabled={!changes || progress !== null}>{T.importLook}</button>
			</form>
			{progress && <Sent of={progress} stop={() => stop.current()} />}
			<Said id="import-said" word={word} />
			{open && (
				<div id="import-open" class="notice" role="alert">
					<p>{T.importOpen}</p>
					<p>
						<button type="button" onClick={() => void settle(open)}>
							{T.importAsk}
						</button>
					</p>
				</div>
			)}
			{plan && !progress && (
				<ImportReport id="plan" title={T.importPlan} of={plan}>
					<p>
						<button id="import-store" type="button" class="main" disabled={!changes} onClick={() => void store()}>
							{T.importStore}
						</button>
					</p>
				</ImportReport>
			)}
			{result && (
				<ImportReport id="outcome" title={T.importEnds[result.state] ?? result.state} of={result}>
					{result.state === "stored" && <p>{T.importDelete}</p>}
				</ImportReport>
			)}
		</section>
	);
}
