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

-- Every node that has events, with the end of its chain.
-- name: event_nodes() -> node uuid, last bigint, events bigint
SELECT node, max(seq), count(*) FROM event GROUP BY node ORDER BY node;

-- name: event_chunk(node uuid, after bigint, rows int) -> seq bigint, at timestamptz, kind int, actor uuid, object uuid, address text, body text, hash bytea
SELECT seq, at, kind, actor, object, address, body, hash
FROM event WHERE node = $1 AND seq > $2 ORDER BY seq LIMIT $3;

-- name: inbox_nodes() -> node uuid
SELECT DISTINCT node FROM ha_inbox LIMIT 16;

-- The next rows of a node in order, at most $2 of them and about 8 MiB.
-- name: inbox_next(node uuid, rows int) -> seq bigint, hash bytea, event bytea
SELECT seq, hash, event FROM (
	SELECT seq, hash, event, sum(octet_length(event)) OVER (ORDER BY seq) - octet_length(event) AS before
	FROM (SELECT * FROM ha_inbox WHERE node = $1 ORDER BY seq LIMIT $2) i
) t WHERE before < 8388608 ORDER BY seq;

-- name: inbox_delete(node uuid, from_seq bigint, to_seq bigint)
DELETE FROM ha_inbox WHERE node = $1 AND seq BETWEEN $2 AND $3;

-- Deposits that are in the log already: gone if they are the same, left if not.
-- name: inbox_delete_known(node uuid)
DELETE FROM ha_inbox i USING event e
WHERE i.node = $1 AND e.node = i.node AND e.seq = i.seq AND e.hash = i.hash;

-- Moves what is left from from_seq on out of the way; what was set aside before is not kept twice.
-- name: inbox_set_aside(node uuid, from_seq bigint, to_seq bigint, why text)
INSERT INTO ha_set_aside (node, seq, hash, event, why)
SELECT i.node, i.seq, i.hash, i.event, $4
FROM ha_inbox i
WHERE i.node = $1 AND i.seq BETWEEN $2 AND $3
	AND NOT EXISTS (SELECT FROM ha_set_aside s
		WHERE s.node = i.node AND s.seq = i.seq AND s.hash = i.hash AND s.event = i.event);

-- name: inbox_span(node uuid, from_seq bigint) -> last bigint, fresh bigint
SELECT coalesce(max(i.seq), 0), count(*) FILTER (WHERE NOT EXISTS (SELECT FROM ha_set_aside s
	WHERE s.node = i.node AND s.seq = i.seq AND s.hash = i.hash AND s.event = i.event))
FROM ha_inbox i WHERE i.node = $1 AND i.seq >= $2;

-- name: node_name(id uuid) -> name text
SELECT name FROM node WHERE id = $1;

-- name: apply_node_joined(node uuid, from_seq bigint, to_seq bigint)
INSERT INTO node (id, name, https_port, pair_port, slot, web_cert, joined_at, primary_since_term)
SELECT (b->>'id')::uuid, b->>'name', (b->>'https_port')::int, (b->>'pair_port')::int, b->>'slot', b->>'web_cert', at,
	(b->>'primary_since_term')::bigint
FROM (SELECT DISTINCT ON (body::jsonb->>'id') at, body::jsonb AS b FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = 4 ORDER BY body::jsonb->>'id', seq DESC) e
ON CONFLICT (id) DO UPDATE SET name = excluded.name, https_port = excluded.https_port, pair_port = excluded.pair_port,
	slot = coalesce(excluded.slot, node.slot), web_cert = coalesce(excluded.web_cert, node.web_cert),
	primary_since_term = coalesce(excluded.primary_since_term, node.primary_since_term)
WHERE node.joined_at <= excluded.joined_at;

-- The object is the node whose certificate it is.
-- name: apply_node_cert(node uuid, from_seq bigint, to_seq bigint)
UPDATE node SET web_cert = e.cert
FROM (SELECT DISTINCT ON (object) object, body::jsonb->>'web_cert' AS cert FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = 6 ORDER BY object, seq DESC) e
WHERE node.id = e.object;

-- A term has one primary; a word about an earlier term changes nothing. Every other node is a secondary from then on, with a slot.
-- name: apply_promoted(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT DISTINCT ON (one) one, object, (body::jsonb->>'term')::bigint AS term
	FROM (SELECT true AS one, object, body FROM event WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = 11) x
	ORDER BY one, (body::jsonb->>'term')::bigint DESC
), t AS (
	UPDATE ha_term SET term = e.term FROM e WHERE ha_term.term < e.term RETURNING ha_term.term
)
UPDATE node SET primary_since_term = CASE WHEN node.id = e.object THEN e.term END,
	slot = coalesce(node.slot, 'hf_' || replace(node.id::text, '-', ''))
FROM e, t;

-- name: apply_handover(node uuid, from_seq bigint, to_seq bigint)
INSERT INTO ha_order (one, node, term)
SELECT DISTINCT ON (one) one, object, (body::jsonb->>'term')::bigint
FROM (SELECT true AS one, seq, object, body FROM event WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = 12) x
ORDER BY one, seq DESC
ON CONFLICT (one) DO UPDATE SET node = excluded.node, term = excluded.term WHERE ha_order.term <= excluded.term;

-- A new term, in which nobody of before is known: not as a node, not by a session.
-- name: apply_restored(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT max(at) AS at, max((body::jsonb->>'term')::bigint) AS term FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = 17
), n AS (
	DELETE FROM node USING e WHERE node.joined_at <= e.at AND node.id <> $1
), s AS (
	UPDATE session SET ended_at = e.at FROM e WHERE session.ended_at IS NULL AND session.created_at <= e.at
)
UPDATE ha_term SET term = e.term FROM e WHERE ha_term.term < e.term;

-- What the agent asks the writer to put into the log.
-- name: request_next() -> id bigint, kind int, object uuid, body text
SELECT id, kind, object, body FROM ha_request ORDER BY id LIMIT 100;

-- name: request_delete(id bigint[])
DELETE FROM ha_request WHERE id = ANY ($1);

-- Whether the database answers at all.
-- name: ping() -> one int
SELECT 1;
