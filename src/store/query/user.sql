-- SPDX-License-Identifier: Apache-2.0
-- Users, and the nodes that a client may turn to.

-- shared: others have the name too.
-- columns: user_row of user_get, user_page, user_search

-- name: user_get(id uuid) ->
--   id uuid, name text, role text, disabled bool, totp bool, password_set bool, created timestamptz, owns bigint, shared bool
SELECT p.id, p.name, p.role, p.disabled, p.totp_sealed IS NOT NULL, p.password_hash IS NOT NULL, p.created_at,
	(SELECT count(*) FROM resource r WHERE r.owner = p.id AND r.deleted_at IS NULL), p.twin IS NOT NULL
FROM principal p WHERE p.id = $1 AND p.role <> 'team';

-- A page of users behind (place, after), as of resources; all of them, or those whose name fits the pattern (for LIKE, already escaped).
-- name: user_place(id uuid) -> place text
SELECT lower(name) FROM principal WHERE id = $1;

-- What they own is counted for the page as a whole.
-- name: user_page(place text, after uuid, rows int) ->
--   id uuid, name text, role text, disabled bool, totp bool, password_set bool, created timestamptz, owns bigint, shared bool
WITH p AS MATERIALIZED (
	SELECT * FROM principal WHERE role <> 'team' AND (lower(name), id) > ($1, $2) ORDER BY lower(name), id LIMIT $3
), o AS MATERIALIZED (
	SELECT owner, count(*) AS n FROM resource WHERE owner IN (SELECT id FROM p) AND deleted_at IS NULL GROUP BY owner
)
SELECT p.id, p.name, p.role, p.disabled, p.totp_sealed IS NOT NULL, p.password_hash IS NOT NULL, p.created_at, coalesce(o.n, 0), p.twin IS NOT NULL
FROM p LEFT JOIN o ON o.owner = p.id ORDER BY lower(p.name), p.id;

-- name: user_search(pattern text, place text, after uuid, rows int) ->
--   id uuid, name text, role text, disabled bool, totp bool, password_set bool, created timestamptz, owns bigint, shared bool
WITH p AS MATERIALIZED (
	SELECT * FROM principal WHERE role <> 'team' AND name ILIKE $1 AND (lower(name), id) > ($2, $3) ORDER BY lower(name), id LIMIT $4
), o AS MATERIALIZED (
	SELECT owner, count(*) AS n FROM resource WHERE owner IN (SELECT id FROM p) AND deleted_at IS NULL GROUP BY owner
)
SELECT p.id, p.name, p.role, p.disabled, p.totp_sealed IS NOT NULL, p.password_hash IS NOT NULL, p.created_at, coalesce(o.n, 0), p.twin IS NOT NULL
FROM p LEFT JOIN o ON o.owner = p.id ORDER BY lower(p.name), p.id;

-- columns: user_found of user_by_name, user_by_id

-- name: user_by_name(name text, plain text, tail text) -> id uuid, name text, disabled bool
SELECT u.id, u.name, u.disabled FROM :named_users($1, $2, $3) u;

-- name: user_name_taken(name text, but uuid) -> taken bool
SELECT EXISTS (SELECT FROM principal p WHERE lower(name) = lower($1) AND :holds_name(p) AND id IS DISTINCT FROM $2::uuid);

-- name: user_by_id(id uuid) -> id uuid, name text, disabled bool
SELECT id, name, disabled FROM principal WHERE id = $1 AND role <> 'team';

-- name: user_secrets(id uuid) -> password_hash text, totp_sealed bytea, totp_step bigint, name text, failed int, failed_at timestamptz, knew text
SELECT password_hash, totp_sealed, totp_step, name, failed, failed_at, :known_endings($1) FROM principal WHERE id = $1;

-- name: user_setup(name text, plain text, tail text) -> id uuid, name text, role text, disabled bool, setup_mac bytea, setup_until timestamptz,
--   totp bool, shared bool, knew text
SELECT u.id, u.name, u.role, u.disabled, u.setup_mac, u.setup_until, u.totp_sealed IS NOT NULL, u.twin IS NOT NULL, :known_endings(u.id) FROM :named_users($1, $2, $3) u;

-- Administrators who can log in, but for one user.
-- name: user_other_administrators(id uuid) -> id uuid
SELECT id FROM principal WHERE role = 'administrator' AND NOT disabled AND password_hash IS NOT NULL AND id <> $1 LIMIT 1000;

-- name: user_nodes() -> id uuid, name text, https_port int, pair_port int, slot text, web_cert text,
--   joined timestamptz, is_primary bool
SELECT id, name, https_port, pair_port, slot, web_cert, joined_at,
	coalesce(primary_since_term = (SELECT max(primary_since_term) FROM node), false)
FROM node ORDER BY joined_at, id LIMIT 64;

-- How what administrators decide stands: the words that count, which the next event is made upon. Of a user, principal is the user too.
-- name: user_standing(object uuid, principal uuid) -> role text, disabled text, share text
WITH g AS MATERIALIZED (
	SELECT $1::uuid AS object, $2::uuid AS principal, t.what FROM (VALUES ('role'), ('disabled'), ('share')) t (what)
), l AS MATERIALIZED (
	:last_words(g)
), c AS MATERIALIZED (
	:that_count(l)
)
SELECT coalesce(max(:word_stamp(c)) FILTER (WHERE what = 'role'), ''), coalesce(max(:word_stamp(c)) FILTER (WHERE what = 'disabled'), ''),
	coalesce(max(:word_stamp(c)) FILTER (WHERE what = 'share'), '')
FROM c;

-- Who is an administrator because nobody else was left (query/word.sql), and the words about them that an event upon it names.
-- name: user_remaining() -> id uuid, role text, disabled text
WITH g AS MATERIALIZED (
	SELECT p.id AS object, p.id AS principal, t.what FROM principal p CROSS JOIN (VALUES ('role'), ('disabled')) t (what) WHERE p.remains
), l AS MATERIALIZED (
	:last_words(g)
), c AS MATERIALIZED (
	:that_count(l)
)
SELECT p.id, coalesce((SELECT :word_stamp(c) FROM c WHERE c.object = p.id AND c.what = 'role'), ''),
	coalesce((SELECT :word_stamp(c) FROM c WHERE c.object = p.id AND c.what = 'disabled'), '')
FROM principal p WHERE p.remains;

-- What was done on two nodes apart from each other: first what nobody has acknowledged, the newest first. name: of the user (null: it is
-- about none); target: of the resource, resource/login, the folder, or the team (null: it is about the user alone); by: who acknowledged it.
-- A page behind (open, at, after): of the last one of the page before. Those that nobody has acknowledged come first, the newest of each first.
-- name: user_admin_conflicts(open bool, at timestamptz, after uuid, rows int) ->
--   what text, at timestamptz, object uuid, target text, principal uuid, name text, kept text, lost text, node uuid, node_name text,
--   id uuid, acknowledged timestamptz, by text
SELECT c.what, c.at, c.object, coalesce(r.name, ar.name || '/' || a.login, t.name, f.name), p.id, p.name, :outcome(c.what, c.kept), :outcome(c.what, c.lost),
	c.node, d.name, c.id, c.acknowledged_at, k.name
FROM admin_conflict c LEFT JOIN principal p ON p.id = c.principal
LEFT JOIN resource r ON r.id = c.object LEFT JOIN principal t ON t.id = c.object AND c.what = 'member'
LEFT JOIN account a ON a.id = c.object LEFT JOIN resource ar ON ar.id = a.resource LEFT JOIN folder f ON f.id = c.object
LEFT JOIN node d ON d.id = :writer(c.node) LEFT JOIN principal k ON k.id = c.acknowledged_by
WHERE (c.acknowledged_at IS NULL, c.at, c.id) < ($1, $2, $3)
ORDER BY c.acknowledged_at IS NULL DESC, c.at DESC, c.id DESC LIMIT $4;

-- name: user_admin_conflict_place(id uuid) -> open bool, at timestamptz
SELECT acknowledged_at IS NULL, at FROM admin_conflict WHERE id = $1;

-- name: user_admin_conflict(id uuid) -> what text, about uuid, kept text, lost text, acknowledged timestamptz
SELECT what, :concerned(c), :outcome(what, kept), :outcome(what, lost), acknowledged_at FROM admin_conflict c WHERE id = $1;
