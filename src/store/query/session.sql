-- SPDX-License-Identifier: Apache-2.0
-- Sessions and logins.

-- name: session_by_mac(mac bytea) -> id uuid, principal uuid, created timestamptz, seen timestamptz, expires timestamptz, ended bool, name text, role text, disabled bool
SELECT s.id, s.principal, s.created_at, s.seen_at, s.expires_at, s.ended_at IS NOT NULL, p.name, p.role, p.disabled
FROM session s JOIN principal p ON p.id = s.principal
WHERE s.mac = $1;

-- name: session_is_home(id uuid) -> home bool
SELECT EXISTS (SELECT FROM session WHERE id = $1);

-- Sessions whose end is long past: nobody asks for them any more, and their events stay. One that a journal brings after that
-- is inserted, and goes with the next.
-- name: session_prune(ended_before timestamptz, most int) -> n int
WITH gone AS (
	DELETE FROM session WHERE mac IN (SELECT mac FROM session WHERE least(expires_at, ended_at) < $1 LIMIT $2)
	RETURNING 1
)
SELECT count(*)::int FROM gone;

-- What a login needs to know of the users that the name may mean. shared: others have the name too. knew: read with the password, so that a reset while it
-- is tried ends what begins.
-- name: login_by_name(name text, plain text, tail text) ->
--   id uuid, name text, role text, disabled bool, password_hash text, totp_sealed bytea, totp_step bigint, failed int, failed_at timestamptz,
--   shared bool, knew text
SELECT u.id, u.name, u.role, u.disabled, u.password_hash, u.totp_sealed, u.totp_step, u.failed, u.failed_at, u.twin IS NOT NULL,
	:known_endings(u.id)
FROM :named_users($1, $2, $3) u;

-- Whether an event (x) came from a network.
-- fragment: from_there(x, network)
CASE WHEN :x.address = '' THEN false ELSE :x.address::inet <<= :network::inet END

-- How often somebody's log-in failed from a network since they last logged in or got a new password, by what each log says, and when last; and whether one of their last
-- log-ins came from there.
-- name: login_from(principal uuid, network text) -> failed int, failed_at timestamptz, came bool
SELECT coalesce(sum(f.n), 0)::int, max(f.at), coalesce(bool_or(l.came), false) FROM :chains(event) c
CROSS JOIN LATERAL (SELECT max(x.seq) AS seq, bool_or(:from_there(x, $2)) AS came
	FROM (SELECT i.seq, i.address FROM event i WHERE i.actor = $1 AND i.node = c.id AND i.kind = :LOGIN ORDER BY i.seq DESC LIMIT 50) x) l
CROSS JOIN LATERAL (SELECT max(p.seq) AS seq FROM event p WHERE p.object = $1 AND p.node = c.id AND p.kind = :USER_PASSWORD) w
CROSS JOIN LATERAL (SELECT count(*) AS n, (array_agg(x.at ORDER BY x.seq DESC))[1] AS at
	FROM (SELECT i.seq, i.at, i.address FROM event i WHERE i.actor = $1 AND i.node = c.id AND i.kind = :LOGIN_FAILED AND i.seq > coalesce(greatest(l.seq, w.seq), 0)
		ORDER BY i.seq DESC LIMIT 1000) x WHERE :from_there(x, $2)) f;

-- Of whom the journal has a session, and whether that was ended elsewhere meanwhile.
-- name: login_by_id(id uuid, session uuid, knew text) -> name text, role text, disabled bool, ended bool
SELECT name, role, disabled, $3 IS NOT NULL AND :ended_at($1, $2, $3) IS NOT NULL FROM principal WHERE id = $1;

-- What the log says of a session, which may be there before its login. end: min or max.
-- fragment: said_of_session(session, kind, end)
(SELECT :end(told.at) FROM event told WHERE told.object = :session AND told.kind = :kind)

-- A login inserts its session, over already where it did not know of an ending that is there; ends the run of failures and remembers the code's step.
-- name: apply_login(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT seq, at, actor, body::jsonb AS b FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :LOGIN
), s AS (
	INSERT INTO session (mac, id, principal, created_at, seen_at, expires_at, ended_at, knew)
	SELECT decode(b->>'mac', 'hex'), x.id, actor, at, greatest(at, :said_of_session(x.id, :SESSION_SEEN, max)), (b->>'expires')::timestamptz,
		least(CASE WHEN b ? 'knew' THEN :ended_at(actor, x.id, b->>'knew') END, :said_of_session(x.id, :LOGOUT, min)), b->>'knew'
	FROM e CROSS JOIN LATERAL (SELECT (b->>'session')::uuid AS id) x ORDER BY seq
	ON CONFLICT DO NOTHING
)
UPDATE principal p SET
	failed = 0,
	totp_step = greatest(p.totp_step, l.step)
FROM (SELECT actor, coalesce(max((b->>'totp_step')::bigint), 0) AS step FROM e GROUP BY actor) l
WHERE p.id = l.actor;

-- They count from the last log-in that was applied on. failed_at is of the last one, by which those that were counted just now are known again.
-- name: apply_login_failed(node uuid, from_seq bigint, to_seq bigint)
UPDATE principal p SET
	failed = p.failed + f.n,
	failed_at = f.at
FROM (SELECT actor, count(*)::int AS n, (array_agg(at ORDER BY seq DESC))[1] AS at FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :LOGIN_FAILED GROUP BY actor) f
WHERE p.id = f.actor AND p.failed_at IS DISTINCT FROM f.at;

-- name: apply_logout(node uuid, from_seq bigint, to_seq bigint)
UPDATE session s SET ended_at = least(s.ended_at, e.at)
FROM (SELECT object, min(at) AS at FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :LOGOUT GROUP BY object) e
WHERE s.id = e.object;

-- All sessions of a user but the one that did it (keep).
-- name: apply_sessions_ended(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT object AS subject, seq, at, (body::jsonb->>'keep')::uuid AS keep, NULL AS knew, false AS stands FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :SESSIONS_ENDED
), :new_endings(e)
UPDATE session SET ended_at = least(session.ended_at, x.at) FROM :overtaken(s.principal = n.subject) x
WHERE session.mac = x.mac;

-- name: apply_session_seen(node uuid, from_seq bigint, to_seq bigint)
UPDATE session s SET seen_at = greatest(s.seen_at, e.at)
FROM (SELECT object, max(at) AS at FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :SESSION_SEEN GROUP BY object) e
WHERE s.id = e.object AND s.seen_at < e.at;

-- By an earlier release. The password that follows takes the token away, unless there is another one that it did not know of.
-- name: apply_user_setup_used(node uuid, from_seq bigint, to_seq bigint)
UPDATE principal p SET setup_mac = NULL, setup_until = NULL
FROM event e
WHERE e.node = $1 AND e.seq BETWEEN $2 AND $3 AND e.kind = :USER_SETUP_USED AND p.id = e.object AND NOT e.body::jsonb ? 'knew';
