-- SPDX-License-Identifier: Apache-2.0
-- What administrators decide, each word by itself: which one counts is a function of all of them (query/word.sql).

-- upon: the word that it was made upon, "chain/seq" (before this schema with "+" where that had been merged), or "*": whatever stood. later: the chain has said
-- something else since. Of what is allowed in emergency, object is the resource, or the nil id for everywhere, and principal is nil.
CREATE TABLE word (
	object uuid NOT NULL,
	principal uuid NOT NULL,
	what text NOT NULL CHECK (what IN ('role', 'disabled', 'share', 'policy')),
	chain uuid NOT NULL,
	seq bigint NOT NULL,
	at timestamptz NOT NULL,
	value text NOT NULL,
	upon text,
	later boolean NOT NULL,
	PRIMARY KEY (object, principal, what, chain, seq)
);
CREATE INDEX word_last ON word (object, principal, what) WHERE NOT later;
CREATE INDEX word_said ON word (chain, seq);
CREATE INDEX word_principal ON word (principal);
GRANT SELECT, INSERT, UPDATE ON word TO hf_vault;

-- How far a chain names another one, and what was told and acknowledged of a conflict.
CREATE INDEX event_known ON event (node, object, seq) WHERE kind IN (:MERGED, :SEEN);
CREATE INDEX event_conflict ON event ((body::jsonb->>'id')) WHERE kind IN (:ADMIN_CONFLICT, :ADMIN_ACKNOWLEDGED);

INSERT INTO word (object, principal, what, chain, seq, at, value, upon, later)
SELECT w.object, w.principal, w.what, w.node, w.seq, w.at, w.value, w.upon,
	lead(w.seq) OVER (PARTITION BY w.object, w.principal, w.what, w.node ORDER BY w.seq) IS NOT NULL
FROM (SELECT e.node, e.seq, e.at, e.object, (e.b->>'user')::uuid AS principal, 'share' AS what,
		CASE e.kind WHEN :SHARED THEN e.b->>'level' ELSE '0' END AS value, e.b->>'upon' AS upon
	FROM (SELECT *, body::jsonb AS b FROM event WHERE kind IN (:SHARED, :UNSHARED)) e
	UNION ALL
	SELECT e.node, e.seq, e.at, e.object, e.object, f.what, e.b->>f.what, e.b->>('upon_' || f.what)
	FROM (SELECT *, body::jsonb AS b FROM event WHERE kind = :USER_CHANGED) e
	JOIN (VALUES ('role'), ('disabled')) f (what) ON e.b ? f.what
	UNION ALL
	SELECT e.node, e.seq, e.at, e.object, e.object, 'disabled', 'false',
		CASE WHEN NOT EXISTS (SELECT FROM event s WHERE s.node = e.node AND s.kind = :SEEN AND s.seq < e.seq) THEN '*' END
	FROM event e WHERE e.kind = :USER_RECOVERED AND e.body::jsonb->>'enabled' = 'true'
	UNION ALL
	SELECT e.node, e.seq, e.at, coalesce(e.object, '00000000-0000-0000-0000-000000000000'),
		'00000000-0000-0000-0000-000000000000', 'policy', e.b->>'state', e.b->>'upon'
	FROM (SELECT *, body::jsonb AS b FROM event WHERE kind = :EMERGENCY_POLICY) e) w
WHERE NOT EXISTS (SELECT FROM event m WHERE m.kind = :MERGED AND m.object = w.node AND m.body::jsonb ? 'not_applied'
	AND w.seq BETWEEN (m.body::jsonb->>'from')::bigint AND (m.body::jsonb->>'to')::bigint);

-- by_node, by_seq: the word that counts instead. node and seq are of the one that was lost; before this schema, of the one that was merged, and by
-- that its event was told and acknowledged: such a conflict is one of the two.
ALTER TABLE admin_conflict ADD COLUMN by_node uuid, ADD COLUMN by_seq bigint,
	ADD COLUMN met_id uuid GENERATED ALWAYS AS (md5(by_node::text || ' ' || by_seq::text || ' ' || what || ' ' ||
		object::text || ' ' || principal::text || ' ' || kept || ' ' || lost)::uuid) STORED;
CREATE INDEX admin_conflict_met ON admin_conflict (met_id);
GRANT DELETE ON admin_conflict TO hf_vault;

-- The same as in query/word.sql, of all words at once.
CREATE FUNCTION pg_temp.word_rank(what text, value text) RETURNS int LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE what WHEN 'role' THEN (value = 'administrator')::int WHEN 'disabled' THEN (value = 'false')::int
		WHEN 'share' THEN value::int ELSE array_position('{off,inherit,on}'::text[], value) END $$;
CREATE FUNCTION pg_temp.word_knows(a public.word, b public.word) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT (k.body::jsonb->>'to')::bigint FROM event k
			WHERE k.node = a.chain AND k.object = b.chain AND k.seq < a.seq AND k.kind IN (:MERGED, :SEEN)
				AND strpos(k.body, '"not_applied"') = 0
			ORDER BY k.seq DESC LIMIT 1) >= b.seq, false)
		OR EXISTS (SELECT FROM word u WHERE u.object = b.object AND u.principal = b.principal AND u.what = b.what
			AND u.chain = a.chain AND u.seq <= a.seq
			AND u.upon IN ('*', b.chain || '/' || b.seq, b.chain || '/' || b.seq || '+')) $$;

CREATE TEMPORARY TABLE counts ON COMMIT DROP AS
SELECT DISTINCT ON (l.object, l.principal, l.what) l.* FROM word l
WHERE NOT l.later AND NOT EXISTS (SELECT FROM word o WHERE o.object = l.object AND o.principal = l.principal AND o.what = l.what
	AND NOT o.later AND o.chain <> l.chain AND pg_temp.word_knows(o, l))
ORDER BY l.object, l.principal, l.what, pg_temp.word_rank(l.what, l.value), l.chain;

UPDATE principal p SET role = c.value FROM counts c WHERE c.what = 'role' AND p.id = c.object;
UPDATE principal p SET disabled = c.value::boolean FROM counts c WHERE c.what = 'disabled' AND p.id = c.object;
DELETE FROM share;
INSERT INTO share (target, principal, level, granted_at)
SELECT c.object, c.principal, c.value::int, c.at FROM counts c JOIN principal p ON p.id = c.principal
WHERE c.what = 'share' AND c.value <> '0';
DELETE FROM emergency_policy;
INSERT INTO emergency_policy (resource, state, stamp, at)
SELECT object, value, chain || '/' || seq, at FROM counts WHERE what = 'policy';

CREATE TEMPORARY TABLE lost ON COMMIT DROP AS
SELECT DISTINCT ON (u.object, u.principal, u.what, u.chain, u.seq) u.*, v.chain AS by_node, v.seq AS by_seq, v.value AS kept
FROM word u JOIN word l ON l.object = u.object AND l.principal = u.principal AND l.what = u.what AND NOT l.later AND l.chain <> u.chain
CROSS JOIN LATERAL (SELECT w.* FROM word w WHERE w.object = u.object AND w.principal = u.principal AND w.what = u.what
	AND w.chain = l.chain AND NOT pg_temp.word_knows(w, u) ORDER BY w.seq DESC LIMIT 1) v
WHERE u.what <> 'policy' AND pg_temp.word_rank(v.what, v.value) < pg_temp.word_rank(u.what, u.value)
	AND NOT pg_temp.word_knows(u, v)
	AND coalesce((SELECT pg_temp.word_knows(f, v) FROM word f WHERE f.object = u.object AND f.principal = u.principal
		AND f.what = u.what AND f.chain = u.chain AND f.seq > u.seq ORDER BY f.seq LIMIT 1), true)
ORDER BY u.object, u.principal, u.what, u.chain, u.seq, pg_temp.word_rank(v.what, v.value), v.chain, v.seq;

DELETE FROM admin_conflict WHERE what <> 'recovered';
INSERT INTO admin_conflict (node, seq, what, at, object, principal, kept, lost, by_node, by_seq)
SELECT chain, seq, what, at, object, principal, kept, value, by_node, by_seq FROM lost;
UPDATE admin_conflict c SET told = true
FROM event e WHERE e.kind = :ADMIN_CONFLICT AND e.body::jsonb->>'id' IN (c.id::text, c.met_id::text) AND NOT c.told;
UPDATE admin_conflict c SET acknowledged_at = k.at, acknowledged_by = k.actor
FROM (SELECT DISTINCT ON (body::jsonb->>'id') body::jsonb->>'id' AS id, at, actor FROM event WHERE kind = :ADMIN_ACKNOWLEDGED
	ORDER BY body::jsonb->>'id', at, node, seq) k
WHERE k.id IN (c.id::text, c.met_id::text) AND c.acknowledged_at IS NULL;

DROP FUNCTION pg_temp.word_knows(public.word, public.word);
DROP FUNCTION pg_temp.word_rank(text, text);
DROP TABLE standing;
