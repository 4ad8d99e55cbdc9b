-- SPDX-License-Identifier: Apache-2.0
-- Resources as one user sees them. Levels: 0 nothing, 1 view, 2 modify, 3 manage, 4 owner; of several grants that count now (access.sql) the highest
-- does. A resource of level 0 is listed when one of its accounts is shared.

-- What a folder gives in all that stands in it: the highest that it gives itself, or any that it stands in. Who owns one of them manages what stands there.
-- fragment: inherited(principal, folder)
coalesce((SELECT max(greatest(CASE WHEN above.owner = :principal THEN 3 ELSE 0 END, :granted(:principal, above.id)))
	FROM :way_of(:folder) way CROSS JOIN LATERAL (SELECT o.id, o.owner FROM folder o WHERE o.id = way.id OFFSET 0) above), 0)

-- Of a row r of resource, and of an account a in it. An owner costs no look at shares, and what stands in no folder none at folders.
-- fragment: level_of_resource(principal, r)
CASE WHEN :r.owner = :principal THEN 4 ELSE greatest(:granted(:principal, :r.id),
	CASE WHEN :r.folder IS NOT NULL THEN :inherited(:principal, :r.folder) END) END

-- fragment: level_of_account(principal, r, a)
CASE WHEN :r.owner = :principal THEN 4 ELSE greatest(:granted(:principal, :r.id), :granted(:principal, :a.id),
	CASE WHEN :r.folder IS NOT NULL THEN :inherited(:principal, :r.folder) END) END

-- When the first share ends that this level may come from; null: none does.
-- fragment: end_of_account(principal, r, a)
CASE WHEN :r.owner <> :principal THEN least(:next_end(:principal, :r.id), :next_end(:principal, :a.id),
	CASE WHEN :r.folder IS NOT NULL THEN (SELECT min(:next_end(:principal, way.id)) FROM :way_of(:r.folder) way) END) END

-- Of a row f of folder.
-- fragment: level_of_folder(principal, f)
CASE WHEN :f.owner = :principal THEN 4 ELSE :inherited(:principal, :f.id) END

-- Until when a user reaches a target of any kind, through shares or as the owner of a folder that it is or stands in.
-- fragment: reached(principal, target)
(SELECT :reaching(g) FROM (
	SELECT there.level, there.until, there.named FROM :way_of(:target) way CROSS JOIN LATERAL (SELECT o.id, o.owner FROM folder o WHERE o.id = way.id OFFSET 0) above
		CROSS JOIN LATERAL (SELECT 3 AS level, NULL::timestamptz AS until, true AS named WHERE above.owner = :principal
			UNION ALL SELECT its.level, its.until, its.named FROM :grants(:principal, above.id) its) there
	UNION ALL SELECT its.level, its.until, its.named FROM :grants(:principal, :target) its WHERE NOT EXISTS (SELECT FROM folder here WHERE here.id = :target)) g)

-- Whether the user reaches it for its own sake. now: what of the table counts, reached_now or named_now. Looks by key, one row of r at a time.
-- fragment: reaches_resource(principal, r, now)
CASE WHEN :r.owner = :principal THEN true
	WHEN (SELECT s.level FROM :now s WHERE s.target = :r.id AND s.principal = :principal) IS NOT NULL THEN true
	WHEN :r.folder IS NOT NULL THEN (SELECT s.level FROM :now s WHERE s.target = :r.folder AND s.principal = :principal) IS NOT NULL
	ELSE false END

-- fragment: reaches_account(principal, r, a, now)
CASE WHEN :reaches_resource(:principal, :r, :now) THEN true
	ELSE (SELECT s.level FROM :now s WHERE s.target = :a.id AND s.principal = :principal) IS NOT NULL END

-- Whether the user may know of it: for its own sake or for an account's.
-- fragment: sees_resource(principal, r, now)
CASE WHEN :reaches_resource(:principal, :r, :now) THEN true
	ELSE (SELECT true FROM account a JOIN :now sa ON sa.target = a.id AND sa.principal = :principal
		WHERE a.resource = :r.id AND a.deleted_at IS NULL LIMIT 1) IS NOT NULL END

-- The levels where many rows are looked at and most of them are none of the user's: the shares are read once and joined, which costs less than two looks by
-- key for each row. The joins stand behind r and a, the level where a column may; they name the shares sr, sf (of the folder that it stands in) and sa.
-- fragment: resource_shares(principal, r)
LEFT JOIN :reached_now() sr ON sr.target = :r.id AND sr.principal = :principal LEFT JOIN :reached_now() sf ON sf.target = :r.folder AND sf.principal = :principal

-- fragment: account_shares(principal, r, a)
:resource_shares(:principal, :r) LEFT JOIN :reached_now() sa ON sa.target = :a.id AND sa.principal = :principal

-- fragment: joined_level_of_resource(principal, r)
CASE WHEN :r.owner = :principal THEN 4 ELSE greatest(sr.level, sf.level, 0) END

-- fragment: joined_level_of_account(principal, r)
CASE WHEN :r.owner = :principal THEN 4 ELSE greatest(sr.level, sf.level, sa.level, 0) END

-- What a rule needs to know before it changes a resource. No row: it does not exist. seen: the user may know that it exists.
-- name: resource_right(id uuid, principal uuid) -> level int, seen bool, name text, owner uuid, folder uuid
SELECT :level_of_resource($2, r),
	:level_of_resource($2, r) > 0 OR EXISTS (SELECT FROM account a JOIN :reached_now() sa ON sa.target = a.id
		AND sa.principal = $2 WHERE a.resource = r.id AND a.deleted_at IS NULL),
	r.name, r.owner, r.folder
FROM resource r
WHERE r.id = $1 AND r.deleted_at IS NULL;

-- Lists come in two steps: the ids of a page, by a statement for each way to ask for it, and what is shown of those ids. A page has what is behind
-- (place, id): lower(name) and id of the last resource of the page before; '' and the nil id are before all. No parameter is ever absent. Where a look-up
-- by key is meant a LIMIT keeps it one, whatever the planner believes about sizes.

-- columns: place of resource_place, account_place, user_place, name_conflict_place, folder_place, share_seen_place

-- name: resource_place(id uuid) -> place text
SELECT lower(name) FROM resource WHERE id = $1;

-- How much somebody owns and is granted, counted up to most: it tells which of two statements costs less.
-- name: resource_breadth(principal uuid, most int) -> owns int, shares int
SELECT (SELECT count(*)::int FROM (SELECT FROM resource WHERE owner = $1 AND deleted_at IS NULL LIMIT $2) r),
	(SELECT count(*)::int FROM (SELECT FROM reach WHERE principal = $1 LIMIT $2) s)
		+ (SELECT count(*)::int FROM (SELECT FROM :reached_now() s CROSS JOIN LATERAL (SELECT FROM resource r WHERE r.folder = s.target LIMIT $2) r
			WHERE s.principal = $1 LIMIT $2) s);

-- columns: resource_ids of resource_in, resource_page, resource_page_wide, resource_named, search_own, search_few, search_many

-- From what the user owns, in order, and from all that is shared with the user.
-- name: resource_page(principal uuid, place text, after uuid, rows int) -> id uuid
SELECT p.id FROM (
	(SELECT r.id, lower(r.name) AS place FROM resource r
		WHERE r.owner = $1 AND r.deleted_at IS NULL AND (lower(r.name), r.id) > ($2, $3)
		ORDER BY lower(r.name), r.id LIMIT $4)
	UNION
	(SELECT r.id, r.place
		FROM (SELECT s.target FROM :reached_now() s WHERE s.principal = $1
			UNION SELECT a.resource FROM :reached_now() s CROSS JOIN LATERAL (
				SELECT a.resource FROM account a WHERE a.id = s.target AND a.deleted_at IS NULL LIMIT 1) a
			WHERE s.principal = $1
			UNION SELECT r.id FROM :reached_now() s CROSS JOIN LATERAL (SELECT r.id FROM resource r WHERE r.folder = s.target OFFSET 0) r
			WHERE s.principal = $1) t
		CROSS JOIN LATERAL (SELECT r.id, lower(r.name) AS place FROM resource r
			WHERE r.id = t.target AND r.deleted_at IS NULL AND (lower(r.name), r.id) > ($2, $3) LIMIT 1) r
		ORDER BY r.place, r.id LIMIT $4)
) p ORDER BY p.place, p.id LIMIT $4;

-- The same for whom much is shared with: in the order of names, until there are enough.
-- name: resource_page_wide(principal uuid, place text, after uuid, rows int) -> id uuid
SELECT r.id FROM resource r
WHERE r.deleted_at IS NULL AND (lower(r.name), r.id) > ($2, $3)
	AND :sees_resource($1, r, :reached_now())
ORDER BY lower(r.name), r.id LIMIT $4;

-- By name: what waits for the user's acceptance is not found so.
-- name: resource_named(principal uuid, name text, place text, after uuid, rows int) -> id uuid
SELECT r.id FROM resource r
WHERE lower(r.name) = lower($2) AND r.deleted_at IS NULL AND (lower(r.name), r.id) > ($3, $4)
	AND :sees_resource($1, r, :named_now())
ORDER BY lower(r.name), r.id LIMIT $5;

-- What is in a folder that the user sees.
-- name: resource_in(folder uuid, place text, after uuid, rows int) -> id uuid
SELECT r.id FROM resource r WHERE r.folder = $1 AND r.deleted_at IS NULL AND (lower(r.name), r.id) > ($2, $3)
ORDER BY lower(r.name), r.id LIMIT $4;

-- What searches compare. In the words every letter is small, and whatever else of ASCII is no letter and no digit is a space, so that a word begins behind one; as
-- long as the text. The indexes of schema 40 are of just these.
-- fragment: words_of_resource(r)
translate(lower(' ' || :r.name || ' ' || :r.address || ' ' || :r.url || ' ' || :r.description), E'\t\n\r!"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~', repeat(' ', 35))

-- fragment: words_of_account(a)
translate(lower(' ' || :a.login || ' ' || :a.description), E'\t\n\r!"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~', repeat(' ', 35))

-- How well it fits: 0 that is its name, 1 its name begins so, 2 a word does, 3 it is a part of something; null: not at all. pattern: for LIKE, already escaped; exact: in
-- small letters; words: the same as words.
-- fragment: rank_of_resource(r, pattern, exact, words)
CASE WHEN lower(:r.name) = :exact THEN 0 WHEN starts_with(lower(:r.name), :exact) THEN 1
	WHEN :r.name ILIKE :pattern OR :r.address ILIKE :pattern OR :r.url ILIKE :pattern OR :r.description ILIKE :pattern
		THEN CASE WHEN :words_of_resource(:r) LIKE '% ' || :words || '%' THEN 2 ELSE 3 END END

-- The best of the accounts of r that the user sees; behind resource_shares.
-- fragment: rank_of_accounts(principal, r, pattern, exact, words)
(SELECT min(CASE WHEN lower(a.login) = :exact THEN 0 WHEN starts_with(lower(a.login), :exact) THEN 1
		WHEN a.login ILIKE :pattern OR a.description ILIKE :pattern
			THEN CASE WHEN :words_of_account(a) LIKE '% ' || :words || '%' THEN 2 ELSE 3 END END)
	FROM account a LEFT JOIN :reached_now() sa ON sa.target = a.id AND sa.principal = :principal
	WHERE a.resource = :r.id AND a.deleted_at IS NULL AND (:r.owner = :principal OR sr.level IS NOT NULL OR sf.level IS NOT NULL OR sa.level IS NOT NULL))

-- Searches give the best first, and what fits alike by its name. Where a page of them begins; plain_rank: where there are too many to rank them all.
-- name: search_place(id uuid, principal uuid, pattern text, exact text, words text) -> rank int, plain_rank int, place text
SELECT least(:rank_of_resource(r, $3, $4, $5), :rank_of_accounts($2, r, $3, $4, $5), 4),
	CASE WHEN lower(r.name) = $4 THEN 0 WHEN starts_with(lower(r.name), $4) THEN 1 ELSE 3 END, lower(r.name)
FROM resource r :resource_shares($2, r) WHERE r.id = $1;

-- How many resources and accounts there are to look at, each counted up to most.
-- name: search_hits(words text, most int) -> n int
SELECT (SELECT count(*)::int FROM (SELECT FROM resource r WHERE r.deleted_at IS NULL AND :words_of_resource(r) LIKE '%' || $1 || '%' LIMIT $2) h)
	+ (SELECT count(*)::int FROM (SELECT FROM account a WHERE a.deleted_at IS NULL AND :words_of_account(a) LIKE '%' || $1 || '%' LIMIT $2) h);

-- Among what the user may see …
-- name: search_own(principal uuid, pattern text, exact text, words text, rank int, place text, after uuid, rows int) -> id uuid
SELECT h.id
FROM (SELECT r.id, lower(r.name) AS place, least(:rank_of_resource(r, $2, $3, $4), :rank_of_accounts($1, r, $2, $3, $4)) AS rank
	FROM (SELECT r.id FROM resource r WHERE r.owner = $1 AND r.deleted_at IS NULL
		UNION SELECT s.target FROM :reached_now() s WHERE s.principal = $1
		UNION SELECT a.resource FROM :reached_now() s JOIN account a ON a.id = s.target WHERE s.principal = $1 AND a.deleted_at IS NULL
		UNION SELECT i.id FROM :reached_now() s JOIN resource i ON i.folder = s.target WHERE s.principal = $1) t
	JOIN resource r ON r.id = t.id :resource_shares($1, r)
	WHERE r.deleted_at IS NULL) h
WHERE h.rank IS NOT NULL AND (h.rank, h.place, h.id) > ($5, $6, $7)
ORDER BY h.rank, h.place, h.id LIMIT $8;

-- … or, when that is much, among what has the words, …
-- name: search_few(principal uuid, pattern text, exact text, words text, rank int, place text, after uuid, rows int) -> id uuid
SELECT h.id
FROM (SELECT r.id, lower(r.name) AS place, least(:rank_of_resource(r, $2, $3, $4), :rank_of_accounts($1, r, $2, $3, $4)) AS rank
	FROM (SELECT r.id FROM resource r WHERE r.deleted_at IS NULL AND :words_of_resource(r) LIKE '%' || $4 || '%'
		UNION SELECT a.resource FROM account a WHERE a.deleted_at IS NULL AND :words_of_account(a) LIKE '%' || $4 || '%') t
	CROSS JOIN LATERAL (SELECT r.* FROM resource r WHERE r.id = t.id AND r.deleted_at IS NULL AND :sees_resource($1, r, :reached_now()) LIMIT 1) r :resource_shares($1, r)) h
WHERE h.rank IS NOT NULL AND (h.rank, h.place, h.id) > ($5, $6, $7)
ORDER BY h.rank, h.place, h.id LIMIT $8;

-- Whether a resource, or one of its accounts that the user sees, has the pattern. Looks by key, one row of r at a time.
-- fragment: fits(principal, r, pattern)
(:r.name ILIKE :pattern OR :r.address ILIKE :pattern OR :r.url ILIKE :pattern OR :r.description ILIKE :pattern
	OR EXISTS (SELECT FROM account a WHERE a.resource = :r.id AND a.deleted_at IS NULL AND (a.login ILIKE :pattern OR a.description ILIKE :pattern)
		AND :level_of_account(:principal, :r, a) > 0))

-- … or, when that is much too, in the order of names, until there are enough: what has the name, whose name begins so, and the rest.
-- name: search_many(principal uuid, pattern text, exact text, rank int, place text, after uuid, rows int) -> id uuid
SELECT h.id FROM (
	(SELECT r.id, 0 AS rank, lower(r.name) AS place FROM resource r
		WHERE $4 <= 0 AND r.deleted_at IS NULL AND lower(r.name) = $3 AND (lower(r.name), r.id) > ($5, $6) AND :sees_resource($1, r, :reached_now())
		ORDER BY lower(r.name), r.id LIMIT $7)
	UNION ALL
	(SELECT r.id, 1, lower(r.name) FROM resource r
		WHERE $4 <= 1 AND r.deleted_at IS NULL AND lower(r.name) > $3 AND lower(r.name) < $3 || U&'\+10FFFF' AND starts_with(lower(r.name), $3)
			AND (lower(r.name), r.id) > (CASE WHEN $4 = 1 THEN $5 ELSE '' END, CASE WHEN $4 = 1 THEN $6 ELSE '00000000-0000-0000-0000-000000000000' END)
			AND :sees_resource($1, r, :reached_now())
		ORDER BY lower(r.name), r.id LIMIT $7)
	UNION ALL
	(SELECT r.id, 3, lower(r.name) FROM resource r
		WHERE r.deleted_at IS NULL AND NOT starts_with(lower(r.name), $3)
			AND (lower(r.name), r.id) > (CASE WHEN $4 = 3 THEN $5 ELSE '' END, CASE WHEN $4 = 3 THEN $6 ELSE '00000000-0000-0000-0000-000000000000' END)
			AND :sees_resource($1, r, :reached_now()) AND :fits($1, r, $2)
		ORDER BY lower(r.name), r.id LIMIT $7)
) h ORDER BY h.rank, h.place, h.id LIMIT $7;

-- Where a page of the accounts of a resource begins.
-- name: account_place(id uuid) -> place text
SELECT lower(login) FROM account WHERE id = $1;

-- One row per account that the user sees, in the order of the ids; account null: none. What the user may not see is not there. Of each resource there
-- are at most `rows` accounts behind (place, after), lower(login) and id, and of all together about 1 MiB of texts; the first row of a resource has its texts.
-- shared: others hold the name too. folder: that it stands in, and its path; null: none that the user sees. following: the resource of the row behind this one, whether that came or was left out.
-- unseen: resources that the user does not see too. waits, account_waits: it is found by name once the user accepts it.
-- name: resource_show(principal uuid, ids uuid[], place text, after uuid, rows int, unseen bool) ->
--   id uuid, name text, type text, address text, url text, description text, owner uuid, owner_name text, level int, shared bool,
--   folder uuid, folder_path text, account uuid, login text, account_description text, current_n int, conflict bool, account_level int, account_shared bool, following uuid,
--   waits bool, account_waits bool
SELECT y.id, y.name, y.type, y.address, y.url, y.description, y.owner, y.owner_name, y.level, y.shared,
	CASE WHEN y.folder_path IS NOT NULL THEN y.folder END, y.folder_path, y.account, y.login, y.account_description, y.current_n, y.conflict, y.account_level, y.account_shared, y.following,
	y.waits, y.account_waits
FROM (
	SELECT x.*, lead(x.id) OVER w AS following, sum(x.cost) OVER w - x.cost AS before
	FROM (
		SELECT z.*, octet_length(z.name) + octet_length(z.type) + octet_length(z.address) + octet_length(z.url) + octet_length(z.description)
			+ coalesce(octet_length(z.login) + octet_length(z.account_description), 0) AS cost
		FROM (
			SELECT q.ord, p.id, n.rank, CASE WHEN n.rank = 1 THEN p.name ELSE '' END AS name, CASE WHEN n.rank = 1 THEN p.type ELSE '' END AS type,
				CASE WHEN n.rank = 1 THEN p.address ELSE '' END AS address, CASE WHEN n.rank = 1 THEN p.url ELSE '' END AS url,
				CASE WHEN n.rank = 1 THEN p.description ELSE '' END AS description, p.owner, p.owner_name, p.level, p.folder, p.folder_path,
				p.twin IS NOT NULL AS shared, a.id AS account, a.login, a.description AS account_description, a.current_n, a.conflict,
				a.level AS account_level, a.twin IS NOT NULL AS account_shared, p.waits AND (p.level > 0 OR a.id IS NOT NULL) AS waits,
				NOT (p.named OR a.named) AS account_waits
			FROM unnest($2::uuid[]) WITH ORDINALITY AS q (id, ord)
			CROSS JOIN LATERAL (
				SELECT r.*, (SELECT o.name FROM principal o WHERE o.id = r.owner) AS owner_name,
					CASE WHEN r.folder IS NOT NULL THEN :shown_path($1, r.folder) END AS folder_path,
					:level_of_resource($1, r) AS level, :reaches_resource($1, r, :named_now()) AS named, NOT :sees_resource($1, r, :named_now()) AS waits
				FROM resource r WHERE r.id = q.id AND r.deleted_at IS NULL LIMIT 1
			) p
			LEFT JOIN LATERAL (
				SELECT a.*, greatest(p.level, coalesce(sa.level, 0)) AS level, coalesce(sa.named, false) AS named, row_number() OVER (ORDER BY lower(a.login), a.id) AS rank
				FROM account a LEFT JOIN :reached_now() sa ON sa.target = a.id AND sa.principal = $1
				WHERE a.resource = p.id AND a.deleted_at IS NULL AND (p.level > 0 OR sa.level IS NOT NULL)
					AND (lower(a.login), a.id) > ($3, $4)
				ORDER BY lower(a.login), a.id LIMIT $5 + 1
			) a ON true
			CROSS JOIN LATERAL (SELECT coalesce(a.rank, 1) AS rank) n
			WHERE p.level > 0 OR a.id IS NOT NULL OR $6
		) z
	) x
	WINDOW w AS (ORDER BY x.ord, x.rank)
) y
WHERE y.rank <= $5 AND y.before < 1048576
ORDER BY y.ord, y.rank;

-- Whether another one has the name where it is to be. beside: the folder or, in none, the owner; null: where the resource `but` stands.
-- name: resource_name_taken(beside uuid, name text, but uuid) -> taken bool
SELECT EXISTS (SELECT FROM resource r WHERE coalesce(r.folder, r.owner) = coalesce($1, (SELECT coalesce(o.folder, o.owner) FROM resource o WHERE o.id = $3))
	AND lower(r.name) = lower($2) AND r.deleted_at IS NULL AND r.id IS DISTINCT FROM $3::uuid);

-- For an import: one row a line (1…). first_name: the first line with the same resource; first_pair: with the same
-- login there too. resource, level, url: of a resource that the user finds by name, and what they may do with it; account,
-- account_level: of an account of this login there, if the user finds it so. several: they find more than one resource of the name, or
-- more than one account of the login there.
-- name: import_check(principal uuid, names text[], logins text[]) ->
--   line int, first_name int, first_pair int, resource uuid, level int, url text, account uuid, account_level int, several bool
SELECT l.line, min(l.line) OVER (PARTITION BY l.name), min(l.line) OVER (PARTITION BY l.name, l.login), r.id,
	r.level, r.url, CASE WHEN a.level > 0 THEN a.id END, a.level, coalesce(r.seen > 1, false) OR coalesce(a.seen > 1, false)
FROM (SELECT u.line::int AS line, lower(u.name) AS name, lower(u.login) AS login
	FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS u(name, login, line)) l
LEFT JOIN LATERAL (
	SELECT r.id, r.owner, r.folder, r.url, v.level, count(*) FILTER (WHERE v.level > 0) OVER () AS seen
	FROM resource r CROSS JOIN LATERAL (SELECT :level_of_resource($1, r) AS level OFFSET 0) v
	WHERE lower(r.name) = l.name AND r.deleted_at IS NULL AND :sees_resource($1, r, :named_now())
	ORDER BY v.level DESC, r.id LIMIT 1
) r ON true
LEFT JOIN LATERAL (
	SELECT a.id, v.level, count(*) FILTER (WHERE v.level > 0) OVER () AS seen
	FROM account a CROSS JOIN LATERAL (SELECT greatest(r.level, :granted($1, a.id)) AS level OFFSET 0) v
	WHERE a.resource = r.id AND lower(a.login) = l.login AND a.deleted_at IS NULL AND :reaches_account($1, r, a, :named_now())
	ORDER BY v.level DESC, a.id LIMIT 1
) a ON true
ORDER BY l.line;

-- What became of an import: the body of its event.
-- name: import_find(id uuid, actor uuid) -> body text
SELECT body FROM event WHERE kind = :IMPORTED AND object = $1 AND actor = $2 ORDER BY at LIMIT 1;
