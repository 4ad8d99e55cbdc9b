-- SPDX-License-Identifier: Apache-2.0
-- Names, texts, owners, factors and removals are words too (query/word.sql): which one counts does not go by what was applied last.

ALTER TABLE word DROP CONSTRAINT word_what_check;
ALTER TABLE admin_conflict DROP CONSTRAINT admin_conflict_what_check;
DROP INDEX word_principal;
CREATE INDEX word_principal ON word (principal) WHERE principal <> '00000000-0000-0000-0000-000000000000';

-- "*" is of releases that named nothing that they knew of.
UPDATE word w SET upon = NULL FROM event e
WHERE w.upon = '*' AND e.node = w.chain AND e.seq = w.seq AND e.kind = :USER_RECOVERED AND e.body::jsonb ? 'knew';

INSERT INTO word (object, principal, what, chain, seq, at, value, upon, later)
SELECT w.object, w.principal, w.what, w.node, w.seq, w.at, w.value, w.upon,
	lead(w.seq) OVER (PARTITION BY w.object, w.principal, w.what, w.node ORDER BY w.seq) IS NOT NULL
FROM (SELECT e.node, e.seq, e.at, e.object, CASE e.kind WHEN :USER_CHANGED THEN e.object ELSE uuid '00000000-0000-0000-0000-000000000000' END AS principal,
		f.what, e.b->>f.what AS value, NULL AS upon
	FROM (SELECT *, body::jsonb AS b FROM event WHERE kind IN (:USER_CHANGED, :RESOURCE_CHANGED, :RESOURCE_RESTORED, :ACCOUNT_CHANGED, :ACCOUNT_RESTORED)) e
	JOIN (VALUES (:USER_CHANGED, '{name}'::text[]), (:RESOURCE_CHANGED, '{name,type,address,url,description,owner}'), (:RESOURCE_RESTORED, '{name}'),
		(:ACCOUNT_CHANGED, '{login,description}'), (:ACCOUNT_RESTORED, '{login}')) k (kind, fields) ON k.kind = e.kind
	CROSS JOIN LATERAL unnest(k.fields) f (what) WHERE e.b ? f.what
	UNION ALL
	SELECT node, seq, at, object, uuid '00000000-0000-0000-0000-000000000000', 'removed', (kind NOT IN (:RESOURCE_RESTORED, :ACCOUNT_RESTORED))::text, NULL
	FROM event WHERE kind IN (:RESOURCE_DELETED, :RESOURCE_RESTORED, :ACCOUNT_DELETED, :ACCOUNT_RESTORED, :ACCOUNT_COMBINED)
	UNION ALL
	SELECT node, seq, at, (body::jsonb->>'resource')::uuid, uuid '00000000-0000-0000-0000-000000000000', 'removed', 'false', NULL
	FROM event WHERE kind = :ACCOUNT_CREATED
	UNION ALL
	SELECT node, seq, at, object, object, 'factor', coalesce(body::jsonb->>'totp_sealed', ''), NULL FROM event WHERE kind = :USER_TOTP
	UNION ALL
	SELECT e.node, e.seq, e.at, e.object, e.object, 'factor', '',
		CASE WHEN NOT e.body::jsonb ? 'knew' AND NOT EXISTS (SELECT FROM event s WHERE s.node = e.node AND s.kind = :SEEN AND s.seq < e.seq) THEN '*' END
	FROM event e WHERE e.kind = :USER_RECOVERED
	UNION ALL
	SELECT node, seq, at, uuid '00000000-0000-0000-0000-000000000000', uuid '00000000-0000-0000-0000-000000000000', 'maintenance', body, NULL
	FROM event WHERE kind = :MAINTENANCE
	UNION ALL
	SELECT node, seq, at, uuid '00000000-0000-0000-0000-000000000000', uuid '00000000-0000-0000-0000-000000000000', 'handover',
		(body::jsonb->>'term') || ' ' || object, NULL
	FROM event WHERE kind = :HANDOVER) w
WHERE w.object IS NOT NULL AND NOT EXISTS (SELECT FROM event m WHERE m.kind = :MERGED AND m.object = w.node AND m.body::jsonb ? 'not_applied'
	AND w.seq BETWEEN (m.body::jsonb->>'from')::bigint AND (m.body::jsonb->>'to')::bigint);

-- The same as in query/word.sql, of all words at once about which several chains have said something. Of others the last word counted.
CREATE FUNCTION pg_temp.word_rank(what text, value text) RETURNS int LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE what WHEN 'role' THEN (value = 'administrator')::int WHEN 'disabled' THEN (value = 'false')::int
		WHEN 'share' THEN nullif(value, '')::int WHEN 'policy' THEN array_position('{off,inherit,on}'::text[], value)
		WHEN 'removed' THEN (value = 'true')::int WHEN 'factor' THEN (value = '')::int
		WHEN 'maintenance' THEN (value::jsonb->>'until' IS NOT NULL)::int WHEN 'handover' THEN -split_part(value, ' ', 1)::int ELSE 0 END $$;
CREATE FUNCTION pg_temp.word_named(a public.word, b public.word) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT (k.body::jsonb->>'to')::bigint FROM event k
			WHERE k.node = a.chain AND k.object = b.chain AND k.seq < a.seq AND k.kind IN (:MERGED, :SEEN)
				AND strpos(k.body, '"not_applied"') = 0
			ORDER BY k.seq DESC LIMIT 1) >= b.seq, false)
		OR EXISTS (SELECT FROM word u WHERE u.object = b.object AND u.principal = b.principal AND u.what = b.what
			AND u.chain = a.chain AND u.seq <= a.seq AND u.upon IN (b.chain || '/' || b.seq, b.chain || '/' || b.seq || '+')) $$;
CREATE FUNCTION pg_temp.word_upon_all(a public.word, b public.word) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM word u WHERE u.object = b.object AND u.principal = b.principal AND u.what = b.what
		AND u.chain = a.chain AND u.seq <= a.seq AND u.upon = '*') $$;
CREATE FUNCTION pg_temp.names_nobody(a public.word) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT NOT EXISTS (SELECT FROM event s WHERE s.node = a.chain AND s.kind = :SEEN AND s.seq < a.seq) $$;
CREATE FUNCTION pg_temp.word_aware(a public.word, b public.word) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN pg_temp.word_named(a, b) THEN true WHEN pg_temp.word_named(b, a) THEN false
		WHEN pg_temp.word_upon_all(a, b) THEN NOT pg_temp.word_upon_all(b, a) OR (a.at, a.chain) > (b.at, b.chain)
		WHEN a.what IN ('role', 'disabled', 'share', 'policy') OR pg_temp.word_upon_all(b, a) THEN false
		ELSE (a.at, a.chain) > (b.at, b.chain) AND pg_temp.names_nobody(a) AND pg_temp.names_nobody(b) END $$;

CREATE TEMPORARY TABLE met ON COMMIT DROP AS
SELECT object, principal, what FROM word GROUP BY object, principal, what HAVING count(DISTINCT chain) > 1;

CREATE TEMPORARY TABLE counts ON COMMIT DROP AS
SELECT DISTINCT ON (l.object, l.principal, l.what) l.* FROM word l JOIN met USING (object, principal, what)
WHERE NOT l.later AND NOT EXISTS (SELECT FROM word o WHERE o.object = l.object AND o.principal = l.principal AND o.what = l.what
	AND NOT o.later AND o.chain <> l.chain AND pg_temp.word_aware(o, l))
ORDER BY l.object, l.principal, l.what, pg_temp.word_rank(l.what, l.value), l.chain;

CREATE TEMPORARY TABLE said ON COMMIT DROP AS
SELECT object, max(value) FILTER (WHERE what = 'name') AS name, max(value) FILTER (WHERE what = 'type') AS type,
	max(value) FILTER (WHERE what = 'address') AS address, max(value) FILTER (WHERE what = 'url') AS url,
	max(value) FILTER (WHERE what = 'description') AS description, max(value) FILTER (WHERE what = 'owner')::uuid AS owner,
	max(value) FILTER (WHERE what = 'login') AS login, max(value) FILTER (WHERE what = 'role') AS role,
	max(value) FILTER (WHERE what = 'disabled')::boolean AS disabled, max(value) FILTER (WHERE what = 'factor') AS factor,
	max(value) FILTER (WHERE what = 'removed')::boolean AS removed, max(at) FILTER (WHERE what = 'removed') AS removed_at,
	max((SELECT actor FROM event x WHERE x.node = c.chain AND x.seq = c.seq)::text) FILTER (WHERE what = 'removed')::uuid AS removed_by
FROM counts c WHERE what NOT IN ('share', 'policy', 'maintenance', 'handover') GROUP BY object;

UPDATE principal p SET name = coalesce(q.name, p.name), role = coalesce(q.role, p.role), disabled = coalesce(q.disabled, p.disabled),
	totp_sealed = CASE WHEN q.factor IS NULL THEN p.totp_sealed WHEN q.factor <> '' THEN decode(q.factor, 'base64') END
FROM said q WHERE p.id = q.object;
UPDATE resource r SET name = coalesce(q.name, r.name), type = coalesce(q.type, r.type), address = coalesce(q.address, r.address),
	url = coalesce(q.url, r.url), description = coalesce(q.description, r.description), owner = coalesce(q.owner, r.owner)
FROM said q WHERE r.id = q.object;
UPDATE resource r SET deleted_at = CASE WHEN q.removed THEN q.removed_at END, deleted_by = CASE WHEN q.removed THEN q.removed_by END,
	binned_at = CASE WHEN q.removed THEN coalesce(r.binned_at, q.removed_at) END, bin_news = r.bin_news AND q.removed,
	purged_at = CASE WHEN q.removed THEN r.purged_at END
FROM said q WHERE r.id = q.object AND q.removed IS NOT NULL;
UPDATE account g SET deleted_at = g.purged_at FROM said q
WHERE g.resource = q.object AND NOT q.removed AND g.purged_at IS NOT NULL AND g.deleted_at IS NULL AND g.id NOT IN (SELECT object FROM said);
UPDATE account a SET login = coalesce(q.login, a.login), description = coalesce(q.description, a.description)
FROM said q WHERE a.id = q.object;
UPDATE account a SET deleted_at = CASE WHEN q.removed THEN q.removed_at END, deleted_by = CASE WHEN q.removed THEN q.removed_by END,
	binned_at = CASE WHEN q.removed THEN coalesce(a.binned_at, q.removed_at) END, bin_news = a.bin_news AND q.removed
FROM said q WHERE a.id = q.object AND (q.removed OR NOT q.removed AND a.purged_at IS NULL);
DELETE FROM share s USING counts c WHERE c.what = 'share' AND c.value = '0' AND s.target = c.object AND s.principal = c.principal;
INSERT INTO share (target, principal, level, granted_at)
SELECT c.object, c.principal, c.value::int, c.at FROM counts c JOIN principal p ON p.id = c.principal
WHERE c.what = 'share' AND c.value <> '0'
ON CONFLICT (target, principal) DO UPDATE SET level = excluded.level, granted_at = excluded.granted_at;
INSERT INTO emergency_policy (resource, state, stamp, at)
SELECT object, value, chain || '/' || seq, at FROM counts WHERE what = 'policy'
ON CONFLICT (resource) DO UPDATE SET state = excluded.state, stamp = excluded.stamp, at = excluded.at;
INSERT INTO maintenance (at, until, reason)
SELECT at, (value::jsonb->>'until')::timestamptz, coalesce(value::jsonb->>'reason', '') FROM counts WHERE what = 'maintenance'
ON CONFLICT (one) DO UPDATE SET at = excluded.at, until = excluded.until, reason = excluded.reason;
INSERT INTO ha_order (one, node, term)
SELECT true, split_part(value, ' ', 2)::uuid, split_part(value, ' ', 1)::bigint FROM counts WHERE what = 'handover'
ON CONFLICT (one) DO UPDATE SET node = excluded.node, term = excluded.term;

-- Names may be others now.
UPDATE principal p SET twin = CASE WHEN h.n > 1 THEN lower(p.name) END
FROM (SELECT id, count(*) OVER (PARTITION BY lower(name)) AS n FROM principal) h
WHERE h.id = p.id AND p.twin IS DISTINCT FROM CASE WHEN h.n > 1 THEN lower(p.name) END;
UPDATE resource r SET twin = CASE WHEN h.n > 1 THEN lower(r.name) END
FROM (SELECT id, CASE WHEN deleted_at IS NULL THEN count(*) OVER (PARTITION BY lower(name), deleted_at IS NULL) ELSE 0 END AS n FROM resource) h
WHERE h.id = r.id AND r.twin IS DISTINCT FROM CASE WHEN h.n > 1 THEN lower(r.name) END;
UPDATE account a SET twin = CASE WHEN h.n > 1 THEN lower(a.login) END
FROM (SELECT id, CASE WHEN deleted_at IS NULL THEN count(*) OVER (PARTITION BY resource, lower(login), deleted_at IS NULL) ELSE 0 END AS n FROM account) h
WHERE h.id = a.id AND a.twin IS DISTINCT FROM CASE WHEN h.n > 1 THEN lower(a.login) END;

CREATE TEMPORARY TABLE lost ON COMMIT DROP AS
SELECT DISTINCT ON (u.object, u.principal, u.what, u.chain, u.seq) u.*, v.chain AS by_node, v.seq AS by_seq, v.value AS kept
FROM word u JOIN met USING (object, principal, what)
JOIN word l ON l.object = u.object AND l.principal = u.principal AND l.what = u.what AND NOT l.later AND l.chain <> u.chain
CROSS JOIN LATERAL (SELECT w.* FROM word w WHERE w.object = u.object AND w.principal = u.principal AND w.what = u.what
	AND w.chain = l.chain AND NOT pg_temp.word_aware(w, u) ORDER BY w.seq DESC LIMIT 1) v
WHERE u.what NOT IN ('policy', 'maintenance', 'handover') AND v.value <> u.value
	AND (pg_temp.word_rank(v.what, v.value), v.chain) < (pg_temp.word_rank(u.what, u.value), u.chain)
	AND NOT pg_temp.word_aware(u, v)
	AND coalesce((SELECT pg_temp.word_aware(f, v) FROM word f WHERE f.object = u.object AND f.principal = u.principal
		AND f.what = u.what AND f.chain = u.chain AND f.seq > u.seq ORDER BY f.seq LIMIT 1), true)
ORDER BY u.object, u.principal, u.what, u.chain, u.seq, pg_temp.word_rank(v.what, v.value), v.chain, v.seq;

DELETE FROM admin_conflict k WHERE k.what <> 'recovered' AND NOT EXISTS (SELECT FROM lost l
	WHERE (l.chain, l.seq, l.what, l.object, l.principal, l.by_node, l.by_seq) = (k.node, k.seq, k.what, k.object, k.principal, k.by_node, k.by_seq));
INSERT INTO admin_conflict (node, seq, what, at, object, principal, kept, lost, by_node, by_seq)
SELECT chain, seq, what, at, object, principal, kept, value, by_node, by_seq FROM lost
ON CONFLICT DO NOTHING;

DROP FUNCTION pg_temp.word_aware(public.word, public.word);
DROP FUNCTION pg_temp.names_nobody(public.word);
DROP FUNCTION pg_temp.word_upon_all(public.word, public.word);
DROP FUNCTION pg_temp.word_named(public.word, public.word);
DROP FUNCTION pg_temp.word_rank(text, text);
