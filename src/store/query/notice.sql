-- SPDX-License-Identifier: Apache-2.0
-- What somebody is told when they have logged in: what was done about them since, and administrators also who else was let in anew, or became one of them, by somebody else, which
-- of them put themselves into a team, who retrieved unusually much, and to whom was handed over what somebody who left owned, who is told too. No clock
-- says since when: it is what none of their log-ins of before knew of, each of which knew what stands before it in its own chain and what that chain says
-- that it has of the others. So it is a function of the log, and needs no memory of what was told. This log-in is the event (own, seq).

-- Every chain c, and of each the last log-in l of the user before this one.
-- fragment: logins_before(user, own, seq)
c AS MATERIALIZED (
	SELECT id FROM :chains(event_notice) x
), l AS MATERIALIZED (
	SELECT x.* FROM c CROSS JOIN LATERAL (SELECT e.node, e.seq, e.at, e.address FROM event_notice e
		WHERE e.kind = :LOGIN AND e.actor = :user AND e.node = c.id AND (e.node <> :own OR e.seq < :seq) ORDER BY e.seq DESC LIMIT 1) x
)

-- Of several, which nobody can put in order, the one with the latest time: it is shown, and nothing hangs on it.
-- name: notice_last_login(user uuid, own uuid, seq bigint) -> at timestamptz, address text, node uuid, node_name text
WITH :logins_before($1, $2, $3)
SELECT l.at, l.address, :writer(l.node), n.name FROM l LEFT JOIN node n ON n.id = :writer(l.node) ORDER BY l.at DESC, l.node LIMIT 1;

-- but: an event of this chain that belongs to the log-in itself, 0: none. For each kind and chain at most `rows`, so that many of one do not hide another, and as
-- many in all: what lets somebody in first, then the newest. Of others an administrator is told from their second log-in on.
-- name: notice_list(user uuid, own uuid, seq bigint, but bigint, administrator bool, rows int) ->
--   what text, value text, at timestamptz, object uuid, object_name text, actor uuid, actor_name text, address text, node uuid, node_name text
WITH :logins_before($1, $2, $3), m AS MATERIALIZED (
	SELECT c.id AS node, greatest((SELECT l.seq FROM l WHERE l.node = c.id),
		(SELECT max(k.upto) FROM l CROSS JOIN LATERAL (SELECT (h.body::jsonb->>'to')::bigint AS upto FROM event_notice h
			WHERE h.node = l.node AND h.object = c.id AND h.seq < l.seq AND h.kind IN (:MERGED, :SEEN) AND strpos(h.body, '"not_applied"') = 0
			ORDER BY h.seq DESC LIMIT 1) k), 0) AS seq
	FROM c
), x AS MATERIALIZED (
	SELECT e.* FROM m CROSS JOIN unnest(ARRAY[:USER_CHANGED, :USER_PASSWORD, :USER_TOTP, :USER_RECOVERED, :SESSIONS_ENDED]) k (kind)
	CROSS JOIN LATERAL (SELECT about.* FROM event_notice about
		WHERE about.object = $1 AND about.kind IN (:USER_CHANGED, :USER_PASSWORD, :USER_TOTP, :USER_RECOVERED, :SESSIONS_ENDED)
			AND about.kind = k.kind AND about.node = m.node AND about.seq > m.seq AND (about.node <> $2 OR about.seq <> $4)
		ORDER BY about.seq DESC LIMIT $6) e
	UNION ALL SELECT e.* FROM m CROSS JOIN unnest(ARRAY[:USER_PASSWORD, :USER_TOTP, :USER_RECOVERED]) k (kind)
	CROSS JOIN LATERAL (SELECT other.* FROM event_notice other
		WHERE other.kind IN (:USER_PASSWORD, :USER_TOTP, :USER_RECOVERED) AND other.actor IS DISTINCT FROM other.object
			AND other.kind = k.kind AND other.node = m.node AND other.seq > m.seq AND other.object <> $1
		ORDER BY other.seq DESC LIMIT $6) e
	WHERE $5 AND EXISTS (SELECT FROM l)
	UNION ALL SELECT e.* FROM m CROSS JOIN unnest(ARRAY[:USER_CREATED, :USER_CHANGED]) k (kind)
	CROSS JOIN LATERAL (SELECT raised.* FROM event_notice raised
		WHERE raised.kind IN (:USER_CREATED, :USER_CHANGED) AND raised.body::jsonb->>'role' = 'administrator'
			AND raised.kind = k.kind AND raised.node = m.node AND raised.seq > m.seq AND raised.object <> $1
		ORDER BY raised.seq DESC LIMIT $6) e
	WHERE $5 AND EXISTS (SELECT FROM l)
	UNION ALL SELECT e.* FROM m
	CROSS JOIN LATERAL (SELECT joined.* FROM event_notice joined
		WHERE joined.kind = :MEMBER_ADDED AND (joined.body::jsonb->>'user')::uuid = joined.actor
			AND joined.node = m.node AND joined.seq > m.seq AND joined.actor <> $1
		ORDER BY joined.seq DESC LIMIT $6) e
	WHERE $5 AND EXISTS (SELECT FROM l)
	UNION ALL SELECT e.* FROM m CROSS JOIN LATERAL (SELECT much.* FROM event_unusual much WHERE much.node = m.node AND much.seq > m.seq ORDER BY much.seq DESC LIMIT $6) e
	WHERE $5 AND EXISTS (SELECT FROM l)
	UNION ALL SELECT e.* FROM m
	CROSS JOIN LATERAL (SELECT gone.* FROM event_notice gone
		WHERE gone.kind = :USER_LEFT AND gone.node = m.node AND gone.seq > m.seq AND ($5 OR gone.object = $1)
		ORDER BY gone.seq DESC LIMIT $6) e
	WHERE EXISTS (SELECT FROM l)
), t AS MATERIALIZED (
	SELECT x.*, x.body::jsonb AS b, x.kind IN (:USER_CREATED, :USER_PASSWORD, :USER_TOTP, :USER_RECOVERED) AS lets_in FROM x
	WHERE x.kind <> :SESSIONS_ENDED OR NOT EXISTS (SELECT FROM event_notice f
		WHERE f.node = x.node AND f.seq = x.seq - 1 AND f.kind = :USER_TOTP AND f.object = x.object)
)
SELECT w.what, w.value, t.at, o.id, o.name, t.actor, a.name, t.address, :writer(t.node), n.name
FROM t CROSS JOIN LATERAL (
	SELECT 'recovered' AS what, NULL AS value WHERE t.kind = :USER_RECOVERED
	UNION ALL SELECT CASE WHEN t.b->>'password_hash' IS NULL THEN 'password_reset' ELSE 'password_changed' END, NULL WHERE t.kind = :USER_PASSWORD
	UNION ALL SELECT CASE WHEN t.b->>'totp_sealed' IS NULL THEN 'factor_removed' ELSE 'factor_set' END, NULL WHERE t.kind = :USER_TOTP
	UNION ALL SELECT 'created', t.b->>'role' WHERE t.kind = :USER_CREATED
	UNION ALL SELECT 'sessions_ended', NULL WHERE t.kind = :SESSIONS_ENDED
	UNION ALL SELECT 'retrievals_unusual', 'more than ' || (t.b->>'more_than') || ' in ' || (t.b->>'within_s') || ' s' WHERE t.kind = :RETRIEVALS_UNUSUAL
	UNION ALL SELECT 'renamed', t.b->>'name' WHERE t.kind = :USER_CHANGED AND t.b ? 'name'
	UNION ALL SELECT 'role_changed', t.b->>'role' WHERE t.kind = :USER_CHANGED AND t.b ? 'role'
	UNION ALL SELECT CASE t.b->>'disabled' WHEN 'true' THEN 'disabled' ELSE 'enabled' END, NULL WHERE t.kind = :USER_CHANGED AND t.b ? 'disabled'
	UNION ALL SELECT 'joined', (SELECT g.name FROM principal g WHERE g.id = t.object) WHERE t.kind = :MEMBER_ADDED
	UNION ALL SELECT 'handed_over', t.b->>'name' WHERE t.kind = :USER_LEFT
) w
LEFT JOIN principal o ON o.id = CASE t.kind WHEN :MEMBER_ADDED THEN t.actor ELSE t.object END
LEFT JOIN principal a ON a.id = t.actor AND t.kind <> :RETRIEVALS_UNUSUAL LEFT JOIN node n ON n.id = :writer(t.node)
ORDER BY t.lets_in DESC, t.at DESC, t.node, t.seq DESC, w.what LIMIT $6;

-- role: holdfast

-- What the agents say of it to those who get alerts: of each chain the last password that was reset and the last factor that was removed by somebody else.
-- name: notice_let_in() -> id uuid, at timestamptz
SELECT md5(e.node || '/' || e.seq)::uuid, e.at FROM :chains(event_notice) c CROSS JOIN unnest(ARRAY[:USER_PASSWORD, :USER_TOTP]) k (kind)
CROSS JOIN LATERAL (SELECT other.node, other.seq, other.at FROM event_notice other
	WHERE other.kind IN (:USER_PASSWORD, :USER_TOTP, :USER_RECOVERED) AND other.actor IS DISTINCT FROM other.object
		AND other.kind = k.kind AND other.node = c.id
	ORDER BY other.seq DESC LIMIT 1) e
ORDER BY e.at DESC, e.node, e.seq DESC LIMIT 16;

-- And the last of each chain that says of a user that they retrieved unusually much.
-- name: notice_unusual() -> id uuid, at timestamptz
SELECT md5(e.node || '/' || e.seq)::uuid, e.at FROM :chains(event_notice) c CROSS JOIN LATERAL (SELECT much.node, much.seq, much.at FROM event_unusual much
	WHERE much.node = c.id ORDER BY much.seq DESC LIMIT 1) e
ORDER BY e.at DESC, e.node, e.seq DESC LIMIT 16;
