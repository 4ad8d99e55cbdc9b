-- SPDX-License-Identifier: Apache-2.0
-- What the agent asks: the local database as its superuser, the primary's as hf_deposit.
--
-- ha_request(id, kind, object, body): the agent adds a row, the primary's writer appends an event of that kind with
-- that object and body to its own chain and deletes the row in the same transaction. Kinds used: NODE_JOINED
-- (object: the node; body {"id","name","https_port","pair_port","slot","web_cert","primary_since_term"}) and NODE_CERT
-- (object: the node; body {"web_cert","trusts","channel_by","web_by"}), NODE_MOVED (object: the node; body {"https_port","pair_port"}),
-- AUTHORITY_MADE (object: the node that made it; body {"sha256","generation","ends_at","cert","sealed"}).

-- role: holdfast

-- LSNs are bytes since 0/0; flush_lsn is 0 on a standby, replay_lsn on a primary.
-- incarnation: of the program that began the term (base/epoch.h), '' where it drew none.
-- order_node: whom the last hand-over was for (NULL: there was none), and the term it begins; conninfo: whom a standby follows.
-- name: ha_local() -> standby bool, flush_lsn bigint, replay_lsn bigint, term bigint, incarnation text,
--   sync_names text, keep_mb bigint, order_node uuid, order_term bigint, conninfo text, schema int
SELECT pg_is_in_recovery(),
	CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint END,
	coalesce(pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint, 0),
	coalesce((SELECT term FROM ha_term), 0), coalesce((SELECT incarnation FROM ha_term), ''),
	current_setting('synchronous_standby_names'),
	(SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),
	(SELECT node FROM ha_order), coalesce((SELECT term FROM ha_order), 0), current_setting('primary_conninfo'),
	(SELECT max(number) FROM schema_migration);

-- Who orders something of the pair, as the agent itself finds them (agent/orderer.h).
-- name: order_giver(id uuid) -> name text, role text, disabled bool, password_hash text, totp_sealed bytea, totp_step bigint
SELECT name, role, disabled, password_hash, totp_sealed, totp_step FROM principal WHERE id = $1;

-- name: ha_standbys() -> name text, state text, sync_state text, flush_lsn bigint, replay_lsn bigint, replied_at timestamptz, pid int,
--   own_lsn bigint
SELECT application_name, coalesce(state, ''), coalesce(sync_state, ''),
	coalesce(pg_wal_lsn_diff(flush_lsn, '0/0')::bigint, 0), coalesce(pg_wal_lsn_diff(replay_lsn, '0/0')::bigint, 0), reply_time, pid,
	CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint END
FROM pg_stat_replication ORDER BY application_name LIMIT 32;

-- name: ha_slots() -> name text, active bool, status text, retained bigint
SELECT slot_name::text, active, coalesce(wal_status, ''),
	CASE WHEN pg_is_in_recovery() OR restart_lsn IS NULL THEN 0
		ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint END
FROM pg_replication_slots ORDER BY slot_name LIMIT 32;

-- name: ha_receiver() -> status text, flushed_lsn bigint, latest_lsn bigint, heard_at timestamptz
SELECT coalesce(status, ''), coalesce(pg_wal_lsn_diff(flushed_lsn, '0/0')::bigint, 0),
	coalesce(pg_wal_lsn_diff(latest_end_lsn, '0/0')::bigint, 0), last_msg_receipt_time
FROM pg_stat_wal_receiver;

-- trusts, channel_by, web_by: fingerprints of authorities, trusts with commas, '' when the node has not said.
-- name: ha_nodes() -> id uuid, name text, https_port int, pair_port int, slot text, web_cert text, primary_since_term bigint,
--   trusts text, channel_by text, web_by text
SELECT id, name, https_port, pair_port, coalesce(slot, ''), coalesce(web_cert, ''), coalesce(primary_since_term, 0),
	coalesce(trusts, ''), coalesce(channel_by, ''), coalesce(web_by, '')
FROM node ORDER BY primary_since_term DESC NULLS LAST, joined_at LIMIT 16;

-- The vault's authorities, the newest first.
-- name: authority_list() -> sha256 text, generation int, ends_at timestamptz, cert text, key bytea
SELECT sha256, generation, ends_at, cert, key FROM authority ORDER BY generation DESC, sha256 DESC LIMIT 16;

-- name: ha_authorities() -> sha256 text, ends_at timestamptz
SELECT sha256, ends_at FROM authority ORDER BY generation DESC, sha256 DESC LIMIT 16;

-- The one by which the pair is known for ever.
-- name: authority_first() -> sha256 text
SELECT sha256 FROM authority ORDER BY generation, sha256 LIMIT 1;

-- When the server that answers read its settings last.
-- name: ha_loaded() -> at timestamptz
SELECT pg_conf_load_time();

-- Whom a primary asks before it changes its schema; the latest primary comes first. term: what this database has.
-- name: ha_upgrade_nodes() -> id uuid, name text, https_port int, web_cert text, primary_since_term bigint, term bigint
SELECT id, name, https_port, coalesce(web_cert, ''), coalesce(primary_since_term, 0), coalesce((SELECT term FROM ha_term), 0)
FROM node ORDER BY primary_since_term DESC NULLS LAST, joined_at LIMIT 16;

-- As of when this database has everything, and of which term: what the primary's writer says in it (query/ledger.sql).
-- name: ha_beat() -> at timestamptz, term bigint
SELECT at, term FROM beat;

-- The first deposit of a node that was set aside and has not come in since; of several, the last. An administrator who accepted what was
-- wrong lets them be tried again.
-- name: ha_set_aside_first(node uuid) -> seq bigint, why text, hash bytea
SELECT s.seq, s.why, s.hash FROM ha_set_aside s
WHERE s.node = $1 AND s.seq > (SELECT coalesce(max(seq), 0) FROM event WHERE node = $1)
	AND s.at > coalesce((SELECT max((SELECT at FROM event WHERE node = a.node AND seq = a.seq AND kind = :AUDIT_ACCEPTED)) FROM audit_accepted a), '-infinity')
ORDER BY s.seq, s.at DESC LIMIT 1;

-- name: ha_waiting() -> requests bigint, deposits bigint
SELECT (SELECT count(*) FROM ha_request), (SELECT count(*) FROM (SELECT FROM ha_inbox LIMIT 10000) i);

-- Pages whose checksum did not fit when they were read, since the statistics began (with the data folder, or a crash).
-- name: ha_damage() -> pages bigint
SELECT coalesce(sum(checksum_failures), 0)::bigint FROM pg_stat_database;

-- name: ha_database() -> system text, bytes bigint
SELECT (SELECT system_identifier::text FROM pg_control_system()),
	(SELECT sum(pg_database_size(oid))::bigint FROM pg_database WHERE datallowconn);

-- name: ha_request_add(kind int, object uuid, body text)
INSERT INTO ha_request (kind, object, body) VALUES ($1, $2, $3);

-- One that was not taken yet is taken back.
-- name: ha_request_withdraw(kind int, object uuid) -> id bigint
DELETE FROM ha_request WHERE kind = $1 AND object = $2 RETURNING id;

-- name: ha_slot_create(name text) -> name text
SELECT slot_name::text FROM pg_create_physical_replication_slot($1, true);

-- name: ha_slot_drop(name text)
SELECT pg_drop_replication_slot($1);

-- Up to an LSN, in bytes since 0/0.
-- name: ha_slot_advance(name text, lsn bigint) -> name text
SELECT (pg_replication_slot_advance(slot_name, '0/0'::pg_lsn + $2::numeric)).slot_name::text FROM pg_replication_slots
WHERE slot_name = $1 AND NOT active AND restart_lsn < '0/0'::pg_lsn + $2::numeric;

-- Slots of all other nodes, as far as they are missing.
-- name: ha_slots_complete(self uuid) -> name text
SELECT (pg_create_physical_replication_slot(n.slot, true)).slot_name::text FROM node n
WHERE n.id <> $1 AND n.slot IS NOT NULL AND NOT pg_is_in_recovery()
	AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.slot_name = n.slot);

-- Slots of nodes that were taken out of the pair.
-- name: ha_slots_drop_orphans() -> name text
SELECT slot_name::text FROM (
	SELECT s.slot_name, pg_drop_replication_slot(s.slot_name) FROM pg_replication_slots s
	WHERE s.slot_name LIKE 'hf\_%' AND NOT s.active AND NOT pg_is_in_recovery()
		AND NOT EXISTS (SELECT FROM node n WHERE n.slot = s.slot_name) OFFSET 0) d;

-- Whether a chain says, behind an event of it, that its node became the primary.
-- name: ha_promoted_after(node uuid, seq bigint) -> found bool
SELECT EXISTS (SELECT FROM event WHERE node = $1 AND seq > $2 AND kind = :PROMOTED);

-- Waits at most $1 seconds.
-- name: ha_promote(seconds int) -> done bool
SELECT pg_promote(true, $1);

-- name: ha_checkpoint()
CHECKPOINT;

-- Transactions of the vault that have written something and are not over.
-- name: ha_vault_busy() -> n bigint
SELECT count(*) FROM pg_stat_activity WHERE usename = 'hf_vault' AND backend_xid IS NOT NULL;

-- name: ha_reload() -> done bool
SELECT pg_reload_conf();

-- Of each chain that a node remembers up to seq, and of each that there is: what the log has there (NULL: nothing), and where the
-- chain ends (NULL: it has no event). accepts: how often an administrator accepted what was found.
-- name: chain_memory_look(nodes uuid[], seqs bigint[]) -> node uuid, hash bytea, head_seq bigint, head_hash bytea, accepts bigint
SELECT w.node, (SELECT hash FROM event WHERE node = w.node AND seq = w.seq), coalesce(h.seq, 0), h.hash,
	(SELECT count(*) FROM audit_accepted)
FROM (SELECT t.node, t.seq FROM unnest($1::uuid[], $2::bigint[]) AS t(node, seq)
	UNION ALL SELECT id, 0 FROM (SELECT id FROM node UNION SELECT id FROM chain) c WHERE id <> ALL ($1::uuid[])) w
LEFT JOIN LATERAL (SELECT seq, hash FROM event WHERE node = w.node ORDER BY seq DESC LIMIT 1) h ON true;

-- What a node found missing of its own chain and no administrator accepted; the latest that was written. Behind the event found, up to remembered.
-- name: chain_cut() -> node text, found bigint, remembered bigint
SELECT coalesce((SELECT name FROM node WHERE id = :writer(c.node)), c.node::text), coalesce((c.body::jsonb->>'found')::bigint, 0),
	coalesce((c.body::jsonb->>'remembered')::bigint, 0)
FROM event c
WHERE c.kind = :LOG_CUT
	AND NOT EXISTS (SELECT FROM audit_accepted a
		CROSS JOIN LATERAL (SELECT * FROM event WHERE node = a.node AND seq = a.seq AND kind = :AUDIT_ACCEPTED OFFSET 0) t,
		jsonb_array_elements(coalesce(t.body::jsonb->'breaks', '[]')) k
		WHERE k->>'node' = c.node::text AND (k->>'seq')::bigint = c.seq)
ORDER BY c.at DESC LIMIT 1;

-- The first of what a merge took in and the tables refused: as audit_without_effect (query/audit.sql) has it.
-- name: ha_without_effect() -> name text, first bigint, last bigint, why text
SELECT coalesce((SELECT name FROM node WHERE id = :writer(m.object)), m.object::text), (x.b->>'from')::bigint, (x.b->>'to')::bigint, x.b->>'not_applied'
FROM event m CROSS JOIN LATERAL (SELECT m.body::jsonb AS b OFFSET 0) x
WHERE m.kind = :MERGED AND strpos(m.body, '"not_applied"') > 0
	AND NOT EXISTS (SELECT FROM event o WHERE o.kind = :MERGED AND o.object = m.object AND strpos(o.body, '"not_applied"') = 0
		AND (o.body::jsonb->>'from')::bigint <= (x.b->>'from')::bigint AND (o.body::jsonb->>'to')::bigint >= (x.b->>'to')::bigint)
	AND NOT EXISTS (SELECT FROM audit_accepted a
		CROSS JOIN LATERAL (SELECT * FROM event WHERE node = a.node AND seq = a.seq AND kind = :AUDIT_ACCEPTED OFFSET 0) t,
		jsonb_array_elements(coalesce(t.body::jsonb->'without_effect', '[]')) k
		WHERE k->>'node' = m.node::text AND (k->>'seq')::bigint = m.seq)
ORDER BY m.node, m.seq LIMIT 1;

-- name: chain_memory_alarm(self uuid, what text, chain uuid, seq bigint, remembered text, found text) -> asked bool
SELECT ha_alarm($1, $2, $3, $4, $5, $6);

-- A node of which two programs are connected: each compares its history over one connection and asks every second, so that
-- one that goes on asking after a later one began is not of the same program. A certificate's name is cut to 63 bytes here.
-- name: ha_duplicate(application text) -> node uuid
SELECT n.id FROM pg_stat_activity o JOIN pg_stat_ssl os ON os.pid = o.pid
JOIN pg_stat_activity y ON y.usename = o.usename AND y.application_name = o.application_name AND y.backend_start > o.backend_start
JOIN pg_stat_ssl ys ON ys.pid = y.pid AND ys.client_dn = os.client_dn
JOIN node n ON left('/CN=' || n.name, 63) = os.client_dn
WHERE o.usename = 'hf_deposit' AND o.application_name = $1
	AND o.query_start BETWEEN y.backend_start + interval '2 s' AND clock_timestamp()
	AND least(o.query_start, y.query_start) > clock_timestamp() - interval '5 s'
ORDER BY n.primary_since_term DESC NULLS LAST LIMIT 1;

-- What other nodes told over the channel; to be believed only for its proof.
-- name: ha_epochs() -> epoch text, proof text
SELECT epoch, proof FROM ha_epoch ORDER BY told_at DESC LIMIT 32;

-- What the roles of the channel said of themselves is taken back.
-- name: ha_roles_mend() -> name text
SELECT DISTINCT ha_mend_roles();

-- Sessions of other nodes that stay in a transaction, or are more than one node needs; longest: of a copy that is compared file by file.
-- name: ha_sessions_end(seconds int, longest int, sessions int) -> name text
SELECT coalesce(name, '') FROM (
	SELECT client_dn AS name, pg_terminate_backend(pid)
	FROM (SELECT a.pid, s.client_dn, a.usename, a.xact_start,
			row_number() OVER (PARTITION BY s.client_dn, a.usename ORDER BY a.backend_start) AS k
		FROM pg_stat_activity a LEFT JOIN pg_stat_ssl s ON s.pid = a.pid
		WHERE a.usename IN ('hf_deposit', 'hf_rewind')) t
	WHERE k > $3 OR xact_start < clock_timestamp() - make_interval(secs => CASE usename WHEN 'hf_deposit' THEN $1 ELSE $2 END)
	OFFSET 0) e;

-- role: hf_deposit

-- name: deposit_tell(epoch text, proof text)
CALL public.ha_tell($1, $2);

-- name: deposit_alarm(self uuid, what text, chain uuid, seq bigint, remembered text, found text) -> asked bool
SELECT public.ha_alarm($1, $2, $3, $4, $5, $6);

-- name: deposit_high_water(node uuid) -> seq bigint
SELECT public.ha_high_water($1);

-- Rows that are there already stay as they are; taken false: there is no room now.
-- name: deposit_insert(node uuid, seq bigint[], hash bytea[], event bytea[]) -> taken bool
SELECT public.ha_deposit($1, $2, $3, $4);

-- name: deposit_slot(node uuid) -> status text, active bool, retained bigint, keep bigint
SELECT status, active, retained, keep FROM public.ha_slot($1);

-- Where the primary's log of a node ends; NULL when it has nothing of it.
-- columns: chain_end of event_head, deposit_mark
-- name: deposit_mark(node uuid) -> seq bigint, hash bytea
SELECT seq, hash FROM public.ha_mark($1);

-- The hash of an event in the primary's log.
-- columns: hash_at of event_hash, deposit_hash
-- name: deposit_hash(node uuid, seq bigint) -> hash bytea
SELECT hash FROM event_hash WHERE node = $1 AND seq = $2;

-- The ends of all chains in the log of whoever is asked, at the other node or here, and what there is at places of them.
-- columns: history of history_heads, history_hashes
-- name: history_heads() -> chain uuid, seq bigint, hash bytea, node uuid
SELECT h.node, h.seq, h.hash, :writer(h.node) FROM :chain_ends() h;

-- name: history_hashes(chains uuid[], seqs bigint[]) -> chain uuid, seq bigint, hash bytea, node uuid
SELECT e.node, e.seq, e.hash, :writer(e.node) FROM unnest($1::uuid[], $2::bigint[]) AS t(node, seq)
JOIN event_hash e ON e.node = t.node AND e.seq = t.seq;

-- Whether the server's control file knows its timeline: until its first checkpoint as a primary pg_rewind would take it for the
-- former one (PostgreSQL, "pg_rewind", Notes).
-- name: deposit_settled() -> settled bool
SELECT (SELECT timeline_id FROM pg_control_checkpoint()) = ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int;

-- name: deposit_database_bytes() -> bytes bigint
SELECT pg_database_size(current_database());

-- name: deposit_renew_slot(node uuid) -> name text
SELECT public.ha_renew_slot($1);

-- To a primary of before the log knew the vault's authority.
-- name: deposit_announce(node uuid, cert text) -> asked bool
SELECT public.ha_announce($1, $2);

-- name: deposit_show(node uuid, cert text, trusts text, channel_by text, web_by text)
CALL public.ha_show($1, $2, $3, $4, $5);

-- name: deposit_moved(node uuid, https_port int, pair_port int)
CALL public.ha_moved($1, $2, $3);

-- role: holdfast

-- What the running server listens on: set-up restarts it when that is not the pair's port yet.
-- name: ha_listening() -> addresses text, ssl bool
SELECT current_setting('listen_addresses'), current_setting('ssl')::bool;
