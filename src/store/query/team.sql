-- SPDX-License-Identifier: Apache-2.0
-- Teams and who is in them. A team is a principal of role 'team'; one that was removed is disabled for good, and gives nothing.

-- name: apply_team_created(node uuid, from_seq bigint, to_seq bigint)
INSERT INTO principal (id, name, role, made_as, created_at, made_on, made_by)
SELECT object, b->>'name', 'team', 'team', at, :writer($1), actor
FROM (SELECT seq, at, actor, object, body::jsonb AS b FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :TEAM_CREATED) e
ORDER BY seq
ON CONFLICT (id) DO NOTHING;

-- name: apply_team_changed(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT seq, at, object, object AS principal, 'name' AS what, body::jsonb->>'name' AS value, NULL::text AS upon FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :TEAM_CHANGED
), w AS (
	:outdates(e)
)
:says(e);

-- name: apply_team_removed(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT seq, at, object, object AS principal, 'disabled' AS what, 'true' AS value, body::jsonb->>'upon' AS upon FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :TEAM_REMOVED
), w AS (
	:outdates(e)
)
:says(e);

-- Whether somebody is in a team, in events of one kind.
-- fragment: member_words(kind, value)
(SELECT seq, at, object, (b->>'user')::uuid AS principal, 'member' AS what, :value AS value, b->>'upon' AS upon
	FROM (SELECT seq, at, object, body::jsonb AS b FROM event
		WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :kind) x)

-- name: apply_member_added(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED :member_words(:MEMBER_ADDED, 'true'),
w AS (
	:outdates(e)
)
:says(e);

-- name: apply_member_removed(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED :member_words(:MEMBER_REMOVED, 'false'),
w AS (
	:outdates(e)
)
:says(e);

-- Behind what was weighed: what users reach becomes what the shares give that the events of a range are about. Of a share it is one user or the
-- members of one team, of a member the shares of one team; of a folder what stands below it too.
-- name: follow_shares(node uuid, from_seq bigint, to_seq bigint)
WITH RECURSIVE g AS MATERIALIZED (
	SELECT * FROM (:said_of($1, $2, $3)) g WHERE g.what IN ('share', 'member', 'disabled')
	UNION SELECT object, actor, 'share' FROM event WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :SHARE_ACCEPTED
), p AS MATERIALIZED (
	SELECT g.principal, g.object AS target FROM g WHERE g.what = 'share'
	UNION SELECT m.principal, g.object FROM g JOIN member m ON m.team = g.principal WHERE g.what = 'share'
	UNION SELECT g.principal, s.target FROM g JOIN share s ON s.principal = g.object WHERE g.what = 'member'
	UNION SELECT m.principal, s.target FROM g JOIN member m ON m.team = g.object JOIN share s ON s.principal = g.object WHERE g.what = 'disabled'
), t AS (
	SELECT principal, target FROM p
	UNION SELECT t.principal, below.id FROM t CROSS JOIN LATERAL :in_folder(t.target) below
), n AS MATERIALIZED (
	SELECT p.principal, p.target, r.*
	FROM t p JOIN principal u ON u.id = p.principal CROSS JOIN LATERAL :reached(p.principal, p.target) r WHERE u.role <> 'team'
), d AS (
	DELETE FROM reach x USING n WHERE x.principal = n.principal AND x.target = n.target AND n.view_until IS NULL
)
:fill_reach(n);

-- shared: others have the name too. mine: the user is in it.
-- columns: team_row of team_get, team_page, team_search, team_own

-- name: team_get(id uuid, principal uuid) -> id uuid, name text, created timestamptz, members bigint, mine bool, shared bool
SELECT t.id, t.name, t.created_at, :members_of(t), :is_member(t, $2), t.twin IS NOT NULL
FROM principal t WHERE t.id = $1 AND :is_team(t);

-- A page of teams behind (place, after), as of users.
-- name: team_page(principal uuid, place text, after uuid, rows int) -> id uuid, name text, created timestamptz, members bigint, mine bool, shared bool
SELECT t.id, t.name, t.created_at, :members_of(t), :is_member(t, $1), t.twin IS NOT NULL
FROM principal t WHERE :is_team(t) AND (lower(t.name), t.id) > ($2, $3) ORDER BY lower(t.name), t.id LIMIT $4;

-- name: team_search(principal uuid, pattern text, place text, after uuid, rows int) ->
--   id uuid, name text, created timestamptz, members bigint, mine bool, shared bool
SELECT t.id, t.name, t.created_at, :members_of(t), :is_member(t, $1), t.twin IS NOT NULL
FROM principal t WHERE :is_team(t) AND t.name ILIKE $2 AND (lower(t.name), t.id) > ($3, $4) ORDER BY lower(t.name), t.id LIMIT $5;

-- Those that the user is in. pattern: '%' fits every name.
-- name: team_own(principal uuid, pattern text, place text, after uuid, rows int) ->
--   id uuid, name text, created timestamptz, members bigint, mine bool, shared bool
SELECT t.id, t.name, t.created_at, :members_of(t), true, t.twin IS NOT NULL
FROM member own CROSS JOIN LATERAL (SELECT * FROM principal p WHERE p.id = own.team OFFSET 0) t
WHERE own.principal = $1 AND :is_team(t) AND t.name ILIKE $2 AND (lower(t.name), t.id) > ($3, $4) ORDER BY lower(t.name), t.id LIMIT $5;

-- A page behind (place, after): the name in lower case and the id of the last user of the page before.
-- name: team_members(team uuid, place text, after uuid, rows int) -> principal uuid, name text, disabled bool, since timestamptz, shared bool
SELECT p.id, p.name, p.disabled, m.since, p.twin IS NOT NULL
FROM member m JOIN principal p ON p.id = m.principal
WHERE m.team = $1 AND (lower(p.name), p.id) > ($2, $3) ORDER BY lower(p.name), p.id LIMIT $4;

-- What a rule needs to know before it changes who is in a team: whether the user is, and the word that the next one is made upon; how many are in
-- it, and in how many the user is. stands: of the team itself.
-- name: team_standing(team uuid, principal uuid) -> member bool, upon text, stands text, members bigint, teams bigint
WITH g AS MATERIALIZED (
	SELECT $1::uuid AS object, $2::uuid AS principal, 'member' AS what UNION ALL SELECT $1, $1, 'disabled'
), l AS MATERIALIZED (
	:last_words(g)
), c AS MATERIALIZED (
	:that_count(l)
)
SELECT EXISTS (SELECT FROM member WHERE team = $1 AND principal = $2),
	coalesce((SELECT :word_stamp(c) FROM c WHERE c.what = 'member'), ''), coalesce((SELECT :word_stamp(c) FROM c WHERE c.what = 'disabled'), ''),
	(SELECT count(*) FROM member WHERE team = $1), (SELECT count(*) FROM member WHERE principal = $2);

-- Whoever a share can name: a user or a team.
-- columns: grantee_found of grantee_by_name, grantee_by_id

-- name: grantee_by_name(name text, plain text, tail text) -> id uuid, name text, team bool
SELECT u.id, u.name, u.role = 'team' FROM :named_principals($1, $2, $3) u;

-- name: grantee_by_id(id uuid) -> id uuid, name text, team bool
SELECT id, name, role = 'team' FROM principal p WHERE id = $1 AND (role <> 'team' OR :is_team(p));

-- Of a row t of principal.
-- fragment: is_team(t)
(:t.role = 'team' AND NOT :t.disabled)

-- fragment: members_of(t)
(SELECT count(*) FROM member its WHERE its.team = :t.id)

-- fragment: is_member(t, principal)
EXISTS (SELECT FROM member its WHERE its.team = :t.id AND its.principal = :principal)
