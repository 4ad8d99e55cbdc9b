-- SPDX-License-Identifier: Apache-2.0
-- Shares of one resource or account.

-- name: share_list(target uuid) -> principal uuid, name text, level int, granted timestamptz
SELECT s.principal, p.name, s.level, s.granted_at
FROM share s JOIN principal p ON p.id = s.principal
WHERE s.target = $1 ORDER BY lower(p.name) LIMIT 1000;

-- name: share_exists(target uuid, principal uuid) -> found bool
SELECT EXISTS (SELECT FROM share WHERE target = $1 AND principal = $2);
