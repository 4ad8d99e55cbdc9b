-- SPDX-License-Identifier: Apache-2.0
-- Shares of one resource or account.

-- A page behind (place, after): the name in lower case and the id of the last user of the page before.
-- name: share_list(target uuid, place text, after uuid, rows int) ->
--   principal uuid, name text, team bool, level int, granted timestamptz, shared bool
SELECT s.principal, p.name, p.role = 'team', s.level, s.granted_at, p.twin IS NOT NULL
FROM share s JOIN principal p ON p.id = s.principal
WHERE s.target = $1 AND :holds_name(p) AND (lower(p.name), p.id) > ($2, $3) ORDER BY lower(p.name), p.id LIMIT $4;

-- The highest of what a user has on some resources and accounts, but for what the journal of this node withdraws: the i-th of these with the i-th
-- of those, and what comes through some teams.
-- name: share_level(principal uuid, targets uuid[], unshared uuid[], unshared_with uuid[], left_teams uuid[]) -> level int
SELECT coalesce(max(s.level), 0)
FROM (SELECT $1::uuid AS id UNION ALL SELECT m.team
	FROM member m CROSS JOIN LATERAL (SELECT * FROM principal p WHERE p.id = m.team OFFSET 0) t
	WHERE m.principal = $1 AND :is_team(t) AND m.team <> ALL ($5::uuid[])) g
CROSS JOIN LATERAL (SELECT s.* FROM share s WHERE s.target = ANY ($2::uuid[]) AND s.principal = g.id OFFSET 0) s
WHERE NOT EXISTS (SELECT FROM unnest($3::uuid[], $4::uuid[]) u (target, principal) WHERE u.target = s.target AND u.principal = s.principal);

-- Each way in which a user has rights on a resource, or on an account and its resource, the highest first: as the owner (level 4, granted null), by shares of
-- their own (team null), and by those of their teams.
-- name: share_ways(principal uuid, target uuid) -> target uuid, level int, granted timestamptz, team uuid, team_name text, shared bool
WITH o AS MATERIALIZED (
	SELECT $2::uuid AS target UNION ALL SELECT a.resource FROM account a WHERE a.id = $2
)
SELECT x.target, x.level, x.granted, x.team, x.name, x.twin IS NOT NULL
FROM (SELECT r.id AS target, 4 AS level, NULL::timestamptz AS granted, NULL::uuid AS team, NULL::text AS name, NULL::text AS twin
	FROM o CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.id = o.target OFFSET 0) r WHERE r.owner = $1
	UNION ALL
	SELECT s.target, s.level, s.granted_at, g.team, g.name, g.twin
	FROM (SELECT $1::uuid AS id, NULL::uuid AS team, NULL::text AS name, NULL::text AS twin
		UNION ALL SELECT m.team, t.id, t.name, t.twin
		FROM member m CROSS JOIN LATERAL (SELECT * FROM principal p WHERE p.id = m.team OFFSET 0) t WHERE m.principal = $1 AND :is_team(t)) g
	CROSS JOIN o CROSS JOIN LATERAL (SELECT * FROM share s WHERE s.target = o.target AND s.principal = g.id OFFSET 0) s) x
ORDER BY x.level DESC, x.team IS NOT NULL, lower(x.name), x.team, x.target LIMIT 500;

-- name: share_exists(target uuid, principal uuid) -> found bool
SELECT EXISTS (SELECT FROM share WHERE target = $1 AND principal = $2);
