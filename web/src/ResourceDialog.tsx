// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Confirm } from "./Confirm";
import { Dialog } from "./Dialog";
import { Moving } from "./Moving";
import { Offering } from "./Offering";
import { Said, useSaid } from "./Said";
import { Sharing } from "./Sharing";
import { Through } from "./Through";
import { Why } from "./Why";
import { call } from "./api";
import { mayManage, useChanges } from "./levels";
import type { Resource } from "./openapi";
import { T } from "./text";

interface Props {
	id: string;
	title: string;
	close: () => void;
	changed: () => void; // the list is not what it was
}

function Facts({ of, close }: { of: Resource; close: () => void }) {
	const folder = of.folder && (
		<a id="to-folder" href={`#folders/${of.folder.id}`} onClick={close}>
			{of.folder.path}
		</a>
	);
	const texts: [string, ComponentChildren][] = [
		[T.folderOf, folder],
		[T.url, of.url],
		[T.address, of.address],
		[T.type, of.type],
		[T.description, of.description],
		[T.owner, of.owner.name],
		[T.youMay, T.levels[of.level ?? ""] ?? T.someOfIt],
	];
	return (
		<dl class="facts">
			{texts.map(([name, text]) => text && [<dt key={name}>{name}</dt>, <dd key={`${name}:`}>{text}</dd>])}
		</dl>
	);
}

// A resource with all of its accounts: what it is, with whom it is shared, and who gets it.
export function ResourceDialog({ id, title, close, changed }: Props) {
	const changes = useChanges();
	const [resource, keep] = useState<Resource | null>(null);
	const [word, say] = useSaid();
	const path = `/v1/resources/${id}`;

	async function load() {
		const r = await call<Resource>("GET", path);
		say(r, "");
		keep(r.body); // whoever moved it where they do not see it has it no more
	}
	useEffect(() => void load(), []);

	async function remove() {
		if (!say(await call("DELETE", path), ""))
			return;
		changed();
		close();
	}

	return (
		<Dialog id="resource" title={title} close={close}>
			<Said id="resource-said" word={word} />
			{resource && <Facts of={resource} close={close} />}
			{resource?.level && <Through key={resource.folder?.id} path={path} />}
			{resource && mayManage(resource.level) && <Sharing path={path} nobody={T.sharedWithNobody} />}
			{resource && mayManage(resource.level) && <Why path={path} />}
			{resource?.level === "owner" && <Offering resource={id} />}
			{resource && mayManage(resource.level) && (
				<Moving
					path={path}
					field="folder"
					moved={() => {
						changed();
						void load();
					}}
				/>
			)}
			{resource && mayManage(resource.level) && (
				<Confirm id="remove-resource" what={T.remove} ask={T.removeResourceAsk} disabled={!changes} go={() => void remove()} />
			)}
			{!changes && <p class="hint">{T.onlyPrimary}</p>}
		</Dialog>
	);
}
