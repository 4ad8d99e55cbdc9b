-- SPDX-License-Identifier: Apache-2.0
-- Changes in emergency: where they are allowed, and those that wait for approval.

-- A word (word.sql); everywhere is the nil id.
-- name: apply_emergency_policy(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT seq, at, coalesce(object, '00000000-0000-0000-0000-000000000000') AS object,
		'00000000-0000-0000-0000-000000000000'::uuid AS principal, 'policy' AS what, b->>'state' AS value, b->>'upon' AS upon
	FROM (SELECT seq, at, object, body::jsonb AS b FROM event
		WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :EMERGENCY_POLICY) x
), w AS (
	:outdates(e)
)
:says(e);

-- What was said of the resource counts before what was said for everywhere; nothing said is off.
-- name: emergency_allowed(resource uuid) -> allowed bool
SELECT coalesce(
	(SELECT p.state = 'on' FROM emergency_policy p WHERE p.resource = $1 AND p.state <> 'inherit'),
	(SELECT p.state = 'on' FROM emergency_policy p WHERE p.resource = '00000000-0000-0000-0000-000000000000'),
	false);

-- The resource by its name, or by a name and how its id ends (plain, tail; '' where the name has no suffix); null for everywhere (then id is
-- null too); and what was said of it. No row: there is no such resource. More than one: the name means several.
-- name: emergency_policy_of(name text, plain text, tail text) -> id uuid, name text, state text, stamp text
SELECT q.id, q.name, coalesce(p.state, ''), coalesce(p.stamp, '')
FROM (SELECT NULL::uuid AS id, NULL::text AS name WHERE $1 IS NULL
	UNION ALL SELECT r.id, r.name FROM resource r WHERE lower(r.name) = lower($1) AND r.deleted_at IS NULL
	UNION ALL SELECT r.id, r.name FROM resource r
		WHERE $3 <> '' AND lower(r.name) = lower($2) AND r.deleted_at IS NULL AND :ends(r.id, $3)) q
LEFT JOIN emergency_policy p ON p.resource = coalesce(q.id, '00000000-0000-0000-0000-000000000000');

-- The row for everywhere first; name null there.
-- name: emergency_policy_list() -> resource uuid, name text, state text, at timestamptz
SELECT p.resource, r.name, p.state, p.at
FROM emergency_policy p LEFT JOIN resource r ON r.id = p.resource AND r.deleted_at IS NULL
WHERE p.state <> 'inherit' AND (r.id IS NOT NULL OR p.resource = '00000000-0000-0000-0000-000000000000')
ORDER BY r.id IS NOT NULL, lower(r.name) LIMIT 10000;

-- Versions that wait for approval: all of them, or those of accounts that the user may manage. after: the last one of the
-- page before; the nil id is before all.
-- name: change_list(principal uuid, everything bool, after uuid, rows int) ->
--   id uuid, n int, author uuid, author_name text, created timestamptz, node uuid, node_name text, account uuid, login text,
--   resource uuid, resource_name text, resource_shared bool, login_shared bool
SELECT v.id, v.n, v.author, p.name, v.created_at, v.node, d.name, a.id, a.login, r.id, r.name, r.twin IS NOT NULL, a.twin IS NOT NULL
FROM version v JOIN account a ON a.id = v.account JOIN resource r ON r.id = a.resource
LEFT JOIN principal p ON p.id = v.author LEFT JOIN node d ON d.id = v.node
WHERE v.approval = 'waits' AND a.deleted_at IS NULL AND r.deleted_at IS NULL
	AND ($2 OR :level_of_account($1, r, a) >= 3)
	AND v.id > $3
ORDER BY v.id LIMIT $4;

-- One that waits or waited. follows: it was made upon the version that is the current one.
-- name: change_of(id uuid, principal uuid) ->
--   account uuid, n int, author uuid, approval text, follows bool, level int, login text, resource_name text
SELECT a.id, v.n, v.author, v.approval, v.upon IS NOT DISTINCT FROM c.id,
	:level_of_account($2, r, a), a.login, r.name
FROM version v JOIN account a ON a.id = v.account JOIN resource r ON r.id = a.resource
LEFT JOIN version c ON c.account = a.id AND c.n = a.current_n
WHERE v.id = $1 AND v.approval IS NOT NULL AND a.deleted_at IS NULL AND r.deleted_at IS NULL;

-- Whether a word takes the right to store versions.
-- fragment: withdraws(w)
(:w.what = 'disabled' AND :w.value = 'true' OR :w.what = 'share' AND :said_level(:w.value) < 2 OR :w.what = 'member' AND :w.value = 'false')

-- The teams about whose members something was said of somebody: those that they are in, or were.
-- fragment: teams_ever(principal)
(SELECT k.object AS id FROM word k WHERE k.principal = :principal AND k.what = 'member')

-- Whether the author's right to store versions in the account was withdrawn on another node, apart from event (chain, seq).
-- fragment: withdrawn_apart(chain, seq, author, account)
EXISTS (SELECT FROM account its CROSS JOIN LATERAL (SELECT coalesce((SELECT f.path || f.id FROM resource r
			JOIN folder f ON f.id = r.folder AND f.deleted_at IS NULL WHERE r.id = its.resource), '{}') AS ids OFFSET 0) above
	CROSS JOIN LATERAL (
		SELECT w.* FROM (SELECT :author AS id UNION :teams_ever(:author)) g JOIN LATERAL (SELECT * FROM word w
			WHERE w.object = ANY (ARRAY[g.id, its.id, its.resource] || above.ids) AND w.principal = g.id AND w.what IN ('disabled', 'share') AND w.chain <> :chain OFFSET 0) w ON true
		UNION ALL SELECT w.* FROM word w WHERE w.principal = :author AND w.what = 'member' AND w.chain <> :chain) w
	WHERE its.id = :account AND :withdraws(w) AND :known_of(w.chain, w.seq, :chain) < :seq AND :known_of(:chain, :seq, w.chain) < w.seq)

-- Versions t count for nothing (any more): where one is the current one, that is again what it was made upon.
-- fragment: step_back(t)
UPDATE account a SET current_n = coalesce((WITH RECURSIVE b AS (
		SELECT x.upon AS id FROM :t x WHERE x.account = a.id AND x.n = a.current_n
		UNION ALL SELECT x.upon FROM b JOIN :t x ON x.id = b.id)
	SELECT v.n FROM b JOIN version v ON v.id = b.id WHERE b.id NOT IN (SELECT id FROM :t)), a.current_n),
	conflict = EXISTS (SELECT FROM version v WHERE v.account = a.id AND v.sibling AND v.id NOT IN (SELECT id FROM :t))
WHERE a.id IN (SELECT account FROM :t)

-- From now on it is a version like any other: the current one if it was made upon that, else a sibling.
-- name: apply_change_approved(node uuid, from_seq bigint, to_seq bigint)
WITH x AS MATERIALIZED (
	SELECT min(seq) AS seq, object AS account, (body::jsonb->>'id')::uuid AS id FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :CHANGE_APPROVED GROUP BY 2, 3
), o AS MATERIALIZED (
	SELECT x.seq, x.account, v.id, v.n,
		v.upon IS DISTINCT FROM coalesce(lag(v.id) OVER (PARTITION BY x.account ORDER BY x.seq), c.id) AS astray
	FROM x JOIN account a ON a.id = x.account
	JOIN version v ON v.id = x.id AND v.account = a.id AND v.approval = 'waits'
	LEFT JOIN version c ON c.account = a.id AND c.n = a.current_n
), p AS MATERIALIZED (
	SELECT o.*, bool_or(astray) OVER (PARTITION BY account ORDER BY seq) AS sibling FROM o
), w AS (
	UPDATE version v SET approval = 'approved', sibling = p.sibling FROM p WHERE v.id = p.id
)
UPDATE account a SET current_n = coalesce(q.n, a.current_n), conflict = a.conflict OR q.sibling
FROM (SELECT account, max(n) FILTER (WHERE NOT sibling) AS n, bool_or(sibling) AS sibling FROM p GROUP BY account) q
WHERE a.id = q.account;

-- It stays in the history, and counts for nothing; that is safer than an approval that was given apart from it.
-- name: apply_change_declined(node uuid, from_seq bigint, to_seq bigint)
WITH t AS MATERIALIZED (
	SELECT v.id, v.account, v.n, v.upon FROM (SELECT DISTINCT object AS account, (body::jsonb->>'id')::uuid AS id FROM event
		WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :CHANGE_DECLINED) x
	JOIN version v ON v.id = x.id AND v.account = x.account AND (v.approval = 'waits' OR v.approval = 'approved' AND v.upon IS NOT NULL)
), w AS (
	UPDATE version v SET approval = 'declined', sibling = false FROM t WHERE v.id = t.id
)
:step_back(t);
