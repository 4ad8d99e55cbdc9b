-- SPDX-License-Identifier: Apache-2.0
-- Accounts and their versions. Levels as in resource.sql.

-- The resource of one account a. OFFSET keeps it a look-up by key: while there is one resource, walking over all of them seems as good.
-- fragment: resource_of(a)
(SELECT o.* FROM resource o WHERE o.id = :a.resource OFFSET 0)

-- What a rule needs to know of an account: the user's level, its resource, where its versions stand. home: those of `ids` that
-- are here, with blanks between. resource_shared, login_shared: others hold the name too.
-- name: account_right(id uuid, principal uuid, ids uuid[]) ->
--   level int, resource uuid, resource_name text, url text, login text, description text, current_n int, top_n int,
--   conflict bool, current uuid, home text, resource_shared bool, login_shared bool
SELECT :level_of_account($2, r, a),
	r.id, r.name, r.url, a.login, a.description, a.current_n,
	coalesce((SELECT max(v.n) FROM version v WHERE v.account = a.id), 0), a.conflict,
	(SELECT v.id FROM version v WHERE v.account = a.id AND v.n = a.current_n LIMIT 1),
	coalesce((SELECT string_agg(v.id::text, ' ') FROM version v WHERE v.id = ANY ($3)), ''), r.twin IS NOT NULL, a.twin IS NOT NULL
FROM account a CROSS JOIN LATERAL :resource_of(a) r
WHERE a.id = $1 AND a.deleted_at IS NULL AND r.deleted_at IS NULL;

-- Everything that retrievals need, many in one read: the i-th row asked for is the one with ord i, and is missing when there is no
-- such account. An owner costs no look at shares. until: the level may be another one from then on; null: until somebody changes it. n 0: the current version. version null: there is none of that number.
-- LIMIT keeps each a look-up by key, whatever the planner believes about sizes.
-- name: account_open(id uuid[], principal uuid[], n int[]) ->
--   ord bigint, level int, version uuid, n int, sealed bytea, created timestamptz, resource uuid, resource_name text, login text,
--   current_n int, conflict bool, until timestamptz
SELECT q.ord, x.*
FROM unnest($1::uuid[], $2::uuid[], $3::int[]) WITH ORDINALITY AS q (id, principal, n, ord),
LATERAL (SELECT :level_of_account(q.principal, r, a),
	v.id, v.n, v.sealed, v.created_at, r.id, r.name, a.login, a.current_n, a.conflict, :end_of_account(q.principal, r, a)
	FROM account a CROSS JOIN LATERAL :resource_of(a) r
	LEFT JOIN version v ON v.account = a.id AND v.n = CASE WHEN q.n = 0 THEN a.current_n ELSE q.n END
	WHERE a.id = q.id AND a.deleted_at IS NULL AND r.deleted_at IS NULL LIMIT 1) x;

-- The newest 200, with those that are in the journal of this node only: ids, numbers …, made on the node `here`.
-- A page below (below, after): the number and the id of the last version of the page before.
-- name: account_versions(id uuid, here uuid, ids uuid[], n int[], based_on int[], author uuid[], at timestamptz[], sibling bool[],
--   below int, after uuid, rows int) ->
--   id uuid, n int, based_on int, author uuid, author_name text, created timestamptz, node uuid, node_name text,
--   sibling bool, approval text
SELECT v.id, v.n, v.based_on, v.author, p.name, v.created_at, v.node, d.name, v.sibling, v.approval
FROM (SELECT id, n, based_on, author, created_at, node, sibling, approval FROM version WHERE account = $1
	UNION ALL SELECT t.*, NULL FROM (SELECT j.id, j.n, j.based_on, j.author, j.at, $2::uuid, j.sibling
		FROM unnest($3::uuid[], $4::int[], $5::int[], $6::uuid[], $7::timestamptz[], $8::bool[])
			AS j (id, n, based_on, author, at, sibling)
		WHERE NOT EXISTS (SELECT FROM version x WHERE x.id = j.id)) t) v
LEFT JOIN principal p ON p.id = v.author LEFT JOIN node d ON d.id = v.node
WHERE (v.n, v.id) < ($9, $10) ORDER BY v.n DESC, v.id DESC LIMIT $11;

-- name: version_place(id uuid, account uuid) -> n int
SELECT n FROM version WHERE id = $1 AND account = $2;

-- name: account_login_taken(resource uuid, login text, but uuid) -> taken bool
SELECT EXISTS (SELECT FROM account WHERE resource = $1 AND lower(login) = lower($2) AND deleted_at IS NULL
	AND id IS DISTINCT FROM $3::uuid);

-- What a choice is made among: the current version, the one of this number, and the siblings that nobody has settled. What waits for
-- approval or was declined is no choice.
-- name: account_choice(account uuid, n int) -> id uuid, n int, current bool, sibling bool
SELECT v.id, v.n, v.n = a.current_n, v.sibling
FROM account a JOIN version v ON v.account = a.id
WHERE a.id = $1 AND (v.n = a.current_n OR v.n = $2 OR v.sibling) AND coalesce(v.approval, 'approved') = 'approved'
ORDER BY v.n LIMIT 1000;

-- Accounts in conflict that the user may see. after: the last account of the page before; the nil id is before all.
-- name: account_conflicts(principal uuid, after uuid, rows int) ->
--   account uuid, login text, current_n int, resource uuid, resource_name text, level int, open bigint, latest timestamptz,
--   resource_shared bool, login_shared bool
SELECT a.id, a.login, a.current_n, r.id, r.name, l.level, o.n, o.latest, r.twin IS NOT NULL, a.twin IS NOT NULL
FROM account a JOIN resource r ON r.id = a.resource
CROSS JOIN LATERAL (SELECT :level_of_account($1, r, a) AS level OFFSET 0) l
CROSS JOIN LATERAL (SELECT count(*) AS n, max(v.created_at) AS latest FROM version v
	WHERE v.account = a.id AND v.sibling) o
WHERE a.conflict AND a.deleted_at IS NULL AND r.deleted_at IS NULL AND l.level > 0
	AND a.id > $2
ORDER BY a.id LIMIT $3;
