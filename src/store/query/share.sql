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

-- name: share_exists(target uuid, principal uuid) -> found bool
SELECT EXISTS (SELECT FROM share WHERE target = $1 AND principal = $2);
