-- SPDX-License-Identifier: Apache-2.0
-- What administrators decide, and what counts of it (docs/merge.md has the table of rules). Each event that sets a user's role, their being
-- disabled, a share or what is allowed in emergency is a word about that one thing: (object, principal, what). A chain's last word outdates its
-- earlier ones, and a word outdates those that its node knew of; of those that are left the safest counts. So what counts is a function of the
-- words, however they came. Where a word was lost to one that its node did not know of, that is kept for people (admin_conflict).

-- Rows e of $1's chain (seq, at, object, principal, what, value, upon) become words: what they outdate, and they themselves.
-- fragment: outdates(e)
UPDATE word w SET later = true FROM :e
WHERE w.object = :e.object AND w.principal = :e.principal AND w.what = :e.what AND w.chain = $1 AND w.seq < :e.seq AND NOT w.later

-- fragment: says(e)
INSERT INTO word (object, principal, what, chain, seq, at, value, upon, later)
SELECT object, principal, what, $1, seq, at, value, upon, lead(seq) OVER (PARTITION BY object, principal, what ORDER BY seq) IS NOT NULL
	OR EXISTS (SELECT FROM word l WHERE l.object = :e.object AND l.principal = :e.principal AND l.what = :e.what
		AND l.chain = $1 AND l.seq > :e.seq)
FROM :e
ON CONFLICT DO NOTHING

-- fragment: same(a, b)
:a.object = :b.object AND :a.principal = :b.principal AND :a.what = :b.what

-- The lower the safer.
-- fragment: rank(w)
CASE :w.what WHEN 'role' THEN (:w.value = 'administrator')::int WHEN 'disabled' THEN (:w.value = 'false')::int
	WHEN 'share' THEN nullif(:w.value, '')::int ELSE array_position('{off,inherit,on}'::text[], :w.value) END

-- Whether a chain is one of an earlier release up to there, which names no other.
-- fragment: names_nobody(chain, seq)
NOT EXISTS (SELECT FROM event naming WHERE naming.node = :chain AND naming.kind = :SEEN AND naming.seq < :seq)

-- Whether the node that said a knew of b, of the same thing and another chain: by what its chain names of the other one before a, or because
-- one of its words was made upon b, or upon whatever stood ("*": who was let in again by an earlier release). No clock tells.
-- fragment: aware(a, b)
(coalesce((SELECT (named.body::jsonb->>'to')::bigint FROM event named
		WHERE named.node = :a.chain AND named.object = :b.chain AND named.seq < :a.seq AND named.kind IN (:MERGED, :SEEN)
			AND strpos(named.body, '"not_applied"') = 0
		ORDER BY named.seq DESC LIMIT 1) >= :b.seq, false)
	OR EXISTS (SELECT FROM word made WHERE :same(made, :b) AND made.chain = :a.chain AND made.seq <= :a.seq
		AND made.upon IN ('*', :b.chain || '/' || :b.seq, :b.chain || '/' || :b.seq || '+')))

-- The last words of the chains about the things g.
-- fragment: last_words(g)
SELECT w.*, :rank(w) AS rank
FROM :g JOIN word w ON :same(w, :g) AND NOT w.later

-- Of those, l, the one that counts for each thing.
-- fragment: that_count(l)
SELECT DISTINCT ON (:l.object, :l.principal, :l.what) :l.* FROM :l
WHERE NOT EXISTS (SELECT FROM :l other WHERE :same(other, :l) AND other.chain <> :l.chain AND :aware(other, :l))
ORDER BY :l.object, :l.principal, :l.what, :l.rank, :l.chain

-- Of a chain, the last word about the same thing that does not know of w.
-- fragment: last_unaware(chain, w)
(SELECT its.* FROM word its WHERE :same(its, :w) AND its.chain = :chain AND NOT :aware(its, :w) ORDER BY its.seq DESC LIMIT 1)

-- The event as people's next one names it.
-- fragment: word_stamp(w)
:w.chain || '/' || :w.seq

-- What a conflict is called: by the word that was lost or, before this release, by the one that was merged.
-- fragment: conflict_id(node, seq, w, kept, lost)
md5(:node || ' ' || :seq || ' ' || :w.what || ' ' || :w.object || ' ' || :w.principal || ' ' || :kept || ' ' || :lost)

-- Behind the events of a range that say something, or make a user of whom something was said: the tables become what counts now. Conflicts are
-- made anew for those words that the new ones, or the ones before them, may meet.
-- name: weigh_words(node uuid, from_seq bigint, to_seq bigint)
WITH g AS MATERIALIZED (
	SELECT DISTINCT object, principal, what FROM word WHERE chain = $1 AND seq BETWEEN $2 AND $3
	UNION SELECT w.object, w.principal, w.what FROM event x JOIN word w ON w.principal = x.object
	WHERE x.node = $1 AND x.seq BETWEEN $2 AND $3 AND x.kind = :USER_CREATED
), l AS MATERIALIZED (
	:last_words(g)
), c AS MATERIALIZED (
	:that_count(l)
), p AS (
	UPDATE principal p SET role = coalesce(q.role, p.role), disabled = coalesce(q.disabled::boolean, p.disabled)
	FROM (SELECT object, max(value) FILTER (WHERE what = 'role') AS role, max(value) FILTER (WHERE what = 'disabled') AS disabled
		FROM c GROUP BY object) q
	WHERE p.id = q.object AND (q.role, q.disabled) IS DISTINCT FROM (NULL, NULL)
), d AS (
	DELETE FROM share s USING c WHERE c.what = 'share' AND c.value = '0' AND s.target = c.object AND s.principal = c.principal
), s AS (
	INSERT INTO share (target, principal, level, granted_at)
	SELECT c.object, c.principal, c.value::int, c.at FROM c JOIN principal p ON p.id = c.principal
	WHERE c.what = 'share' AND c.value <> '0'
	ON CONFLICT (target, principal) DO UPDATE SET level = excluded.level, granted_at = excluded.granted_at
), y AS (
	INSERT INTO emergency_policy (resource, state, stamp, at)
	SELECT object, value, :word_stamp(c), at FROM c WHERE what = 'policy'
	ON CONFLICT (resource) DO UPDATE SET state = excluded.state, stamp = excluded.stamp, at = excluded.at
), e AS MATERIALIZED (
	SELECT w.* FROM word w WHERE w.chain = $1 AND w.seq BETWEEN $2 AND $3 AND w.what <> 'policy'
		AND EXISTS (SELECT FROM l WHERE :same(l, w) AND l.chain <> $1)
), a AS MATERIALIZED (
	SELECT * FROM e UNION SELECT v.* FROM e CROSS JOIN LATERAL (SELECT b.* FROM word b
		WHERE :same(b, e) AND b.chain = e.chain AND b.seq < e.seq ORDER BY b.seq DESC LIMIT 1) v
), u AS MATERIALIZED (
	SELECT * FROM a UNION SELECT v.* FROM a JOIN l ON :same(l, a) AND l.chain <> a.chain
	CROSS JOIN LATERAL :last_unaware(l.chain, a) v
), n AS MATERIALIZED (
	SELECT DISTINCT ON (u.object, u.principal, u.what, u.chain, u.seq) u.*, v.chain AS by_node, v.seq AS by_seq, v.value AS kept,
		ARRAY[:conflict_id(u.chain, u.seq, u, v.value, u.value), :conflict_id(v.chain, v.seq, u, v.value, u.value)] AS ids
	FROM u JOIN l ON :same(l, u) AND l.chain <> u.chain
	CROSS JOIN LATERAL :last_unaware(l.chain, u) v
	WHERE :rank(v) < :rank(u) AND NOT :aware(u, v)
		AND coalesce((SELECT :aware(f, v) FROM word f WHERE :same(f, u) AND f.chain = u.chain AND f.seq > u.seq
			ORDER BY f.seq LIMIT 1), true)
	ORDER BY u.object, u.principal, u.what, u.chain, u.seq, :rank(v), v.chain, v.seq
), x AS (
	DELETE FROM admin_conflict k USING u
	WHERE k.node = u.chain AND k.seq = u.seq AND :same(k, u)
		AND NOT EXISTS (SELECT FROM n WHERE n.chain = u.chain AND n.seq = u.seq AND :same(n, u))
)
INSERT INTO admin_conflict (node, seq, what, at, object, principal, kept, lost, by_node, by_seq, told, acknowledged_at, acknowledged_by)
SELECT n.chain, n.seq, n.what, n.at, n.object, n.principal, n.kept, n.value, n.by_node, n.by_seq,
	EXISTS (SELECT FROM event t WHERE t.kind = :ADMIN_CONFLICT AND t.body::jsonb->>'id' = ANY (i.ids)), k.at, k.actor
FROM n CROSS JOIN LATERAL (SELECT ARRAY[n.ids[1]::uuid::text, n.ids[2]::uuid::text] AS ids) i
LEFT JOIN LATERAL (SELECT t.at, t.actor FROM event t WHERE t.kind = :ADMIN_ACKNOWLEDGED AND t.body::jsonb->>'id' = ANY (i.ids)
	ORDER BY t.at, t.node, t.seq LIMIT 1) k ON true
ON CONFLICT (node, seq, what, object, principal) DO UPDATE SET kept = excluded.kept, by_node = excluded.by_node, by_seq = excluded.by_seq,
	told = excluded.told, acknowledged_at = excluded.acknowledged_at, acknowledged_by = excluded.acknowledged_by
WHERE (admin_conflict.kept, admin_conflict.by_node, admin_conflict.by_seq) IS DISTINCT FROM (excluded.kept, excluded.by_node, excluded.by_seq);
