-- SPDX-License-Identifier: Apache-2.0
-- An administrator is let in again, by who has the machine and the key file.

-- As apply_user_password with a set-up token; the second factor goes with the password. enabled: they were disabled, and nobody was left who could
-- change that.
-- name: apply_user_recovered(node uuid, from_seq bigint, to_seq bigint)
WITH x AS MATERIALIZED (
	SELECT object AS subject, seq, at, NULL::uuid AS keep, body::jsonb AS b FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :USER_RECOVERED
), e AS MATERIALIZED (
	SELECT DISTINCT subject AS object FROM x
), :set_credentials(x), k AS MATERIALIZED (
	SELECT seq, at, subject AS object, subject AS principal, f.what, f.value,
		CASE WHEN NOT b ? 'knew' AND :names_nobody($1, x.seq) THEN '*' END AS upon
	FROM x JOIN (VALUES ('disabled', 'false'), ('factor', '')) f (what, value) ON f.what = 'factor' OR b->>'enabled' = 'true'
), outdated AS (
	:outdates(k)
), said AS (
	:says(k)
), c AS (
	INSERT INTO admin_conflict (node, seq, what, at, object, principal, kept, lost, told, acknowledged_at, acknowledged_by)
	SELECT $1, n.seq, n.what, n.at, n.object, n.principal, n.kept, n.lost, true, a.at, a.actor
	FROM (SELECT seq, 'recovered' AS what, at, subject AS object, subject AS principal, 'a set-up token' AS kept, 'password and second factor' AS lost FROM x) n
	LEFT JOIN LATERAL :acknowledged(:conflict_id($1, n.seq, n, n.kept, n.lost)::uuid::text, NULL) a ON true
	ON CONFLICT DO NOTHING
)
UPDATE principal p SET :credentials_of(w, p), failed = 0, failed_at = NULL
FROM e LEFT JOIN w ON w.subject = e.object WHERE p.id = e.object;

-- role: holdfast

-- others: administrators who can log in, but for this one. primary_name: of the node that is the primary.
-- name: recover_user(name text, plain text, tail text) ->
--   id uuid, name text, administrator bool, disabled bool, others bigint, standby bool, primary_name text, knew text
SELECT p.id, p.name, p.role = 'administrator', p.disabled,
	(SELECT count(*) FROM principal o WHERE o.role = 'administrator' AND NOT o.disabled AND o.password_hash IS NOT NULL AND o.id <> p.id),
	pg_is_in_recovery(), coalesce((SELECT name FROM node ORDER BY primary_since_term DESC NULLS LAST LIMIT 1), ''),
	:known_endings(p.id)
FROM :named_users($1, $2, $3) p;

-- name: recover_ask(object uuid, body text) -> id bigint
INSERT INTO ha_request (kind, object, body) VALUES (:USER_RECOVERED, $1, $2) RETURNING id;

-- waits: the writer has not looked at it yet. done: it counts.
-- name: recover_look(id bigint, object uuid, setup_mac text) -> waits bool, done bool
SELECT EXISTS (SELECT FROM ha_request WHERE id = $1),
	EXISTS (SELECT FROM principal WHERE id = $2 AND setup_mac = decode($3, 'hex'));

-- name: recover_withdraw(id bigint)
DELETE FROM ha_request WHERE id = $1;

-- What the agents say of it to those who get alerts: the last that no administrator has acknowledged.
-- name: recover_last() -> id uuid, at timestamptz, name text
SELECT c.id, c.at, p.name FROM admin_conflict c JOIN principal p ON p.id = c.principal
WHERE c.acknowledged_at IS NULL AND c.what = 'recovered' ORDER BY c.at DESC LIMIT 1;
