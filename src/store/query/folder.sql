-- SPDX-License-Identifier: Apache-2.0
-- Folders. Where each stands is a function of what counts of the words about them: one that is not there ends the way to the top, and where folders were put into
-- each other apart, so that they would go round, the youngest chain's last word of them does not count, and the folder that it is about stands at the top.

-- A folder that is there, and all that it stands in.
-- fragment: way_of(folder)
(SELECT unnest(standing.path || standing.id) AS id FROM folder standing WHERE standing.id = :folder AND standing.deleted_at IS NULL OFFSET 0)

-- The folders that stand in one, removed ones too: each was put there.
-- fragment: in_folder(folder)
(SELECT * FROM folder inner_one WHERE inner_one.said = :folder AND inner_one.parent = :folder OFFSET 0)

-- Whether others beside it have the name of f, a row of folder. What stands at the top is beside what its owner has there.
-- fragment: has_twin(f)
((SELECT true FROM folder twin WHERE coalesce(twin.parent, twin.owner) = coalesce(:f.parent, :f.owner) AND lower(twin.name) = lower(:f.name)
	AND twin.deleted_at IS NULL AND twin.id <> :f.id LIMIT 1) IS NOT NULL)

-- A folder and what it stands in, the topmost first (ord), as far as the user reaches them. now: by what counts, reached_now or named_now.
-- fragment: steps_to(principal, folder, now)
(SELECT above.ord, called.* FROM folder standing CROSS JOIN LATERAL unnest(standing.path || standing.id) WITH ORDINALITY above (id, ord)
	CROSS JOIN LATERAL (SELECT o.* FROM folder o WHERE o.id = above.id OFFSET 0) called
	WHERE standing.id = :folder AND standing.deleted_at IS NULL
		AND (SELECT s.level FROM :now s WHERE s.principal = :principal AND s.target = above.id) IS NOT NULL)

-- Their names, with suffixes, so that it can be written as it is shown; null: there is none that the user reaches.
-- fragment: full_path(principal, folder, now)
(SELECT string_agg(step.name || CASE WHEN :has_twin(step) THEN '~' || right(step.id::text, 4) ELSE '' END, '/' ORDER BY step.ord)
	FROM :steps_to(:principal, :folder, :now) step)

-- fragment: shown_path(principal, folder)
:full_path(:principal, :folder, :reached_now())

-- What the user may write: of it, what does not wait for their acceptance.
-- fragment: named_paths(principal, folder)
(SELECT :full_path(:principal, :folder, :named_now()) AS shown,
	(SELECT string_agg(step.name, '/' ORDER BY step.ord) FROM :steps_to(:principal, :folder, :named_now()) step) AS plain OFFSET 0)

-- Whether a path (p: shown and plain) is what somebody writes, or ends so.
-- fragment: reads_as(p, word)
(right('/' || lower(:p.shown), length(:word) + 1) = '/' || lower(:word) OR right('/' || lower(:p.plain), length(:word) + 1) = '/' || lower(:word))

-- Whether a row r of resource stands in a folder that reads so, as far as the user finds it by name; '' fits each.
-- fragment: stands_at(principal, r, word)
CASE WHEN :word = '' THEN true WHEN :r.folder IS NULL THEN false ELSE
	(SELECT :reads_as(p, :word) FROM :named_paths(:principal, :r.folder) p) END

-- Of a row f of folder that the user reaches with that level. waits: it is found by its path once they accept it.
-- fragment: shown_folder(principal, f, level)
:f.id, :f.name, :f.description, :f.owner, (SELECT o.name FROM principal o WHERE o.id = :f.owner), CASE WHEN :f.owner = :principal THEN 4 ELSE :level END,
	(SELECT s.target FROM :reached_now() s WHERE s.principal = :principal AND s.target = :f.parent), coalesce(:shown_path(:principal, :f.id), :f.name), :f.created_at, :has_twin(:f),
	coalesce((SELECT NOT s.named FROM :reached_now() s WHERE s.principal = :principal AND s.target = :f.id), false)

-- name: apply_folder_created(node uuid, from_seq bigint, to_seq bigint)
WITH f AS (
	INSERT INTO folder (id, name, description, owner, created_at, made_on, made_by)
	SELECT object, b->>'name', coalesce(b->>'description', ''), (b->>'owner')::uuid, at, :writer($1), actor
	FROM (SELECT seq, at, actor, object, body::jsonb AS b FROM event
		WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :FOLDER_CREATED) x
	ORDER BY seq
	ON CONFLICT (id) DO NOTHING
), e AS MATERIALIZED (
	SELECT * FROM :text_words(:FOLDER_CREATED, '{parent}') t UNION ALL SELECT * FROM :entry_words(:FOLDER_CREATED, 'parent') i
), w AS (
	:outdates(e)
)
:says(e);

-- parent: '' for the top.
-- name: apply_folder_changed(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT * FROM :text_words(:FOLDER_CHANGED, '{name,description,owner,parent}') t
	UNION ALL SELECT * FROM :entry_words(:FOLDER_CHANGED, 'parent') i
), w AS (
	:outdates(e)
)
:says(e);

-- name: apply_folder_removed(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED :removal_words(:FOLDER_REMOVED, 'true'),
w AS (
	:outdates(e)
)
:says(e);

-- Behind what was weighed: where folders stand (parent, path), and who reaches them, becomes what the words say that the events of a range are about. Looked at are
-- these folders (e), what was put into them, and whatever stands elsewhere than it was put (c); where the way of one of them goes round (y), all of those; what stands
-- below any of these; and no others.
-- name: place_folders(node uuid, from_seq bigint, to_seq bigint)
WITH RECURSIVE e AS MATERIALIZED (
	SELECT g.object AS id FROM (:said_of($1, $2, $3)) g WHERE g.what IN ('parent', 'removed', 'owner')
	UNION SELECT object FROM event WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :FOLDER_CREATED
), c AS MATERIALIZED (
	SELECT f.id, f.said FROM e CROSS JOIN LATERAL (SELECT * FROM folder o WHERE o.id = e.id OFFSET 0) f
	UNION SELECT f.id, f.said FROM e CROSS JOIN LATERAL (SELECT * FROM folder o WHERE o.said = e.id OFFSET 0) f
	UNION SELECT id, said FROM folder WHERE said IS DISTINCT FROM parent
), w AS (
	SELECT id AS first, ARRAY[id] AS way, said AS next FROM c WHERE said IS NOT NULL
	UNION ALL
	SELECT w.first, w.way || f.id, f.said FROM w
	CROSS JOIN LATERAL (SELECT * FROM folder o WHERE o.id = w.next AND o.deleted_at IS NULL OFFSET 0) f WHERE f.id <> ALL (w.way)
), y AS MATERIALIZED (
	SELECT w.way FROM w CROSS JOIN LATERAL (SELECT * FROM folder o WHERE o.id = w.first AND o.deleted_at IS NULL OFFSET 0) f WHERE w.next = w.first
), g AS MATERIALIZED (
	SELECT DISTINCT m.id AS object, :nobody() AS principal, 'parent' AS what FROM y CROSS JOIN LATERAL unnest(y.way) m (id)
), l AS MATERIALIZED (
	:last_words(g)
), k AS MATERIALIZED (
	:that_count(l)
), b AS MATERIALIZED (
	SELECT DISTINCT ON (k.object) k.object, k.principal, 'loop' AS what, k.chain, k.seq, k.at, k.value, '' AS kept,
		coalesce(o.chain, k.chain) AS by_node, coalesce(o.seq, k.seq) AS by_seq
	FROM y CROSS JOIN LATERAL (SELECT * FROM k WHERE k.object = ANY (y.way) ORDER BY k.chain DESC, k.seq DESC LIMIT 1) k
	LEFT JOIN k o ON o.object = ANY (y.way) AND o.object <> k.object
	ORDER BY k.object, o.chain, o.seq
), n AS MATERIALIZED (
	SELECT f.id, CASE WHEN f.id NOT IN (SELECT object FROM b) THEN (SELECT o.id FROM folder o WHERE o.id = f.said AND o.deleted_at IS NULL) END AS parent
	FROM (SELECT id FROM c UNION SELECT object FROM g) i CROSS JOIN LATERAL (SELECT * FROM folder o WHERE o.id = i.id OFFSET 0) f
), d AS (
	SELECT n.id FROM n CROSS JOIN LATERAL (SELECT * FROM folder o WHERE o.id = n.id OFFSET 0) f
	WHERE f.parent IS DISTINCT FROM n.parent OR n.id IN (SELECT id FROM e)
	UNION
	SELECT below.id FROM d CROSS JOIN LATERAL (SELECT n.id FROM n WHERE n.parent = d.id
		UNION ALL SELECT o.id FROM :in_folder(d.id) o WHERE o.id NOT IN (SELECT id FROM n)) below
), u AS (
	SELECT d.id, d.id AS at, '{}'::uuid[] AS path FROM d
	UNION ALL
	SELECT u.id, up.id, up.id || u.path FROM u CROSS JOIN LATERAL (
		SELECT CASE WHEN n.id IS NOT NULL THEN n.parent ELSE o.parent END AS id FROM folder o LEFT JOIN n ON n.id = o.id WHERE o.id = u.at OFFSET 0) up
	WHERE up.id IS NOT NULL AND up.id <> ALL (u.path)
), t AS MATERIALIZED (
	SELECT DISTINCT ON (id) id, path FROM u ORDER BY id, cardinality(path) DESC
), p AS (
	UPDATE folder f SET parent = t.path[cardinality(t.path)], path = t.path
	FROM t WHERE f.id = t.id AND (f.path <> t.path OR f.parent IS DISTINCT FROM t.path[cardinality(t.path)])
), z AS MATERIALIZED (
	SELECT t.id AS target, s.principal, :reaching(s)
	FROM t CROSS JOIN LATERAL (SELECT * FROM folder o WHERE o.id = t.id AND o.deleted_at IS NULL OFFSET 0) f
	CROSS JOIN LATERAL unnest(t.path || t.id) above (id)
	CROSS JOIN LATERAL (SELECT o.owner AS principal, 3 AS level, NULL::timestamptz AS until, true AS named FROM folder o WHERE o.id = above.id
		UNION ALL SELECT coalesce(m.principal, r.id), s.level, s.until, NOT s.waits
		FROM share s CROSS JOIN LATERAL (SELECT * FROM principal o WHERE o.id = s.principal OFFSET 0) r
		LEFT JOIN LATERAL (SELECT * FROM member o WHERE o.team = r.id OFFSET 0) m ON true
		WHERE s.target = above.id AND (r.role <> 'team' OR m.principal IS NOT NULL AND NOT r.disabled) OFFSET 0) s
	GROUP BY 1, 2
), x AS (
	DELETE FROM reach r USING t WHERE r.target = t.id AND NOT EXISTS (SELECT FROM z WHERE z.target = r.target AND z.principal = r.principal)
), i AS (
	:fill_reach(z)
), j AS (
	DELETE FROM admin_conflict o WHERE o.what = 'loop' AND NOT EXISTS (SELECT FROM b WHERE b.chain = o.node AND b.seq = o.seq AND b.object = o.object)
), r AS MATERIALIZED (
	SELECT b.*, ARRAY[:conflict_id(b.chain, b.seq, b, b.kept, b.value), :conflict_id(b.by_node, b.by_seq, b, b.kept, b.value)] AS ids FROM b
)
:keep_conflicts(r);

-- Behind them, for what this node's own writer adds, and for nothing that is merged: a name that another folder beside it has fails (22012), and its event with it.
-- name: refuse_folders(node uuid, from_seq bigint, to_seq bigint) -> free int
SELECT 1 / (NOT EXISTS (SELECT FROM (SELECT DISTINCT object FROM event WHERE node = $1 AND seq BETWEEN $2 AND $3
		AND (kind = :FOLDER_CREATED OR kind = :FOLDER_CHANGED AND (body::jsonb ? 'name' OR body::jsonb ? 'parent'))) e
	CROSS JOIN LATERAL (SELECT * FROM folder o WHERE o.id = e.object AND o.deleted_at IS NULL OFFSET 0) f WHERE :has_twin(f)))::int;

-- ---- reading ----

-- columns: folder_row of folder_get, folder_top, folder_children, folder_search, folder_at

-- Also where the user does not see it (any more).
-- name: folder_get(id uuid, principal uuid) ->
--   id uuid, name text, description text, owner uuid, owner_name text, level int, parent uuid, place text, created timestamptz, shared bool, waits bool
SELECT :shown_folder($2, f, l.level)
FROM folder f CROSS JOIN LATERAL (SELECT :level_of_folder($2, f) AS level OFFSET 0) l WHERE f.id = $1 AND f.deleted_at IS NULL;

-- Pages of lists, as of resources. What stands at the top for the user: they reach nothing that it stands in.
-- name: folder_top(principal uuid, place text, after uuid, rows int) ->
--   id uuid, name text, description text, owner uuid, owner_name text, level int, parent uuid, place text, created timestamptz, shared bool, waits bool
SELECT :shown_folder($1, f, f.level)
FROM (SELECT f.*, s.level FROM :reached_now() s CROSS JOIN LATERAL (SELECT * FROM folder o WHERE o.id = s.target AND o.deleted_at IS NULL OFFSET 0) f
	WHERE s.principal = $1 AND (lower(f.name), f.id) > ($2, $3)
		AND (SELECT u.level FROM :reached_now() u WHERE u.principal = $1 AND u.target = f.parent) IS NULL ORDER BY lower(f.name), f.id LIMIT $4) f
ORDER BY lower(f.name), f.id;

-- name: folder_children(principal uuid, parent uuid, place text, after uuid, rows int) ->
--   id uuid, name text, description text, owner uuid, owner_name text, level int, parent uuid, place text, created timestamptz, shared bool, waits bool
SELECT :shown_folder($1, f, f.level)
FROM (SELECT f.*, s.level FROM folder f CROSS JOIN LATERAL (SELECT s.level FROM :reached_now() s WHERE s.principal = $1 AND s.target = f.id OFFSET 0) s
	WHERE coalesce(f.parent, f.owner) = $2 AND f.parent = $2 AND f.deleted_at IS NULL AND (lower(f.name), f.id) > ($3, $4)
	ORDER BY lower(f.name), f.id LIMIT $5) f
ORDER BY lower(f.name), f.id;

-- name: folder_search(principal uuid, pattern text, place text, after uuid, rows int) ->
--   id uuid, name text, description text, owner uuid, owner_name text, level int, parent uuid, place text, created timestamptz, shared bool, waits bool
SELECT :shown_folder($1, f, f.level)
FROM (SELECT f.*, s.level FROM :reached_now() s CROSS JOIN LATERAL (SELECT * FROM folder o WHERE o.id = s.target AND o.deleted_at IS NULL OFFSET 0) f
	WHERE s.principal = $1 AND (lower(f.name), f.id) > ($3, $4) AND (f.name ILIKE $2 OR f.description ILIKE $2)
	ORDER BY lower(f.name), f.id LIMIT $5) f
ORDER BY lower(f.name), f.id;

-- What a path may mean: it ends with a folder of that name, or of the name before its suffix (plain, tail; '' where it has none), whose path it is or ends it.
-- exact: it is all of it.
-- name: folder_at(principal uuid, path text, name text, plain text, tail text, rows int) ->
--   id uuid, name text, description text, owner uuid, owner_name text, level int, parent uuid, place text, created timestamptz, shared bool, waits bool
SELECT :shown_folder($1, f, f.level)
FROM (SELECT f.*, s.level, lower($2) IN (lower(p.shown), lower(p.plain)) AS exact, bool_or(lower($2) IN (lower(p.shown), lower(p.plain))) OVER () AS any_exact
	FROM (SELECT * FROM folder WHERE lower(name) = lower($3) AND deleted_at IS NULL
		UNION ALL SELECT * FROM folder WHERE $5 <> '' AND lower(name) = lower($4) AND deleted_at IS NULL AND :ends(id, $5)) f
	CROSS JOIN LATERAL (SELECT s.level FROM :reached_now() s WHERE s.principal = $1 AND s.target = f.id AND s.named OFFSET 0) s
	CROSS JOIN LATERAL :named_paths($1, f.id) p
	WHERE :reads_as(p, $2)) f
WHERE f.exact OR NOT f.any_exact ORDER BY f.id LIMIT $6;

-- name: folder_place(id uuid) -> place text
SELECT lower(name) FROM folder WHERE id = $1;

-- What a rule needs to know before it changes a folder. No row: it does not exist. depth: in how many others it stands.
-- name: folder_right(id uuid, principal uuid) -> level int, name text, owner uuid, parent uuid, depth int
SELECT :level_of_folder($2, f), f.name, f.owner, f.parent, cardinality(f.path) FROM folder f WHERE f.id = $1 AND f.deleted_at IS NULL;

-- Whether one may be put into another: neither into itself nor into what stands below it. below: how many levels stand below it.
-- name: folder_may_hold(parent uuid, id uuid) -> loops bool, below int
WITH RECURSIVE d AS (
	SELECT $2::uuid AS id, 0 AS depth
	UNION ALL SELECT o.id, d.depth + 1 FROM d CROSS JOIN LATERAL :in_folder(d.id) o
)
SELECT EXISTS (SELECT FROM :way_of($1) way WHERE way.id = $2), max(d.depth) FROM d;

-- What is in it and is not removed.
-- name: folder_holds(id uuid) -> folders bigint, resources bigint
SELECT (SELECT count(*) FROM :in_folder($1) o WHERE o.deleted_at IS NULL),
	(SELECT count(*) FROM resource r WHERE r.folder = $1 AND r.deleted_at IS NULL);

-- beside: the folder that it is in or, at the top, whose it is.
-- name: folder_name_taken(beside uuid, name text, but uuid) -> taken bool
SELECT EXISTS (SELECT FROM folder f WHERE coalesce(f.parent, f.owner) = $1 AND lower(f.name) = lower($2) AND f.deleted_at IS NULL AND f.id IS DISTINCT FROM $3::uuid);

-- What a user owns, removed too, behind an id.
-- name: folder_owned(owner uuid, after uuid, rows int) -> id uuid
SELECT id FROM folder WHERE owner = $1 AND id > $2 ORDER BY id LIMIT $3;

-- Who gains and who loses on something when it is moved from one folder to another (null: the top), but for its owner: what they may before and after.
-- A page behind (place, after), as of users. shared: others hold the name too.
-- name: folder_effect(id uuid, owner uuid, source uuid, target uuid, place text, after uuid, rows int) ->
--   principal uuid, name text, shared bool, before int, later int
SELECT p.id, p.name, p.twin IS NOT NULL, l.before, l.later
FROM (SELECT s.principal FROM :reached_now() s WHERE s.target = $3 UNION SELECT s.principal FROM :reached_now() s WHERE s.target = $4) c
CROSS JOIN LATERAL (SELECT * FROM principal o WHERE o.id = c.principal OFFSET 0) p
CROSS JOIN LATERAL (SELECT greatest(x.own, (SELECT s.level FROM :reached_now() s WHERE s.principal = p.id AND s.target = $3)) AS before,
		greatest(x.own, (SELECT s.level FROM :reached_now() s WHERE s.principal = p.id AND s.target = $4)) AS later
	FROM (SELECT :granted(p.id, $1) AS own OFFSET 0) x OFFSET 0) l
WHERE p.id <> $2 AND l.before <> l.later AND (lower(p.name), p.id) > ($5, $6) ORDER BY lower(p.name), p.id LIMIT $7;
