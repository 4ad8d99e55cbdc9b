-- SPDX-License-Identifier: Apache-2.0
-- What a person's word for an account or a resource may mean. Levels as in resource.sql. Everything is found by key: names are
-- unique, so each pair of a name and a login is one look at two indexes, and LIMIT keeps it so whatever the planner believes.

-- The accounts that the user sees of these pairs, the i-th name with the i-th login.
-- name: reference_accounts(principal uuid, names text[], logins text[]) ->
--   id uuid, login text, current_n int, conflict bool, level int, resource uuid, resource_name text, owner uuid, owner_name text
SELECT x.*, (SELECT o.name FROM principal o WHERE o.id = x.owner)
FROM unnest($2::text[], $3::text[]) AS q (name, login),
LATERAL (SELECT a.id, a.login, a.current_n, a.conflict, :level_of_account($1, r, a) AS level,
	r.id AS resource, r.name AS resource_name, r.owner
	FROM resource r JOIN account a ON a.resource = r.id AND lower(a.login) = lower(q.login) AND a.deleted_at IS NULL
	WHERE lower(r.name) = lower(q.name) AND r.deleted_at IS NULL LIMIT 1) x
WHERE x.level > 0;

-- The resources of these names that the user sees, each with its first 10 accounts; account null: none.
-- name: reference_resources(principal uuid, names text[]) ->
--   id uuid, name text, level int, owner uuid, owner_name text, account uuid, login text, current_n int, conflict bool, account_level int
SELECT r.id, r.name, r.level, r.owner, (SELECT o.name FROM principal o WHERE o.id = r.owner),
	a.id, a.login, a.current_n, a.conflict, a.level
FROM unnest($2::text[]) AS q (name),
LATERAL (SELECT r.id, r.name, r.owner, :level_of_resource($1, r) AS level
	FROM resource r WHERE lower(r.name) = lower(q.name) AND r.deleted_at IS NULL LIMIT 1) r
LEFT JOIN LATERAL (SELECT a.id, a.login, a.current_n, a.conflict, greatest(r.level, coalesce(sa.level, 0)) AS level
	FROM account a LEFT JOIN share sa ON sa.target = a.id AND sa.principal = $1
	WHERE a.resource = r.id AND a.deleted_at IS NULL AND (r.level > 0 OR sa.level IS NOT NULL)
	ORDER BY lower(a.login), a.id LIMIT 10) a ON true
WHERE r.level > 0 OR a.id IS NOT NULL;
