-- SPDX-License-Identifier: Apache-2.0
-- The log: insertion, heads, the walk of verification, the inbox of deposits.

-- name: event_insert(node uuid, seq bigint[], at timestamptz[], kind int[], actor uuid[], object uuid[], address text[], body text[], hash bytea[])
INSERT INTO event (node, seq, at, kind, actor, object, address, body, hash)
SELECT $1, t.*
FROM unnest($2::bigint[], $3::timestamptz[], $4::int[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::bytea[]) AS t;

-- name: event_head(node uuid) -> seq bigint, hash bytea
SELECT seq, hash FROM event WHERE node = $1 ORDER BY seq DESC LIMIT 1;

-- name: event_hash(node uuid, seq bigint) -> hash bytea
SELECT hash FROM event WHERE node = $1 AND seq = $2;

-- The ends of all other chains; where there is none, that of the own one, unless it named itself: so it says that it knows of no other.
-- name: seen_heads(own uuid) -> chain uuid, seq bigint, hash bytea
WITH h AS MATERIALIZED (
	SELECT * FROM :chain_ends() x
)
SELECT node, seq, hash FROM h
WHERE seq > 0 AND (node <> $1 OR (SELECT count(*) FROM h) = 1 AND :names_nobody($1, h.seq + 1));

-- Which of these events, counted from 1, the log has with that hash.
-- name: marks_held(chains uuid[], seqs bigint[], hashes bytea[]) -> place bigint
SELECT t.place FROM unnest($1::uuid[], $2::bigint[], $3::bytea[]) WITH ORDINALITY AS t (node, seq, hash, place)
JOIN event e ON e.node = t.node AND e.seq = t.seq AND e.hash = t.hash;

-- Every chain that has events, with its end, and whose it is.
-- name: event_nodes() -> node uuid, last bigint, events bigint, writer uuid
SELECT node, max(seq), count(*), :writer(node) FROM event GROUP BY node ORDER BY node;

-- The next events of a chain, at most $3 of them and about 1 MiB; one at least, unless there is none.
-- name: event_chunk(node uuid, after bigint, rows int) -> seq bigint, at timestamptz, kind int, actor uuid, object uuid, address text, body text, hash bytea
SELECT seq, at, kind, actor, object, address, body, hash FROM (
	SELECT e.*, sum(octet_length(body)) OVER (ORDER BY seq) - octet_length(body) AS before
	FROM (SELECT * FROM event WHERE node = $1 AND seq > $2 ORDER BY seq LIMIT $3) e
) t WHERE before < 1048576 ORDER BY seq;

-- name: inbox_nodes() -> node uuid
SELECT DISTINCT node FROM ha_inbox LIMIT 64;

-- The next rows of a node in order, at most $2 of them and about 8 MiB.
-- name: inbox_next(node uuid, rows int) -> seq bigint, hash bytea, event bytea
SELECT seq, hash, event FROM (
	SELECT seq, hash, event, sum(octet_length(event)) OVER (ORDER BY seq) - octet_length(event) AS before
	FROM (SELECT * FROM ha_inbox WHERE node = $1 ORDER BY seq LIMIT $2) i
) t WHERE before < 8388608 ORDER BY seq;

-- Those of whoever brought the first of them, there and below: what another node brought of the same chain may be right.
-- name: inbox_delete(node uuid, from_seq bigint, to_seq bigint)
DELETE FROM ha_inbox i WHERE i.node = $1 AND i.seq BETWEEN $2 AND $3
	AND i.bringer IS NOT DISTINCT FROM (SELECT b.bringer FROM ha_inbox b WHERE b.node = $1 AND b.seq = $2);

-- Behind their insertion into the log. What was set aside because it came before what it follows need not be kept any more.
-- name: inbox_merged(node uuid, from_seq bigint, to_seq bigint)
WITH home AS (
	DELETE FROM ha_set_aside s USING event e
	WHERE s.node = $1 AND s.seq BETWEEN $2 AND $3 AND e.node = s.node AND e.seq = s.seq AND e.hash = s.hash
)
DELETE FROM ha_inbox WHERE node = $1 AND seq BETWEEN $2 AND $3;

-- Deposits that are in the log already: gone if they are the same, left if not.
-- name: inbox_delete_known(node uuid)
DELETE FROM ha_inbox i USING event e
WHERE i.node = $1 AND e.node = i.node AND e.seq = i.seq AND e.hash = i.hash;

-- Moves what is left from from_seq on out of the way; what was set aside before is not kept twice, but was set aside now.
-- name: inbox_set_aside(node uuid, from_seq bigint, to_seq bigint, why text)
WITH again AS (
	UPDATE ha_set_aside s SET at = now(), why = $4 FROM ha_inbox i
	WHERE i.node = $1 AND i.seq BETWEEN $2 AND $3
		AND i.bringer IS NOT DISTINCT FROM (SELECT b.bringer FROM ha_inbox b WHERE b.node = $1 AND b.seq = $2)
		AND s.node = i.node AND s.seq = i.seq AND s.hash = i.hash AND s.event = i.event
)
INSERT INTO ha_set_aside (node, seq, hash, event, why, bringer)
SELECT i.node, i.seq, i.hash, i.event, $4, i.bringer
FROM ha_inbox i
WHERE i.node = $1 AND i.seq BETWEEN $2 AND $3
	AND i.bringer IS NOT DISTINCT FROM (SELECT b.bringer FROM ha_inbox b WHERE b.node = $1 AND b.seq = $2)
	AND NOT EXISTS (SELECT FROM ha_set_aside s
		WHERE s.node = i.node AND s.seq = i.seq AND s.hash = i.hash AND s.event = i.event);

-- fresh: not set aside before, or before the newest acceptance: that may be why they come again.
-- name: inbox_span(node uuid, from_seq bigint) -> last bigint, fresh bigint
SELECT coalesce(max(i.seq), 0), count(*) FILTER (WHERE NOT EXISTS (SELECT FROM ha_set_aside s
	WHERE s.node = i.node AND s.seq = i.seq AND s.hash = i.hash AND s.event = i.event
		AND s.at > coalesce((SELECT max((SELECT at FROM event WHERE node = a.node AND seq = a.seq AND kind = :AUDIT_ACCEPTED)) FROM audit_accepted a), '-infinity')))
FROM ha_inbox i WHERE i.node = $1 AND i.seq >= $2
	AND i.bringer IS NOT DISTINCT FROM (SELECT b.bringer FROM ha_inbox b WHERE b.node = $1 AND b.seq = $2);

-- The node whose chain it is.
-- fragment: writer(chain)
coalesce((SELECT w.node FROM chain w WHERE w.id = :chain), :chain)

-- name: node_name(id uuid) -> name text
SELECT name FROM node WHERE id = :writer($1);

-- The one that this run of the node began, if it did.
-- name: chain_of_run(node uuid, run text) -> id uuid
SELECT c.id FROM chain c JOIN event e ON e.node = c.id AND e.seq = 1
WHERE c.node = $1 AND e.kind = :CHAIN_BEGUN AND e.body::jsonb->>'run' = $2 LIMIT 1;

-- Its first event. The object is the node.
-- name: apply_chain_begun(node uuid, from_seq bigint, to_seq bigint)
INSERT INTO chain (id, node)
SELECT node, object FROM event
WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :CHAIN_BEGUN AND seq = 1
ON CONFLICT DO NOTHING;

-- name: apply_handover(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT seq, at, :nobody() AS object, :nobody() AS principal, 'handover' AS what, (body::jsonb->>'term') || ' ' || object AS value,
		NULL::text AS upon
	FROM event WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :HANDOVER
), w AS (
	:outdates(e)
)
:says(e);

-- name: apply_audit_accepted(node uuid, from_seq bigint, to_seq bigint)
INSERT INTO audit_accepted (node, seq)
SELECT node, seq FROM event WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :AUDIT_ACCEPTED
ON CONFLICT DO NOTHING;

-- Every break that was accepted, the first acceptance first: of which chain, at which event; where the chain goes on (0: by itself),
-- with that event's hash and keyed digest; and the event that accepted it.
-- upto: the last event of an end that is lost (0: it is none), whose hash it then is.
-- name: accepted_breaks() -> chain uuid, at_seq bigint, resume bigint, upto bigint, hash text, digest text, node uuid, seq bigint, at timestamptz, who text, reason text
SELECT (b->>'node')::uuid, (b->>'seq')::bigint, (b->>'resume')::bigint, coalesce((b->>'upto')::bigint, 0), b->>'hash',
	b->>'digest', e.node, e.seq, e.at,
	coalesce(p.name, ''), coalesce(e.body::jsonb->>'reason', '')
FROM audit_accepted a CROSS JOIN LATERAL (SELECT * FROM event WHERE node = a.node AND seq = a.seq AND kind = :AUDIT_ACCEPTED OFFSET 0) e
LEFT JOIN principal p ON p.id = e.actor, jsonb_array_elements(e.body::jsonb->'breaks') b
ORDER BY e.at, e.node, e.seq LIMIT 256;

-- Where the chain of a node goes on whose lost end, from seq on, was accepted: behind the event upto.
-- name: accepted_end(node uuid, seq bigint) -> upto bigint, hash text
SELECT (b->>'upto')::bigint, b->>'hash'
FROM audit_accepted a CROSS JOIN LATERAL (SELECT * FROM event WHERE node = a.node AND seq = a.seq AND kind = :AUDIT_ACCEPTED OFFSET 0) e,
	jsonb_array_elements(e.body::jsonb->'breaks') b
WHERE (b->>'node')::uuid = $1 AND (b->>'seq')::bigint = $2 AND (b->>'upto')::bigint >= $2
ORDER BY 1 DESC LIMIT 1;

-- What the agent asks the writer to put into the log.
-- name: request_next() -> id bigint, kind int, object uuid, body text
SELECT id, kind, object, body FROM ha_request ORDER BY id LIMIT 100;

-- In the transaction of its event. One that was taken back meanwhile fails (22012), and its event with it.
-- name: request_take(id bigint) -> taken int
WITH t AS (DELETE FROM ha_request WHERE id = $1 RETURNING id) SELECT 1 / count(*)::int FROM t;

-- name: request_delete(id bigint[])
DELETE FROM ha_request WHERE id = ANY ($1);

-- What waits for a person: accounts in conflict, conflicts of administration that nobody has acknowledged.
-- untold: of these, what the log has not told of yet.
-- name: conflict_counts() -> accounts bigint, administration bigint, untold bigint
SELECT (SELECT count(*) FROM account WHERE conflict AND deleted_at IS NULL),
	(SELECT count(*) FROM admin_conflict WHERE acknowledged_at IS NULL), (SELECT count(*) FROM admin_conflict WHERE NOT told);

-- name: admin_conflict_untold(rows int) ->
--   id uuid, node uuid, what text, object uuid, about uuid, name text, kept text, lost text
SELECT c.id, c.node, c.what, c.object, :concerned(c), coalesce(p.name, r.name, ar.name || '/' || a.login, f.name, ''),
	:outcome(c.what, c.kept), :outcome(c.what, c.lost)
FROM admin_conflict c LEFT JOIN principal p ON p.id = c.principal LEFT JOIN resource r ON r.id = c.object
LEFT JOIN account a ON a.id = c.object LEFT JOIN resource ar ON ar.id = a.resource LEFT JOIN folder f ON f.id = c.object
WHERE NOT c.told ORDER BY c.at, c.node, c.seq LIMIT $1;

-- As of then everything is here, in what is replicated as in this database; in microseconds since 1970, from before. Nobody waits for it, so
-- that no disk and no secondary is waited for either.
-- name: beat(at_us bigint) -> term bigint, at_us bigint
SELECT CASE WHEN s.last_value <> t.term THEN setval('beat_term', t.term) END, setval('beat_at', $1)
FROM ha_term t, beat_term s, set_config('synchronous_commit', 'off', true) WHERE (SELECT count(*) FROM node) > 1;

-- Whether the database answers at all.
-- name: ping() -> one int
SELECT 1;
