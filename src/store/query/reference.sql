-- SPDX-License-Identifier: Apache-2.0
-- What a person's word for an account or a resource may mean: of what they see, what does not wait for their acceptance. Levels as in resource.sql. Everything is found by key: a name has one holder, or
-- few, so each pair of a name and a login is one look at two indexes, and LIMIT keeps it so whatever the planner believes. A tail is how the
-- holder's id ends; '': any. shared: others hold the name too.

-- The accounts that the user sees of these pairs, the i-th name and tail with the i-th login and tail, in a folder that reads as the i-th path ('': anywhere).
-- folder_path: where the resource stands; null: nowhere that the user sees.
-- name: reference_accounts(principal uuid, paths text[], names text[], name_tails text[], logins text[], login_tails text[]) ->
--   id uuid, login text, current_n int, conflict bool, level int, shared bool, resource uuid, resource_name text, resource_shared bool,
--   owner uuid, owner_name text, folder_path text
SELECT x.id, x.login, x.current_n, x.conflict, x.level, x.shared, x.resource, x.resource_name, x.resource_shared,
	x.owner, (SELECT o.name FROM principal o WHERE o.id = x.owner), CASE WHEN x.folder IS NOT NULL THEN :shown_path($1, x.folder) END
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) AS q (path, name, name_tail, login, login_tail),
LATERAL (SELECT a.id, a.login, a.current_n, a.conflict, l.level, a.twin IS NOT NULL AS shared, r.id AS resource, r.name AS resource_name,
		r.twin IS NOT NULL AS resource_shared, r.owner, r.folder
	FROM (SELECT * FROM resource i WHERE lower(i.name) = lower(q.name) AND i.deleted_at IS NULL AND :ends(i.id, q.name_tail) OFFSET 0) r
	CROSS JOIN LATERAL (SELECT * FROM account i WHERE i.resource = r.id AND lower(i.login) = lower(q.login) AND i.deleted_at IS NULL
		AND :ends(i.id, q.login_tail) OFFSET 0) a
	CROSS JOIN LATERAL (SELECT :level_of_account($1, r, a) AS level, :reaches_account($1, r, a, :named_now()) AS named, :stands_at($1, r, q.path) AS stands OFFSET 0) l
	WHERE l.level > 0 AND l.named AND l.stands
	ORDER BY r.id, a.id LIMIT 10) x;

-- The resources of these paths, names and tails that the user sees, each with its first 10 accounts; account null: none.
-- name: reference_resources(principal uuid, paths text[], names text[], tails text[]) ->
--   id uuid, name text, level int, shared bool, owner uuid, owner_name text, account uuid, login text, current_n int, conflict bool,
--   account_level int, account_shared bool, folder_path text
SELECT r.id, r.name, r.level, r.shared, r.owner, (SELECT o.name FROM principal o WHERE o.id = r.owner),
	a.id, a.login, a.current_n, a.conflict, a.level, a.shared, CASE WHEN r.folder IS NOT NULL THEN :shown_path($1, r.folder) END
FROM unnest($2::text[], $3::text[], $4::text[]) AS q (path, name, tail),
LATERAL (SELECT r.id, r.name, r.owner, r.folder, :level_of_resource($1, r) AS level, :reaches_resource($1, r, :named_now()) AS named, r.twin IS NOT NULL AS shared
	FROM resource r
	WHERE lower(r.name) = lower(q.name) AND r.deleted_at IS NULL AND :ends(r.id, q.tail)
		AND :sees_resource($1, r, :named_now()) AND :stands_at($1, r, q.path)
	ORDER BY r.id LIMIT 10) r
LEFT JOIN LATERAL (SELECT a.id, a.login, a.current_n, a.conflict, greatest(r.level, coalesce(sa.level, 0)) AS level,
		a.twin IS NOT NULL AS shared
	FROM account a LEFT JOIN :reached_now() sa ON sa.target = a.id AND sa.principal = $1
	WHERE a.resource = r.id AND a.deleted_at IS NULL AND (r.named OR sa.named)
	ORDER BY lower(a.login), a.id LIMIT 10) a ON true;
