-- SPDX-License-Identifier: Apache-2.0
-- Names that several hold: what a merge brings together stays, under whatever name it was made. Each holder is marked (twin), and told apart by a
-- suffix, the end of its id. Levels as in resource.sql.

-- Behind the events of a range that gave names or took them: whoever holds one of these names, or held it with others, is marked anew. What is marked is a
-- function of the names alone, so neither the order of events nor how they are cut into ranges matters. Each name is looked up (LATERAL … OFFSET 0), whatever the
-- planner believes of a table that was empty when it planned.
-- Resources have different names where they stand beside each other: in a folder or, in none, among what one owner has. Where one stood that had its name with others is
-- not known any more, so that all of that name are looked at.
-- name: mark_resources(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT r.id, r.twin, CASE WHEN r.deleted_at IS NULL THEN lower(r.name) END AS name, coalesce(r.folder, r.owner) AS beside
	FROM (SELECT DISTINCT object FROM event WHERE node = $1 AND seq BETWEEN $2 AND $3
		AND kind IN (:RESOURCE_CREATED, :RESOURCE_CHANGED, :RESOURCE_DELETED, :RESOURCE_RESTORED)) x
	JOIN resource r ON r.id = x.object
), n AS MATERIALIZED (
	SELECT twin AS name, NULL::uuid AS beside FROM e WHERE twin IS NOT NULL UNION SELECT name, beside FROM e WHERE name IS NOT NULL
), h AS MATERIALIZED (
	SELECT r.id, CASE WHEN count(*) OVER (PARTITION BY n.name, n.beside, r.beside) > 1 THEN n.name END AS twin
	FROM n CROSS JOIN LATERAL (
		SELECT r.id, n.beside FROM resource r WHERE coalesce(r.folder, r.owner) = n.beside AND lower(r.name) = n.name AND r.deleted_at IS NULL
		UNION ALL SELECT r.id, coalesce(r.folder, r.owner) FROM resource r WHERE n.beside IS NULL AND lower(r.name) = n.name AND r.deleted_at IS NULL
		OFFSET 0) r
	UNION ALL SELECT id, NULL FROM e WHERE name IS NULL
)
UPDATE resource r SET twin = h.twin FROM h WHERE r.id = h.id AND r.twin IS DISTINCT FROM h.twin;

-- Users and teams have their names from one room. A team that was removed has none.
-- name: mark_principals(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT p.id, p.twin, CASE WHEN :holds_name(p) THEN lower(p.name) END AS name
	FROM (SELECT DISTINCT object FROM event WHERE node = $1 AND seq BETWEEN $2 AND $3
		AND kind IN (:USER_CREATED, :USER_CHANGED, :TEAM_CREATED, :TEAM_CHANGED, :TEAM_REMOVED)) x
	JOIN principal p ON p.id = x.object
), n AS MATERIALIZED (
	SELECT twin AS name FROM e WHERE twin IS NOT NULL UNION SELECT name FROM e WHERE name IS NOT NULL
), h AS MATERIALIZED (
	SELECT p.id, CASE WHEN count(*) OVER (PARTITION BY n.name) > 1 THEN n.name END AS twin
	FROM n CROSS JOIN LATERAL (SELECT p.id FROM principal p WHERE lower(p.name) = n.name AND :holds_name(p) OFFSET 0) p
	UNION ALL SELECT id, NULL FROM e WHERE name IS NULL
)
UPDATE principal p SET twin = h.twin FROM h WHERE p.id = h.id AND p.twin IS DISTINCT FROM h.twin;

-- Of a resource that came back, some accounts do not (apply_resource_restored).
-- name: mark_accounts(node uuid, from_seq bigint, to_seq bigint)
WITH x AS MATERIALIZED (
	SELECT DISTINCT object, kind = :RESOURCE_RESTORED AS whole FROM event WHERE node = $1 AND seq BETWEEN $2 AND $3
		AND kind IN (:ACCOUNT_CREATED, :ACCOUNT_CHANGED, :ACCOUNT_DELETED, :ACCOUNT_RESTORED, :ACCOUNT_COMBINED,
			:RESOURCE_RESTORED)
), e AS MATERIALIZED (
	SELECT a.id, a.resource, a.twin, CASE WHEN a.deleted_at IS NULL THEN lower(a.login) END AS name
	FROM (SELECT object AS id FROM x WHERE NOT whole
		UNION SELECT w.id FROM x JOIN account w ON w.resource = x.object WHERE x.whole) i
	JOIN account a ON a.id = i.id
), n AS MATERIALIZED (
	SELECT resource, twin AS name FROM e WHERE twin IS NOT NULL UNION SELECT resource, name FROM e WHERE name IS NOT NULL
), h AS MATERIALIZED (
	SELECT a.id, CASE WHEN count(*) OVER (PARTITION BY n.resource, n.name) > 1 THEN n.name END AS twin
	FROM n CROSS JOIN LATERAL (SELECT a.id FROM account a
		WHERE a.resource = n.resource AND lower(a.login) = n.name AND a.deleted_at IS NULL OFFSET 0) a
	UNION ALL SELECT id, NULL FROM e WHERE name IS NULL
)
UPDATE account a SET twin = h.twin FROM h WHERE a.id = h.id AND a.twin IS DISTINCT FROM h.twin;

-- Behind them, for what this node's own writer adds, and for nothing that is merged: a name that others hold fails (22012), and its event with it.
-- name: refuse_resources(node uuid, from_seq bigint, to_seq bigint) -> free int
SELECT 1 / (NOT EXISTS (SELECT FROM event e JOIN resource r ON r.id = e.object AND r.twin IS NOT NULL
	WHERE e.node = $1 AND e.seq BETWEEN $2 AND $3 AND (e.kind IN (:RESOURCE_CREATED, :RESOURCE_RESTORED)
		OR e.kind = :RESOURCE_CHANGED AND (e.body::jsonb ? 'name' OR e.body::jsonb ? 'folder'))))::int;

-- name: refuse_accounts(node uuid, from_seq bigint, to_seq bigint) -> free int
SELECT 1 / (NOT EXISTS (SELECT FROM event e JOIN account a ON a.id = e.object AND a.twin IS NOT NULL
	WHERE e.node = $1 AND e.seq BETWEEN $2 AND $3 AND (e.kind IN (:ACCOUNT_CREATED, :ACCOUNT_RESTORED)
		OR e.kind = :ACCOUNT_CHANGED AND e.body::jsonb ? 'login')))::int;

-- name: refuse_principals(node uuid, from_seq bigint, to_seq bigint) -> free int
SELECT 1 / (NOT EXISTS (SELECT FROM event e JOIN principal p ON p.id = e.object AND p.twin IS NOT NULL
	WHERE e.node = $1 AND e.seq BETWEEN $2 AND $3
		AND (e.kind IN (:USER_CREATED, :TEAM_CREATED, :TEAM_CHANGED) OR e.kind = :USER_CHANGED AND e.body::jsonb ? 'name')))::int;

-- Whether p, a user or a team, has its name to itself.
-- fragment: holds_name(p)
(:p.role <> 'team' OR NOT :p.disabled)

-- Whether an id ends so, in either case of letters; '' ends every one.
-- fragment: ends(id, tail)
right(:id::text, length(:tail)) = lower(:tail)

-- The users and teams that a word may mean: of that name, or of the name before its suffix (plain, tail; '' where it has none).
-- fragment: named_principals(name, plain, tail)
(SELECT * FROM principal p WHERE lower(name) = lower(:name) AND :holds_name(p)
	UNION ALL SELECT * FROM principal p WHERE :tail <> '' AND lower(name) = lower(:plain) AND :ends(id, :tail) AND :holds_name(p)
	ORDER BY id LIMIT 4)

-- The users alone. A log-in tries each.
-- fragment: named_users(name, plain, tail)
(SELECT * FROM principal WHERE lower(name) = lower(:name) AND role <> 'team'
	UNION ALL SELECT * FROM principal WHERE :tail <> '' AND lower(name) = lower(:plain) AND :ends(id, :tail) AND role <> 'team'
	ORDER BY id LIMIT 4)

-- Resources, accounts and folders that the user sees and whose name others hold too (of a folder: beside it), and users and teams (all for an administrator, else
-- oneself), those of one name together. is_principal, is_folder: then name is theirs; else that of the resource, and login null: of the resource itself. others: how many others hold it,
-- whoever sees them. A page behind (place, after): the place and the id of the last one of the page before.
-- name: name_conflicts(principal uuid, administrator bool, place text, after uuid, rows int) ->
--   place text, id uuid, is_principal bool, is_team bool, is_folder bool, resource uuid, name text, resource_shared bool, login text, level int, others bigint,
--   created timestamptz, node uuid, node_name text, author uuid, author_name text
SELECT x.place, x.id, x.is_principal, x.is_team, x.is_folder, x.resource, x.name, x.resource_shared, x.login, x.level, x.others,
	x.created_at, x.made_on, d.name, x.made_by, p.name
FROM (SELECT r.twin AS place, r.id, false AS is_principal, false AS is_team, false AS is_folder, r.id AS resource, r.name, true AS resource_shared, NULL::text AS login, l.level,
		(SELECT count(*) - 1 FROM resource o WHERE coalesce(o.folder, o.owner) = coalesce(r.folder, r.owner) AND lower(o.name) = r.twin
			AND o.deleted_at IS NULL) AS others,
		r.created_at, r.made_on, r.made_by
	FROM resource r CROSS JOIN LATERAL (SELECT :level_of_resource($1, r) AS level OFFSET 0) l
	WHERE r.twin IS NOT NULL AND r.deleted_at IS NULL AND :sees_resource($1, r, :reached_now())
	UNION ALL
	SELECT lower(r.name) || '/' || a.twin, a.id, false, false, false, r.id, r.name, r.twin IS NOT NULL, a.login, l.level,
		(SELECT count(*) - 1 FROM account o WHERE o.resource = r.id AND lower(o.login) = a.twin AND o.deleted_at IS NULL),
		a.created_at, a.made_on, a.made_by
	FROM account a JOIN resource r ON r.id = a.resource
	CROSS JOIN LATERAL (SELECT :level_of_account($1, r, a) AS level OFFSET 0) l
	WHERE a.twin IS NOT NULL AND a.deleted_at IS NULL AND r.deleted_at IS NULL AND l.level > 0
	UNION ALL
	SELECT lower(f.name), f.id, false, false, true, NULL, f.name, false, NULL, CASE WHEN f.owner = $1 THEN 4 ELSE s.level END,
		(SELECT count(*) - 1 FROM folder o WHERE coalesce(o.parent, o.owner) = coalesce(f.parent, f.owner) AND lower(o.name) = lower(f.name)
			AND o.deleted_at IS NULL), f.created_at, f.made_on, f.made_by
	FROM :reached_now() s CROSS JOIN LATERAL (SELECT * FROM folder o WHERE o.id = s.target AND o.deleted_at IS NULL OFFSET 0) f
	WHERE s.principal = $1 AND :has_twin(f)
	UNION ALL
	SELECT u.twin, u.id, true, u.role = 'team', false, NULL, u.name, false, NULL, 0,
		(SELECT count(*) - 1 FROM principal o WHERE lower(o.name) = u.twin AND :holds_name(o)), u.created_at, u.made_on, u.made_by
	FROM principal u WHERE u.twin IS NOT NULL AND ($2 OR u.id = $1)) x
LEFT JOIN node d ON d.id = x.made_on LEFT JOIN principal p ON p.id = x.made_by
WHERE (x.place, x.id) > ($3, $4) ORDER BY x.place, x.id LIMIT $5;

-- name: name_conflict_place(id uuid) -> place text
SELECT twin FROM resource WHERE id = $1 AND twin IS NOT NULL
UNION ALL SELECT twin FROM principal WHERE id = $1 AND twin IS NOT NULL
UNION ALL SELECT lower(name) FROM folder WHERE id = $1
UNION ALL SELECT lower(r.name) || '/' || a.twin FROM account a JOIN resource r ON r.id = a.resource WHERE a.id = $1 AND a.twin IS NOT NULL;
