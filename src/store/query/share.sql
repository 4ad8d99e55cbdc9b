-- SPDX-License-Identifier: Apache-2.0
-- Shares of one resource or account.

-- A page behind (place, after): the name in lower case and the id of the last user of the page before.
-- name: share_list(target uuid, place text, after uuid, rows int) -> principal uuid, name text, level int, granted timestamptz, shared bool
SELECT s.principal, p.name, s.level, s.granted_at, p.twin IS NOT NULL
FROM share s JOIN principal p ON p.id = s.principal
WHERE s.target = $1 AND (lower(p.name), p.id) > ($2, $3) ORDER BY lower(p.name), p.id LIMIT $4;

-- The highest of what a user has on some resources and accounts.
-- name: share_level(principal uuid, targets uuid[]) -> level int
SELECT coalesce(max(level), 0) FROM share WHERE principal = $1 AND target = ANY ($2);

-- name: share_exists(target uuid, principal uuid) -> found bool
SELECT EXISTS (SELECT FROM share WHERE target = $1 AND principal = $2);
