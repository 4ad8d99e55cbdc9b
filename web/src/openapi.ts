// SPDX-License-Identifier: Apache-2.0
//
// Written by tools/web_types.py from what the program says of its API (`holdfast docs openapi`).

export interface Accepted {
	breaks: number;
	without_effect: number;
}

export interface AcceptedBreak {
	node: string;
	seq: number;
	at: string;
	by: string;
	reason: string;
}

export interface Account {
	id: string;
	login: string;
	suffix: string | null;
	description: string;
	version: number;
	conflict: boolean;
	level: string;
	resource: AccountResource;
}

export interface AccountResource {
	id: string;
	name: string;
	suffix: string | null;
	url: string;
}

export interface Accounts {
	accounts: ResourceAccount[];
	next: string | null;
}

export interface Acknowledged {
	at: string;
	by: string | null;
}

export interface AdminConflict {
	id: string;
	what: string;
	at: string;
	node: Named;
	user: Named | null;
	target: Named | null;
	kept: string;
	lost: string;
	acknowledged: Acknowledged | null;
}

export interface AdminConflicts {
	conflicts: AdminConflict[];
}

export interface AuditExportHead {
	lines: string[];
	heads: ExportedHead[];
}

export interface AuditExportPart {
	lines: string[];
	seq: number;
}

export interface Change {
	id: string;
	version: number;
	approval: string;
	conflict: boolean;
}

export interface ChangeRow {
	id: string;
	version: number;
	author: Named | null;
	created: string;
	node: Named | null;
	account: SuffixedAccount;
	resource: Suffixed;
}

export interface Changes {
	changes: ChangeRow[];
	next: string | null;
}

export interface ComparedTables {
	done: boolean;
	good: boolean | null;
	events: number;
	applied: number;
	table: string | null;
	differences: TableDifference[];
	more: boolean;
	unproven: number;
	first_unproven: EventPlace | null;
	refused: number;
	first_refused: EventPlace | null;
	why: string | null;
}

export interface ConflictRow {
	id: string;
	login: string;
	suffix: string | null;
	version: number;
	resource: Suffixed;
	level: string;
	open: number;
	latest: string;
}

export interface Conflicts {
	conflicts: ConflictRow[];
	next: string | null;
}

export interface Effect {
	changes: EffectRow[];
	next: string | null;
}

export interface EffectRow {
	user: Suffixed;
	before: string | null;
	after: string | null;
}

export interface EmergencyChanges {
	everywhere: string;
	resources: EmergencyChangesOf[];
}

export interface EmergencyChangesOf {
	resource: Named;
	state: string;
	since: string;
}

export interface EpochTold {
	news: boolean;
	epoch: string | null;
}

export interface Error {
	error: ErrorText;
}

export interface ErrorText {
	code: string;
	message: string;
	detail: string | null;
}

export interface Event {
	node: PerhapsNamed | null;
	seq: number;
	at: string;
	kind: string | null;
	text: string | null;
	actor: PerhapsNamed | null;
	object: string | null;
	object_name: string | null;
	address: string;
	body: Record<string, unknown>;
}

export interface EventPlace {
	node: string;
	seq: number;
}

export interface Events {
	events: Event[];
	next: string | null;
}

export interface ExportedHead {
	node: string;
	seq: number;
}

export interface Folder {
	id: string;
	name: string;
	suffix: string | null;
	description: string;
	parent: string | null;
	path: string;
	owner: Named;
	level: string | null;
	created: string;
	waits: boolean;
}

export interface Folders {
	folders: Folder[];
	next: string | null;
}

export interface FoundAccount {
	id: string;
	login: string;
	version: number;
	conflict: boolean;
	level: string;
	suffix: string | null;
	resource: OwnedResource;
}

export interface FoundResource {
	id: string;
	name: string;
	level: string | null;
	suffix: string | null;
	owner: Named;
	path: string | null;
	accounts: FoundResourceAccount[];
	more: boolean;
}

export interface FoundResourceAccount {
	id: string;
	login: string;
	version: number;
	conflict: boolean;
	level: string;
	suffix: string | null;
}

export interface HaAlerts {
	waiting: number;
	failure: string | null;
}

export interface HaBrief {
	status: string | null;
	state: string;
	reason: string;
	primary_url: string | null;
	both: boolean;
	as_of: string | null;
	term: number;
}

export interface HaCertificate {
	certificate: string;
	until: string | null;
	days: number;
	level: string;
}

export interface HaMaintenance {
	on: string;
	until: string | null;
	reason: string | null;
}

export interface HaNode {
	name: string;
	id: string | null;
	self: boolean;
	role: string;
	state: string | null;
	version: string | null;
	schema: number | null;
	schema_known: number | null;
	service: string | null;
	database: string | null;
	certificates: HaCertificate[];
	clock_skew_seconds?: number;
	streaming?: boolean;
	lag_bytes?: number | null;
	lag_seconds?: number | null;
	last_in_step?: string | null;
	slot?: HaSlot | null;
	journal_rows?: number | null;
}

export interface HaOrder {
	order: string;
	allowed: boolean;
	reason: string | null;
	question: string | null;
	known: string;
	targets: HaOrderTarget[];
	through: string[];
	good: string[];
	bad: string[];
	done: string | null;
}

export interface HaOrderTarget {
	name: string;
	allowed: boolean;
	reason: string | null;
	known: string;
}

export interface HaOrdered {
	order: string;
	target: string | null;
	state: string;
}

export interface HaOrders {
	node: string;
	state: string;
	why: string;
	failure: string | null;
	without: string | null;
	orders: HaOrder[];
}

export interface HaReason {
	code: string;
	node: string | null;
	text: string;
	detail: string | null;
	todo: string;
	follows_from: string | null;
}

export interface HaSlot {
	status: string;
	retained_bytes: number;
	limit_bytes: number | null;
}

export interface HaUnknown {
	status: string;
	reason: string;
	state: string | null;
	reasons: HaReason[];
	nodes: HaNode[];
}

export interface HaWarning {
	about: string;
	node: string;
	text: string;
	todo: string;
}

export interface HaWhole {
	status: string;
	reason: string | null;
	state: string;
	why: string | null;
	term: number;
	both: boolean;
	as_of: string | null;
	time: string;
	inbox_rows: number | null;
	emergency_ordered: boolean;
	alerts: HaAlerts | null;
	maintenance: HaMaintenance | null;
	reasons: HaReason[];
	warnings: HaWarning[];
	nodes: HaNode[];
}

export interface Health {
	status: string;
	mode: string;
	node: string;
	node_id: string | null;
	state: string;
	state_since: string | null;
	term: number;
	epoch: string | null;
	epoch_proof: string | null;
	told: string | null;
	told_proof: string | null;
	time: string;
	synced: boolean;
	journal: number;
	ordered: boolean;
	as_of: string | null;
	as_of_term: number;
	data_damaged: boolean;
	journal_unreadable: boolean;
	version: string;
	schema: number | null;
	schema_known: number | null;
	channel_from: string | null;
	channel_until: string | null;
	pair_port: number | null;
	duplicate: string | null;
	members: string[];
	run: string | null;
	pair: string | null;
	primary: string | null;
	why: string | null;
}

export interface ImportLine {
	line: number;
	fate: string;
	resource: string | null;
	login: string | null;
	why: string | null;
}

export interface ImportLost {
	name: string;
	values: number;
}

export interface ImportOutcome {
	id: string;
	state: string;
	dry_run: boolean;
	format?: string;
	entries: number;
	resources: number;
	accounts: number;
	updated: number;
	unchanged: number;
	skipped: number;
	refused: number;
	left_out: number;
}

export interface ImportReport {
	id: string | null;
	state: string;
	dry_run: boolean;
	format: string;
	format_title: string;
	entries: number;
	resources: number;
	accounts: number;
	updated: number;
	unchanged: number;
	skipped: number;
	refused: number;
	left_out: number;
	lost: ImportLost[];
	lines: ImportLine[];
	lines_left_off: number;
}

export interface LastLogin {
	at: string;
	address: string;
	node: Named | null;
}

export interface Left {
	moved: number;
	more: boolean;
}

export interface Login {
	token: string;
	session: string;
	expires: string;
	last_login?: LastLogin | null;
	notices?: Notice[];
	more_notices?: boolean;
	offers?: number;
	user: SessionUser;
	node: string;
	mode: string;
	administration_conflicts?: number;
	authority: string | null;
	nodes: SessionNode[];
}

export interface Lookup {
	accounts: FoundAccount[];
	resources: FoundResource[];
}

export interface Member {
	user: Suffixed;
	disabled: boolean;
	since: string;
}

export interface Members {
	members: Member[];
	next: string | null;
}

export interface NameConflict {
	id: string;
	kind: string;
	suffix: string;
	user: Suffixed | null;
	team: Suffixed | null;
	folder: Suffixed | null;
	resource: Suffixed | null;
	login: string | null;
	level: string | null;
	others: number;
	created: string;
	node: Named | null;
	author: Named | null;
}

export interface NameConflicts {
	names: NameConflict[];
	next: string | null;
}

export interface Named {
	id: string;
	name: string;
}

export interface NamedAccount {
	id: string;
	login: string;
}

export interface NodeId {
	id: string;
}

export interface NodeRow {
	id: string;
	name: string;
	https_port: number;
	pair_port: number;
	slot: string | null;
	joined: string | null;
	web_cert: string | null;
	primary: boolean;
}

export interface Nodes {
	nodes: NodeRow[];
}

export interface Notice {
	what: string;
	value: string | null;
	at: string;
	user: Named | null;
	by: Named | null;
	address: string;
	node: Named | null;
}

export interface Offer {
	kind: string;
	ownership: boolean;
	folder: Suffixed | null;
	resource: Suffixed | null;
	account: SuffixedAccount | null;
	level: string | null;
	until: string | null;
	from: Named | null;
}

export interface OfferMade {
	to: Named | null;
}

export interface Offers {
	offers: Offer[];
	next: string | null;
}

export interface OwnedResource {
	id: string;
	name: string;
	suffix: string | null;
	owner: Named;
	path: string | null;
}

export interface PerhapsNamed {
	id: string;
	name: string | null;
}

export interface Placed {
	id: string;
	path: string;
}

export interface Policy {
	emergency_changes: EmergencyChanges;
}

export interface Released {
	released: boolean;
}

export interface Removed {
	removed: RemovedRow[];
	next: string | null;
}

export interface RemovedResource {
	id: string;
	name: string;
	removed: boolean;
}

export interface RemovedRow {
	id: string;
	kind: string;
	resource: RemovedResource;
	login?: string;
	accounts?: number;
	level: string;
	removed: string;
	by: Named | null;
	until: string | null;
	changed: boolean;
}

export interface Resource {
	id: string;
	name: string;
	suffix: string | null;
	type: string;
	address: string;
	url: string;
	description: string;
	owner: Named;
	folder: Placed | null;
	level: string | null;
	waits: boolean;
	accounts: ResourceAccount[];
	accounts_next: string | null;
}

export interface ResourceAccount {
	id: string;
	login: string;
	suffix: string | null;
	description: string;
	version: number;
	conflict: boolean;
	level: string;
	waits: boolean;
}

export interface Resources {
	resources: Resource[];
	next: string | null;
}

export interface Retrieved {
	fields: Record<string, string>;
	version: number;
	current: number;
	conflict: boolean;
	resource: Named;
	account: NamedAccount;
	created: string;
}

export interface Seen {
	seen: SeenRow[];
	next: string | null;
}

export interface SeenRow {
	kind: string;
	folder: Suffixed | null;
	resource: Suffixed | null;
	account: SuffixedAccount | null;
	path: string | null;
	through: Way[];
	level: string;
}

export interface Session {
	session: string;
	user: SessionUser;
	node: string;
	mode: string;
	administration_conflicts?: number;
	authority: string | null;
	nodes: SessionNode[];
}

export interface SessionNode {
	id: string;
	name: string;
	https_port: number;
	web_cert: string | null;
	primary: boolean;
}

export interface SessionUser {
	id: string;
	name: string;
	suffix?: string;
	role: string;
	may: string[];
}

export interface SettingRow {
	name: string;
	value: string | null;
	default: string;
	allowed: string;
	counts: string;
	help: string;
	secret: boolean;
	changed: boolean;
}

export interface Settings {
	settings: SettingRow[];
}

export interface Share {
	user: Named;
	team: boolean;
	level: string;
	until: string | null;
	waits: boolean;
}

export interface ShareRow {
	user: Suffixed;
	team: boolean;
	level: string;
	granted: string;
	until: string | null;
	ended: boolean;
	waits: boolean;
}

export interface Shares {
	shares: ShareRow[];
	next: string | null;
}

export interface Suffixed {
	id: string;
	name: string;
	suffix: string | null;
}

export interface SuffixedAccount {
	id: string;
	login: string;
	suffix: string | null;
}

export interface TableDifference {
	table: string;
	id: string;
	in_table: boolean;
	in_log: boolean;
	columns: string[];
}

export interface Team {
	id: string;
	name: string;
	suffix: string | null;
	members: number;
	mine: boolean;
	created: string;
}

export interface Teams {
	teams: Team[];
	next: string | null;
}

export interface TotpBegun {
	secret: string;
	uri: string;
	pending: string;
}

export interface TotpStored {
	totp: boolean;
}

export interface Unlocked {
	unlocked: boolean;
	as_of: string | null;
	max_emergency_age: number;
}

export interface User {
	id: string;
	name: string;
	suffix: string | null;
	role: string;
	disabled: boolean;
	held: boolean;
	totp: boolean;
	password_set: boolean;
	created: string;
	owns: number;
}

export interface UserWithToken {
	user: User;
	setup_token?: string;
	setup_until?: string;
}

export interface Users {
	users: User[];
	next: string | null;
}

export interface Verified {
	good: boolean;
	events: number;
	nodes: VerifiedNode[];
	accepted: AcceptedBreak[];
	without_effect: WithoutEffect[];
}

export interface VerifiedNode {
	node: NodeId;
	chain: string;
	events: number;
	last_seq: number;
	broken: boolean;
	broken_seq: number | null;
	why: string | null;
}

export interface Version {
	id: string;
	version: number;
}

export interface VersionRow {
	id: string;
	n: number;
	based_on: number;
	author: Named | null;
	created: string;
	current: boolean;
	node: Named | null;
	conflict: boolean;
	approval: string | null;
}

export interface Versions {
	versions: VersionRow[];
	next: string | null;
}

export interface Way {
	on: string;
	level: string;
	team: Suffixed | null;
	folder: string | null;
	granted: string | null;
	until: string | null;
	waits: boolean;
}

export interface Why {
	user: Named;
	through: Way[];
	level: string | null;
}

export interface WithoutEffect {
	chain: string;
	first: number;
	last: number;
	by_chain: string;
	by_seq: number;
	at: string;
	why: string;
}
