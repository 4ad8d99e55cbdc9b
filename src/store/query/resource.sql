-- SPDX-License-Identifier: Apache-2.0
-- Resources as one user sees them. Levels: 0 nothing, 1 view, 2 modify, 3 manage, 4 owner; of several grants the highest
-- counts. A resource of level 0 is listed when one of its accounts is shared.

-- What a rule needs to know before it changes a resource. No row: it does not exist. seen: the user may know that it exists.
-- name: resource_right(id uuid, principal uuid) -> level int, seen bool, name text, owner uuid
SELECT CASE WHEN r.owner = $2 THEN 4 ELSE coalesce(s.level, 0) END,
	r.owner = $2 OR s.level IS NOT NULL OR EXISTS (SELECT FROM account a JOIN share sa ON sa.target = a.id
		AND sa.principal = $2 WHERE a.resource = r.id AND a.deleted_at IS NULL),
	r.name, r.owner
FROM resource r LEFT JOIN share s ON s.target = r.id AND s.principal = $2
WHERE r.id = $1 AND r.deleted_at IS NULL;

-- One row per account that the user sees; account null: none. only: one resource, or null. name: exact, or ''.
-- pattern: for LIKE, already escaped, or ''. after: the last resource of the page before, or null.
-- name: resource_list(principal uuid, only uuid, name text, pattern text, after uuid, rows int) ->
--   id uuid, name text, type text, address text, url text, description text, owner uuid, owner_name text, level int,
--   account uuid, login text, account_description text, current_n int, conflict bool, account_level int
WITH page AS (
	SELECT r.*, CASE WHEN r.owner = $1 THEN 4 ELSE coalesce(s.level, 0) END AS level
	FROM resource r LEFT JOIN share s ON s.target = r.id AND s.principal = $1
	WHERE r.deleted_at IS NULL
		AND ($2::uuid IS NULL OR r.id = $2)
		AND ($3 = '' OR lower(r.name) = lower($3))
		AND (r.owner = $1 OR s.level IS NOT NULL OR EXISTS (SELECT FROM account a JOIN share sa
			ON sa.target = a.id AND sa.principal = $1 WHERE a.resource = r.id AND a.deleted_at IS NULL))
		AND ($4 = '' OR r.name ILIKE $4 OR r.url ILIKE $4 OR r.description ILIKE $4
			OR EXISTS (SELECT FROM account a LEFT JOIN share sa ON sa.target = a.id AND sa.principal = $1
				WHERE a.resource = r.id AND a.deleted_at IS NULL
					AND (r.owner = $1 OR s.level IS NOT NULL OR sa.level IS NOT NULL)
					AND (a.login ILIKE $4 OR a.description ILIKE $4)))
		AND ($5::uuid IS NULL OR (lower(r.name), r.id) > (SELECT lower(x.name), x.id FROM resource x WHERE x.id = $5))
	ORDER BY lower(r.name), r.id LIMIT $6
)
SELECT p.id, p.name, p.type, p.address, p.url, p.description, p.owner, o.name, p.level,
	a.id, a.login, a.description, a.current_n, a.conflict, a.level
FROM page p
JOIN principal o ON o.id = p.owner
LEFT JOIN LATERAL (
	SELECT a.*, greatest(p.level, coalesce(sa.level, 0)) AS level
	FROM account a LEFT JOIN share sa ON sa.target = a.id AND sa.principal = $1
	WHERE a.resource = p.id AND a.deleted_at IS NULL AND (p.level > 0 OR sa.level IS NOT NULL)
) a ON true
ORDER BY lower(p.name), p.id, lower(a.login), a.id;

-- Is the name free? Names are unique whoever owns them.
-- name: resource_name_taken(name text, but uuid) -> taken bool
SELECT EXISTS (SELECT FROM resource WHERE lower(name) = lower($1) AND deleted_at IS NULL AND id IS DISTINCT FROM $2::uuid);

-- For an import: one row a line (1…). first_name: the first line with the same resource; first_pair: with the same
-- login there too. resource, level: of a resource that exists already; account: of an account that does.
-- name: import_check(principal uuid, names text[], logins text[]) ->
--   line int, first_name int, first_pair int, resource uuid, level int, account uuid
SELECT l.line, min(l.line) OVER (PARTITION BY l.name), min(l.line) OVER (PARTITION BY l.name, l.login), r.id,
	CASE WHEN r.owner = $1 THEN 4 ELSE coalesce(s.level, 0) END, a.id
FROM (SELECT u.line::int AS line, lower(u.name) AS name, lower(u.login) AS login
	FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS u(name, login, line)) l
LEFT JOIN resource r ON lower(r.name) = l.name AND r.deleted_at IS NULL
LEFT JOIN share s ON s.target = r.id AND s.principal = $1
LEFT JOIN account a ON a.resource = r.id AND lower(a.login) = l.login AND a.deleted_at IS NULL
ORDER BY l.line;
