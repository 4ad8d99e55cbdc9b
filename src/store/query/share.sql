-- SPDX-License-Identifier: Apache-2.0
-- Shares of one resource or account.

-- A page behind (place, after): the name in lower case and the id of the last user of the page before.
-- name: share_list(target uuid, place text, after uuid, rows int) ->
--   principal uuid, name text, team bool, level int, granted timestamptz, shared bool
SELECT s.principal, p.name, p.role = 'team', s.level, s.granted_at, p.twin IS NOT NULL
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
CROSS JOIN o CROSS JOIN LATERAL (SELECT s.* FROM share s WHERE s.target = o.id AND s.principal = g.id OFFSET 0) s
WHERE NOT EXISTS (SELECT FROM unnest($3::uuid[], $4::uuid[]) u (target, principal) WHERE u.target = s.target AND u.principal = s.principal);

-- Each way in which a user has rights on a folder, a resource, or an account and its resource, and on the folders that it stands in, the highest first: as the owner
-- (granted null), by shares of their own (team null), and by those of their teams. folder: it comes through that one, which is not asked about; path: as far as whoever
-- asks reaches it.
-- name: share_ways(principal uuid, target uuid, asker uuid) ->
--   target uuid, level int, granted timestamptz, team uuid, team_name text, shared bool, folder bool, path text
WITH t AS MATERIALIZED (
	SELECT $2::uuid AS target UNION ALL SELECT a.resource FROM account a WHERE a.id = $2
), o AS MATERIALIZED (
	SELECT target, false AS folder FROM t
	UNION ALL SELECT way.id, true FROM t CROSS JOIN LATERAL (SELECT * FROM resource i WHERE i.id = t.target OFFSET 0) r CROSS JOIN LATERAL :way_of(r.folder) way
	UNION ALL SELECT way.id, true FROM t CROSS JOIN LATERAL :way_of(t.target) way WHERE way.id <> t.target
)
SELECT x.target, x.level, x.granted, x.team, x.name, x.twin IS NOT NULL, x.folder, CASE WHEN x.folder THEN :shown_path($3, x.target) END
FROM (SELECT r.id AS target, 4 AS level, NULL::timestamptz AS granted, NULL::uuid AS team, NULL::text AS name, NULL::text AS twin, false AS folder
	FROM o CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.id = o.target OFFSET 0) r WHERE r.owner = $1
	UNION ALL
	SELECT f.id, CASE WHEN o.folder THEN 3 ELSE 4 END, NULL, NULL, NULL, NULL, o.folder
	FROM o CROSS JOIN LATERAL (SELECT * FROM folder i WHERE i.id = o.target OFFSET 0) f WHERE f.owner = $1
	UNION ALL
	SELECT s.target, s.level, s.granted_at, g.team, g.name, g.twin, o.folder
	FROM (SELECT $1::uuid AS id, NULL::uuid AS team, NULL::text AS name, NULL::text AS twin
		UNION ALL SELECT m.team, t.id, t.name, t.twin
		FROM member m CROSS JOIN LATERAL (SELECT * FROM principal p WHERE p.id = m.team OFFSET 0) t WHERE m.principal = $1 AND :is_team(t)) g
	CROSS JOIN o CROSS JOIN LATERAL (SELECT * FROM share s WHERE s.target = o.target AND s.principal = g.id OFFSET 0) s) x
ORDER BY x.level DESC, x.team IS NOT NULL, lower(x.name), x.team, x.target LIMIT 500;

-- name: share_exists(target uuid, principal uuid) -> found bool
SELECT EXISTS (SELECT FROM share WHERE target = $1 AND principal = $2);
