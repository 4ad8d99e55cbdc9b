-- SPDX-License-Identifier: Apache-2.0
-- The nodes of the pair, what is known of each, and the term: a function of all that was said of them, however it came. Few events say anything of nodes, so all of
-- them are looked at whenever one comes.

-- fragment: tells_of_nodes(e)
(:e.kind IN (:NODE_JOINED, :NODE_CERT, :NODE_MOVED, :PROMOTED, :RESTORED))

-- Whether event (chain, seq) knew of what another one says, or came after it in its chain.
-- fragment: follows(chain, seq, other, other_seq)
CASE :other WHEN :chain THEN :seq > :other_seq ELSE :known_by(:chain, :seq, :other) >= :other_seq END

-- Whether ending n takes the node out in spite of its joining j: that did not know of it, and n knew of each promotion of the node. What an earlier release ended
-- stays so.
-- fragment: takes_out(n, j)
((:n.subject = :j.id OR :n.subject = :everybody() AND :writer(:n.node) <> :j.id)
	AND NOT CASE WHEN :j.b ? 'knew' THEN :knows(:j.knew, :n.node, :n.seq) ELSE :follows(:j.chain, :j.seq, :n.node, :n.seq) END
	AND (:names_nobody(:n.node, :n.seq)
		OR NOT EXISTS (SELECT FROM e p WHERE p.kind = :PROMOTED AND p.object = :j.id AND NOT :follows(:n.node, :n.seq, p.chain, p.seq))))

-- A node is there if a joining of it knew of all that took it out; others change nothing. In its own log a joining knew of what stands before it. Of each thing
-- that is said of a node the last word counts: one that no other knew of and, of several, that of the latest term, else of the oldest chain. A term has one
-- primary, that of the highest epoch (base/epoch.h); where somebody was promoted each node has a slot.
-- fragment: nodes_anew(when)
WITH e AS MATERIALIZED (
	SELECT x.node AS chain, x.seq, x.at, x.kind, x.object, x.body::jsonb AS b FROM event x WHERE :tells_of_nodes(x)
), j AS MATERIALIZED (
	SELECT (e.b->>'id')::uuid AS id, e.*, concat_ws(' ', nullif(e.b->>'knew', ''), e.chain || '/' || e.seq) AS knew FROM e WHERE e.kind = :NODE_JOINED
), v AS MATERIALIZED (
	SELECT j.* FROM j WHERE NOT EXISTS (SELECT FROM ending n WHERE :takes_out(n, j))
), f AS MATERIALIZED (
	SELECT DISTINCT ON (s.id, x.what, s.chain) s.id, x.what, s.chain, s.seq, s.b->>x.what AS value
	FROM (SELECT id, chain, seq, b, '{name,https_port,pair_port,slot,web_cert,trusts,channel_by,web_by}'::text[] AS may FROM v
		UNION ALL SELECT object, chain, seq, b, '{web_cert,trusts,channel_by,web_by}' FROM e WHERE kind = :NODE_CERT
		UNION ALL SELECT object, chain, seq, b, '{https_port,pair_port}' FROM e WHERE kind = :NODE_MOVED) s
	CROSS JOIN LATERAL unnest(s.may) x (what)
	WHERE s.b->>x.what IS NOT NULL ORDER BY s.id, x.what, s.chain, s.seq DESC
), l AS MATERIALIZED (
	SELECT DISTINCT ON (f.id, f.what) f.* FROM f
	WHERE NOT EXISTS (SELECT FROM f o WHERE o.id = f.id AND o.what = f.what AND o.chain <> f.chain AND :known_by(o.chain, o.seq, f.chain) >= f.seq)
	ORDER BY f.id, f.what, (SELECT max((p.b->>'term')::bigint) FROM e p WHERE p.kind = :PROMOTED AND p.chain = f.chain AND p.seq <= f.seq) DESC NULLS LAST, f.chain
), p AS MATERIALIZED (
	SELECT c.id, c.term FROM (SELECT id, (b->>'primary_since_term')::bigint AS term FROM v UNION ALL SELECT object, (b->>'term')::bigint FROM e WHERE kind = :PROMOTED) c
	WHERE c.term IS NOT NULL AND c.id IN (SELECT id FROM v) ORDER BY c.term DESC, c.id DESC LIMIT 1
), n AS MATERIALIZED (
	SELECT v.id, min(v.at) AS joined_at, (SELECT p.term FROM p WHERE p.id = v.id) AS term,
		(SELECT string_agg(k.node || '/' || k.seq, ' ' ORDER BY k.node)
			FROM (SELECT split_part(s.stamp, '/', 1) AS node, max(split_part(s.stamp, '/', 2)::bigint) AS seq
				FROM v k CROSS JOIN unnest(string_to_array(k.knew, ' ')) s (stamp) WHERE k.id = v.id AND k.b ? 'knew' GROUP BY 1) k) AS knew
	FROM v GROUP BY v.id
), t AS MATERIALIZED (
	SELECT n.*, x.* FROM n CROSS JOIN LATERAL (SELECT max(value) FILTER (WHERE what = 'name') AS name,
		max(value) FILTER (WHERE what = 'https_port')::int AS https_port, max(value) FILTER (WHERE what = 'pair_port')::int AS pair_port,
		coalesce(max(value) FILTER (WHERE what = 'slot'), CASE WHEN EXISTS (SELECT FROM e WHERE kind = :PROMOTED) THEN 'hf_' || replace(n.id::text, '-', '') END) AS slot,
		max(value) FILTER (WHERE what = 'web_cert') AS web_cert, max(value) FILTER (WHERE what = 'trusts') AS trusts,
		max(value) FILTER (WHERE what = 'channel_by') AS channel_by, max(value) FILTER (WHERE what = 'web_by') AS web_by
		FROM l WHERE l.id = n.id) x
), gone AS (
	DELETE FROM node WHERE id NOT IN (SELECT id FROM t) AND :when
), term AS (
	UPDATE ha_term SET term = w.term, incarnation = w.incarnation
	FROM (SELECT (b->>'term')::bigint AS term, coalesce(b->>'incarnation', '') AS incarnation FROM e WHERE kind IN (:PROMOTED, :RESTORED)
		ORDER BY 1 DESC, object DESC, 2 DESC LIMIT 1) w
	WHERE :when AND ha_term.term <= w.term AND (ha_term.term, ha_term.incarnation) <> (w.term, w.incarnation)
)
INSERT INTO node (id, name, https_port, pair_port, slot, web_cert, joined_at, primary_since_term, trusts, channel_by, web_by, knew)
SELECT id, name, https_port, pair_port, slot, web_cert, joined_at, term, trusts, channel_by, web_by, knew FROM t WHERE :when
ON CONFLICT (id) DO UPDATE SET name = excluded.name, https_port = excluded.https_port, pair_port = excluded.pair_port, slot = excluded.slot,
	web_cert = excluded.web_cert, joined_at = excluded.joined_at, primary_since_term = excluded.primary_since_term, trusts = excluded.trusts,
	channel_by = excluded.channel_by, web_by = excluded.web_by, knew = excluded.knew
WHERE (node.*) IS DISTINCT FROM (excluded.*)

-- name: apply_nodes(node uuid, from_seq bigint, to_seq bigint)
:nodes_anew(EXISTS (SELECT FROM event s WHERE s.node = $1 AND s.seq BETWEEN $2 AND $3));

-- After an upgrade.
-- name: retell_nodes()
:nodes_anew(true);

-- A node is taken out: the object. apply_nodes follows.
-- name: apply_node_removed(node uuid, from_seq bigint, to_seq bigint)
WITH e AS (
	SELECT object AS subject, seq, at, NULL::uuid AS keep, NULL AS knew, false AS stands FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :NODE_REMOVED
), :new_endings(e)
SELECT FROM n;

-- A new term, in which nobody of before is known: not by a session and, but for who says so, not as a node. apply_nodes follows.
-- name: apply_restored(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT :everybody() AS subject, seq, at, NULL::uuid AS keep, NULL AS knew, false AS stands FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :RESTORED
), :end_sessions(e, true)
SELECT FROM n;

-- Two nodes may say the same of one that both know by their files: one word of them counts, always the same.
-- name: apply_authority_made(node uuid, from_seq bigint, to_seq bigint)
INSERT INTO authority (sha256, generation, ends_at, cert, key)
SELECT DISTINCT ON (b->>'sha256') b->>'sha256', (b->>'generation')::int, (b->>'ends_at')::timestamptz, b->>'cert', decode(b->>'sealed', 'hex')
FROM (SELECT node, seq, body::jsonb AS b FROM event WHERE kind = :AUTHORITY_MADE) e
WHERE b->>'sha256' IN (SELECT body::jsonb->>'sha256' FROM event WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :AUTHORITY_MADE)
ORDER BY b->>'sha256', (b->>'generation')::int, node, seq
ON CONFLICT (sha256) DO UPDATE SET generation = excluded.generation, ends_at = excluded.ends_at, cert = excluded.cert, key = excluded.key
WHERE (authority.*) IS DISTINCT FROM (excluded.*);
