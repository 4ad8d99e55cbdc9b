-- SPDX-License-Identifier: Apache-2.0
-- Shares of one resource or account. What one user gives another by themselves waits until the receiver accepts it: it is found in lists and opened by its id, and not
-- looked up by its name. A giving has an id (given), which the events of the share name from the first to the last before it is withdrawn, and the acceptance with
-- them; so whether it waits goes by what was said, however that came. A share with a team has none, nor one that an earlier release wrote.

-- name: apply_share_accepted(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT DISTINCT object AS target, actor AS principal, (body::jsonb->>'share')::uuid AS given FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :SHARE_ACCEPTED
), a AS (
	INSERT INTO acceptance (target, principal, given) SELECT target, principal, given FROM e ON CONFLICT DO NOTHING
)
UPDATE share s SET waits = false FROM e WHERE s.target = e.target AND s.principal = e.principal AND s.given = e.given AND s.waits;

-- Those that have ended too. A page behind (place, after): the name in lower case and the id of the last user of the page before.
-- name: share_list(target uuid, place text, after uuid, rows int) ->
--   principal uuid, name text, team bool, level int, granted timestamptz, until timestamptz, ended bool, shared bool, waits bool
SELECT s.principal, p.name, p.role = 'team', s.level, s.granted_at, s.until, NOT :in_force(s), p.twin IS NOT NULL, s.waits
FROM share s JOIN principal p ON p.id = s.principal
WHERE s.target = $1 AND :holds_name(p) AND (lower(p.name), p.id) > ($2, $3) ORDER BY lower(p.name), p.id LIMIT $4;

-- The highest of what a user has on some resources (and what they stand in), accounts and folders, but for what the journal of this node withdraws: the i-th of these with the i-th
-- of those, and what comes through some teams.
-- name: share_level(principal uuid, targets uuid[], unshared uuid[], unshared_with uuid[], left_teams uuid[]) -> level int
WITH o AS MATERIALIZED (
	SELECT t.id FROM unnest($2::uuid[]) t (id)
	UNION SELECT way.id FROM unnest($2::uuid[]) t (id) CROSS JOIN LATERAL :way_of(t.id) way
	UNION SELECT way.id FROM unnest($2::uuid[]) t (id) CROSS JOIN LATERAL (SELECT * FROM resource i WHERE i.id = t.id OFFSET 0) r
	CROSS JOIN LATERAL :way_of(r.folder) way
)
SELECT greatest(coalesce(max(s.level), 0), (SELECT max(3) FROM o CROSS JOIN LATERAL (SELECT * FROM folder i WHERE i.id = o.id OFFSET 0) f WHERE f.owner = $1))
FROM (SELECT $1::uuid AS id UNION ALL SELECT m.team
	FROM member m CROSS JOIN LATERAL (SELECT * FROM principal p WHERE p.id = m.team OFFSET 0) t
	WHERE m.principal = $1 AND :is_team(t) AND m.team <> ALL ($5::uuid[])) g
CROSS JOIN o CROSS JOIN LATERAL (SELECT s.* FROM share s WHERE s.target = o.id AND s.principal = g.id AND :in_force(s) OFFSET 0) s
WHERE NOT EXISTS (SELECT FROM unnest($3::uuid[], $4::uuid[]) u (target, principal) WHERE u.target = s.target AND u.principal = s.principal);

-- Each way in which a user has rights on some folders, resources, and accounts with their resources, and on the folders that these stand in: of each that is asked about (in
-- that order) the highest first, and so many: as the owner (granted null), by shares of their own (team null), and by those of their teams. folder: it comes through that
-- one, which is not asked about; path: as far as whoever asks reaches it.
-- name: share_ways(principal uuid, targets uuid[], asker uuid, most int) ->
--   asked uuid, target uuid, level int, granted timestamptz, until timestamptz, team uuid, team_name text, shared bool, folder bool, path text, waits bool
SELECT q.id, w.* FROM unnest($2::uuid[]) WITH ORDINALITY q (id, ord) CROSS JOIN LATERAL (WITH t AS MATERIALIZED (
	SELECT q.id AS target UNION ALL SELECT a.resource FROM account a WHERE a.id = q.id
), o AS MATERIALIZED (
	SELECT target, false AS folder FROM t
	UNION ALL SELECT way.id, true FROM t CROSS JOIN LATERAL (SELECT * FROM resource i WHERE i.id = t.target OFFSET 0) r CROSS JOIN LATERAL :way_of(r.folder) way
	UNION ALL SELECT way.id, true FROM t CROSS JOIN LATERAL :way_of(t.target) way WHERE way.id <> t.target
)
SELECT x.target, x.level, x.granted, x.until, x.team, x.name, x.twin IS NOT NULL AS shared, x.folder, CASE WHEN x.folder THEN :shown_path($3, x.target) END AS path, x.waits
FROM (SELECT r.id AS target, 4 AS level, NULL::timestamptz AS granted, NULL::timestamptz AS until, NULL::uuid AS team, NULL::text AS name, NULL::text AS twin, false AS folder, false AS waits
	FROM o CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.id = o.target OFFSET 0) r WHERE r.owner = $1
	UNION ALL
	SELECT f.id, CASE WHEN o.folder THEN 3 ELSE 4 END, NULL, NULL, NULL, NULL, NULL, o.folder, false
	FROM o CROSS JOIN LATERAL (SELECT * FROM folder i WHERE i.id = o.target OFFSET 0) f WHERE f.owner = $1
	UNION ALL
	SELECT s.target, s.level, s.granted_at, s.until, g.team, g.name, g.twin, o.folder, s.waits
	FROM (SELECT $1::uuid AS id, NULL::uuid AS team, NULL::text AS name, NULL::text AS twin
		UNION ALL SELECT m.team, t.id, t.name, t.twin
		FROM member m CROSS JOIN LATERAL (SELECT * FROM principal p WHERE p.id = m.team OFFSET 0) t WHERE m.principal = $1 AND :is_team(t)) g
	CROSS JOIN o CROSS JOIN LATERAL (SELECT * FROM share s WHERE s.target = o.target AND s.principal = g.id AND :in_force(s) OFFSET 0) s) x
ORDER BY x.level DESC, x.team IS NOT NULL, lower(x.name), x.team, x.target LIMIT $4) w
ORDER BY q.ord, w.level DESC, w.team IS NOT NULL, lower(w.name), w.team, w.target;

-- What a user sees, for its own sake: folders, resources, and accounts that are shared by themselves. In the order of names, of accounts of their resources'; path: of the
-- folder that it stands in, as far as they see that. through: '' all of it, or what they own ('own'), what is shared with them ('share') or with a team of theirs ('team'),
-- and what stands in a folder that they see ('folder').
-- name: share_seen(principal uuid, through text, place text, after uuid, rows int) ->
--   id uuid, kind text, name text, shared bool, resource uuid, login text, account_shared bool, path text
WITH g AS MATERIALIZED (
	SELECT r.id FROM resource r WHERE $2 IN ('', 'own') AND r.owner = $1 AND r.deleted_at IS NULL
	UNION SELECT f.id FROM folder f WHERE $2 IN ('', 'own') AND f.owner = $1 AND f.deleted_at IS NULL
	UNION SELECT s.target FROM share s WHERE $2 IN ('', 'share') AND s.principal = $1 AND :in_force(s)
	UNION SELECT s.target FROM member m CROSS JOIN LATERAL (SELECT * FROM principal p WHERE p.id = m.team OFFSET 0) t
		CROSS JOIN LATERAL (SELECT o.target FROM share o WHERE o.principal = t.id AND :in_force(o) OFFSET 0) s
		WHERE $2 IN ('', 'team') AND m.principal = $1 AND :is_team(t)
	UNION SELECT f.id FROM :reached_now() s CROSS JOIN LATERAL (SELECT o.id FROM folder o
			WHERE coalesce(o.parent, o.owner) = s.target AND o.parent = s.target AND o.deleted_at IS NULL OFFSET 0) f
		WHERE $2 IN ('', 'folder') AND s.principal = $1
	UNION SELECT r.id FROM :reached_now() s CROSS JOIN LATERAL (SELECT o.id FROM resource o WHERE o.folder = s.target OFFSET 0) r
		WHERE $2 IN ('', 'folder') AND s.principal = $1
), n AS (
	SELECT g.id, 'folder' AS kind, f.name, NULL::uuid AS resource, NULL::text AS login, NULL::text AS twin, NULL::text AS login_twin, f.parent AS folder
	FROM g CROSS JOIN LATERAL (SELECT * FROM folder o WHERE o.id = g.id AND o.deleted_at IS NULL OFFSET 0) f
	UNION ALL SELECT g.id, 'resource', r.name, r.id, NULL, r.twin, NULL, r.folder
	FROM g CROSS JOIN LATERAL (SELECT * FROM resource o WHERE o.id = g.id AND o.deleted_at IS NULL OFFSET 0) r
	UNION ALL SELECT g.id, 'account', r.name, r.id, a.login, r.twin, a.twin, r.folder
	FROM g CROSS JOIN LATERAL (SELECT * FROM account o WHERE o.id = g.id AND o.deleted_at IS NULL OFFSET 0) a
	CROSS JOIN LATERAL (SELECT * FROM resource o WHERE o.id = a.resource AND o.deleted_at IS NULL OFFSET 0) r
)
SELECT p.id, p.kind, p.name, CASE WHEN p.kind = 'folder' THEN (SELECT :has_twin(f) FROM folder f WHERE f.id = p.id) ELSE p.twin IS NOT NULL END, p.resource, p.login,
	p.login_twin IS NOT NULL, CASE WHEN p.folder IS NOT NULL THEN :shown_path($1, p.folder) END
FROM (SELECT * FROM n WHERE (lower(n.name), n.id) > ($3, $4) ORDER BY lower(n.name), n.id LIMIT $5) p
ORDER BY lower(p.name), p.id;

-- Where a page of that begins.
-- name: share_seen_place(id uuid) -> place text
SELECT lower(x.name) FROM (SELECT name FROM folder WHERE id = $1 UNION ALL SELECT name FROM resource WHERE id = $1
	UNION ALL SELECT r.name FROM account a JOIN resource r ON r.id = a.resource WHERE a.id = $1) x;

-- How a share stands; no row: there is none. given: null: it needs no acceptance.
-- name: share_standing(target uuid, principal uuid) -> given uuid, waits bool
SELECT given, waits FROM share WHERE target = $1 AND principal = $2;
