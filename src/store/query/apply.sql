-- SPDX-License-Identifier: Apache-2.0
-- Turns events into rows: users, resources, accounts, versions, shares. Each takes the events of one kind in a range of
-- one node's log. Several events of one record in a range count in their order: the last word wins, field by field.
-- Doing it twice changes nothing.

-- The event as `standing` names it.
-- fragment: stamp(seq)
$1::text || '/' || :seq

-- It has not been applied yet: what stands (t) is not its word.
-- fragment: not_yet(t, seq)
coalesce(:t.stamp, '') NOT IN (:stamp(:seq), :stamp(:seq) || '+')

-- What stands after a row of r: a "+" says that it was merged with what another node had said apart from it.
-- fragment: new_stamp()
CASE WHEN apart THEN stamp || '+' ELSE stamp END

-- What administrators decide. e: rows (object, principal, what, seq, at, value, upon, held, safer): what the event wants, what it was
-- made upon, what is held now, and whether that is the safer of the two. Where both sides changed it apart from each other the safer counts
-- (r.result), and the conflict is kept for people.
-- fragment: decided(e)
o AS MATERIALIZED (
	SELECT :e.*, :stamp(:e.seq) AS stamp, :e.upon IS NOT NULL AND :e.upon <> coalesce(t.stamp, '') AS apart
	FROM :e LEFT JOIN standing t ON t.object = :e.object AND t.principal = :e.principal AND t.what = :e.what
	WHERE :not_yet(t, :e.seq)
), r AS MATERIALIZED (
	SELECT o.*, CASE WHEN apart AND safer THEN held ELSE value END AS result FROM o
), k AS (
	INSERT INTO standing (object, principal, what, stamp)
	SELECT object, principal, what, :new_stamp() FROM r
	ON CONFLICT (object, principal, what) DO UPDATE SET stamp = excluded.stamp
), c AS (
	INSERT INTO admin_conflict (node, seq, what, at, object, principal, kept, lost)
	SELECT $1, seq, what, at, object, principal, result, CASE WHEN result = value THEN held ELSE value END
	FROM r WHERE apart AND value <> held
	ON CONFLICT DO NOTHING
)

-- name: apply_user_created(node uuid, from_seq bigint, to_seq bigint)
INSERT INTO principal (id, name, role, setup_mac, setup_until, created_at, made_on, made_by)
SELECT object, b->>'name', b->>'role', decode(b->>'setup_mac', 'hex'), (b->>'setup_until')::timestamptz, at, :writer($1), actor
FROM (SELECT seq, at, actor, object, body::jsonb AS b FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :USER_CREATED) e
ORDER BY seq
ON CONFLICT (id) DO NOTHING;

-- Whoever is disabled has no session any more. An event names what it was made upon (upon_…); when the record stands
-- otherwise now, both sides changed it apart from each other, and the safer of the two counts: disabled, and no administrator. Of a name the last word.
-- name: apply_user_changed(node uuid, from_seq bigint, to_seq bigint)
WITH x AS MATERIALIZED (
	SELECT seq, at, object, body::jsonb AS b FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :USER_CHANGED
), e AS MATERIALIZED (
	SELECT x.object, f.what, f.safe, max(x.seq) AS seq, max(x.at) AS at,
		(array_agg(b->>f.what ORDER BY seq DESC))[1] AS value,
		(array_agg(b->>('upon_' || f.what) ORDER BY seq))[1] AS upon
	FROM x JOIN (VALUES ('role', 'user'), ('disabled', 'true')) f (what, safe) ON b ? f.what
	GROUP BY x.object, f.what, f.safe
), h AS (
	SELECT e.*, e.object AS principal, a.held, a.held = e.safe AS safer FROM e JOIN principal p ON p.id = e.object
	CROSS JOIN LATERAL (SELECT CASE e.what WHEN 'role' THEN p.role ELSE p.disabled::text END AS held) a
), :decided(h), d AS (
	SELECT object AS subject, seq, at, NULL::uuid AS keep, NULL AS knew, false AS stands FROM x WHERE b->>'disabled' = 'true'
), :end_sessions(d, s.principal = n.subject)
UPDATE principal p SET role = coalesce(q.role, p.role), disabled = coalesce(q.disabled::boolean, p.disabled),
	name = coalesce(q.name, p.name)
FROM (SELECT object, max(result) FILTER (WHERE what = 'role') AS role,
		max(result) FILTER (WHERE what = 'disabled') AS disabled, max(result) FILTER (WHERE what = 'name') AS name
	FROM (SELECT object, what, result FROM r
		UNION ALL SELECT object, 'name', (array_agg(b->>'name' ORDER BY seq DESC))[1] FROM x WHERE b ? 'name' GROUP BY object) w
	GROUP BY object) q
WHERE p.id = q.object;

-- A new password, or (password_hash null) a new set-up token. All sessions end but the one that did it.
-- name: apply_user_password(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT object AS subject, seq, at, body::jsonb AS b, (body::jsonb->>'keep')::uuid AS keep FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :USER_PASSWORD
), :set_credentials(e)
UPDATE principal p SET :credentials_of(w, p), failed = 0, failed_at = NULL
FROM (SELECT DISTINCT subject FROM e) x LEFT JOIN w ON w.subject = x.subject WHERE p.id = x.subject;

-- The step of the code that confirmed it is remembered, so that it is not taken once more.
-- name: apply_user_totp(node uuid, from_seq bigint, to_seq bigint)
UPDATE principal p SET totp_sealed = decode(e.b->>'totp_sealed', 'base64'),
	totp_step = greatest(p.totp_step, coalesce((e.b->>'totp_step')::bigint, 0))
FROM (SELECT DISTINCT ON (object) object, body::jsonb AS b FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :USER_TOTP
	ORDER BY object, seq DESC) e
WHERE p.id = e.object;

-- name: apply_resource_created(node uuid, from_seq bigint, to_seq bigint)
INSERT INTO resource (id, name, type, address, url, description, owner, created_at, made_on, made_by)
SELECT object, b->>'name', coalesce(b->>'type', ''), coalesce(b->>'address', ''), coalesce(b->>'url', ''),
	coalesce(b->>'description', ''), (b->>'owner')::uuid, at, :writer($1), actor
FROM (SELECT seq, at, actor, object, body::jsonb AS b FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :RESOURCE_CREATED) e
ORDER BY seq
ON CONFLICT (id) DO NOTHING;

-- name: apply_resource_changed(node uuid, from_seq bigint, to_seq bigint)
UPDATE resource r SET name = coalesce(e.name, r.name), type = coalesce(e.type, r.type),
	address = coalesce(e.address, r.address), url = coalesce(e.url, r.url),
	description = coalesce(e.description, r.description), owner = coalesce(e.owner, r.owner)
FROM (SELECT object,
		(array_agg(b->>'name' ORDER BY seq DESC) FILTER (WHERE b ? 'name'))[1] AS name,
		(array_agg(b->>'type' ORDER BY seq DESC) FILTER (WHERE b ? 'type'))[1] AS type,
		(array_agg(b->>'address' ORDER BY seq DESC) FILTER (WHERE b ? 'address'))[1] AS address,
		(array_agg(b->>'url' ORDER BY seq DESC) FILTER (WHERE b ? 'url'))[1] AS url,
		(array_agg(b->>'description' ORDER BY seq DESC) FILTER (WHERE b ? 'description'))[1] AS description,
		(array_agg((b->>'owner')::uuid ORDER BY seq DESC) FILTER (WHERE b ? 'owner'))[1] AS owner
	FROM (SELECT seq, object, body::jsonb AS b FROM event
		WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :RESOURCE_CHANGED) x
	GROUP BY object) e
WHERE r.id = e.object;

-- name: apply_resource_deleted(node uuid, from_seq bigint, to_seq bigint)
UPDATE resource r SET deleted_at = e.at, deleted_by = e.actor, binned_at = e.at
FROM event e
WHERE e.node = $1 AND e.seq BETWEEN $2 AND $3 AND e.kind = :RESOURCE_DELETED AND r.id = e.object AND r.deleted_at IS NULL;

-- name: apply_account_created(node uuid, from_seq bigint, to_seq bigint)
INSERT INTO account (id, resource, login, description, created_at, made_on, made_by)
SELECT object, (b->>'resource')::uuid, b->>'login', coalesce(b->>'description', ''), at, :writer($1), actor
FROM (SELECT seq, at, actor, object, body::jsonb AS b FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :ACCOUNT_CREATED) e
ORDER BY seq
ON CONFLICT (id) DO NOTHING;

-- name: apply_account_changed(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT object,
		(array_agg(b->>'login' ORDER BY seq DESC) FILTER (WHERE b ? 'login'))[1] AS login,
		(array_agg(b->>'description' ORDER BY seq DESC) FILTER (WHERE b ? 'description'))[1] AS description,
		(array_agg((b->>'conflict')::boolean ORDER BY seq DESC) FILTER (WHERE b ? 'conflict'))[1] AS conflict
	FROM (SELECT seq, object, body::jsonb AS b FROM event
		WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :ACCOUNT_CHANGED) x
	GROUP BY object
), v AS (
	UPDATE version SET sibling = false FROM e
	WHERE version.account = e.object AND NOT e.conflict AND version.sibling
)
UPDATE account a SET login = coalesce(e.login, a.login), description = coalesce(e.description, a.description),
	conflict = coalesce(e.conflict, a.conflict)
FROM e WHERE a.id = e.object;

-- name: apply_account_deleted(node uuid, from_seq bigint, to_seq bigint)
UPDATE account a SET deleted_at = e.at, deleted_by = e.actor, binned_at = e.at
FROM event e
WHERE e.node = $1 AND e.seq BETWEEN $2 AND $3 AND e.kind = :ACCOUNT_DELETED AND a.id = e.object AND a.deleted_at IS NULL;

-- What it held is with the other one by events of its own; it goes as one that is removed.
-- name: apply_account_combined(node uuid, from_seq bigint, to_seq bigint)
UPDATE account a SET deleted_at = e.at, deleted_by = e.actor, binned_at = e.at
FROM event e
WHERE e.node = $1 AND e.seq BETWEEN $2 AND $3 AND e.kind = :ACCOUNT_COMBINED AND a.id = e.object AND a.deleted_at IS NULL;

-- Versions that follow each other from the account's current one become current. Whatever was made upon another one
-- (elsewhere, in a cut) becomes a sibling under the next free number, and the account is in conflict. What each was made upon it
-- says itself (upon), or, written by an earlier release, by number alone; based_on becomes the number that this has here. One that was made in emergency by someone who is not
-- entitled to it (any more) is kept and changes nothing: it waits for approval. What is merged into something
-- that was removed is in the bin with it, also where the bin was emptied of it, and its time there begins anew (by the clock of the
-- node that took it in, which says when that node empties the bin, and nothing else).
-- name: apply_version_added(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT seq, at, object AS account, (b->>'id')::uuid AS id, (b->>'n')::int AS n, (b->>'based_on')::int AS based_on,
		b ? 'upon' AS says, (b->>'upon')::uuid AS upon,
		(b->>'author')::uuid AS author, decode(b->>'sealed', 'base64') AS sealed,
		coalesce((b->>'emergency')::boolean, false) AND NOT EXISTS (SELECT FROM account a JOIN resource r ON r.id = a.resource
			JOIN principal p ON p.id = (b->>'author')::uuid AND NOT p.disabled
			WHERE a.id = x.object AND :level_of_account(p.id, r, a) >= 2) AS waits
	FROM (SELECT seq, at, object, body::jsonb AS b FROM event
		WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :VERSION_ADDED) x
	WHERE NOT EXISTS (SELECT FROM version v WHERE v.id = (x.b->>'id')::uuid)
), o AS MATERIALIZED (
	SELECT e.*, u.n AS upon_n, a.resource,
		greatest(0, m.top + 1 - first_value(e.n) OVER (PARTITION BY e.account ORDER BY e.seq)) AS shift,
		CASE WHEN e.says THEN e.upon IS DISTINCT FROM coalesce(lag(e.id) OVER w, c.id)
			ELSE e.based_on <> coalesce(lag(e.n) OVER w, a.current_n) END AS astray
	FROM e JOIN account a ON a.id = e.account
	LEFT JOIN version c ON c.account = a.id AND c.n = a.current_n
	LEFT JOIN version u ON u.id = e.upon AND u.account = a.id
	CROSS JOIN LATERAL (SELECT coalesce(max(v.n), 0) AS top FROM version v WHERE v.account = a.id) m
	WINDOW w AS (PARTITION BY e.account, e.waits ORDER BY e.seq)
), p AS MATERIALIZED (
	SELECT o.*, o.n + o.shift AS new_n, NOT waits AND bool_or(astray) OVER w AS sibling,
		coalesce(o.upon_n, CASE WHEN o.upon = lag(o.id) OVER w THEN lag(o.n + o.shift) OVER w END, o.based_on) AS made_upon
	FROM o WINDOW w AS (PARTITION BY account, waits ORDER BY seq)
), i AS (
	INSERT INTO version (id, account, n, based_on, sealed, author, created_at, node, sibling, upon, approval)
	SELECT id, account, new_n, made_upon, sealed, author, at, :writer($1), sibling, upon, CASE WHEN waits THEN 'waits' END
	FROM p ORDER BY seq
), b AS (
	UPDATE resource r SET purged_at = NULL, binned_at = now(), bin_news = true
	FROM p WHERE r.id = p.resource AND r.deleted_at IS NOT NULL
)
UPDATE account a SET current_n = coalesce(q.n, a.current_n), conflict = a.conflict OR q.sibling,
	purged_at = NULL, binned_at = CASE WHEN a.deleted_at IS NOT NULL THEN now() END, bin_news = a.deleted_at IS NOT NULL
FROM (SELECT account, max(new_n) FILTER (WHERE NOT sibling AND NOT waits) AS n, bool_or(sibling) AS sibling
	FROM p GROUP BY account) q
WHERE a.id = q.account;

-- Someone chose a version and named the siblings that they settled with it. What they did not know of stays open: a sibling that
-- is not named, and, when the current version is not the one they chose upon, their choice itself.
-- name: apply_conflict_settled(node uuid, from_seq bigint, to_seq bigint)
WITH x AS MATERIALIZED (
	SELECT seq, object, body::jsonb AS b FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :CONFLICT_SETTLED
), k AS MATERIALIZED (
	SELECT DISTINCT s.id::uuid AS id
	FROM x CROSS JOIN LATERAL unnest(string_to_array(x.b->>'settles', ' ')) s (id) WHERE s.id <> ''
), t AS MATERIALIZED (
	SELECT e.object, c.id AS chosen, c.n, u.id IS DISTINCT FROM e.upon AND u.id IS DISTINCT FROM c.id AS astray
	FROM (SELECT object, (array_agg((b->>'id')::uuid ORDER BY seq DESC))[1] AS chosen,
			(array_agg((b->>'upon')::uuid ORDER BY seq))[1] AS upon
		FROM x GROUP BY object) e
	JOIN account a ON a.id = e.object
	JOIN version c ON c.id = e.chosen AND c.account = a.id
	LEFT JOIN version u ON u.account = a.id AND u.n = a.current_n
), o AS MATERIALIZED (
	SELECT v.id, v.account, CASE WHEN v.id = t.chosen THEN t.astray
		WHEN v.id IN (SELECT id FROM k) THEN false ELSE v.sibling END AS sibling
	FROM t JOIN version v ON v.account = t.object
), w AS (
	UPDATE version v SET sibling = o.sibling FROM o WHERE v.id = o.id AND v.sibling <> o.sibling
)
UPDATE account a SET current_n = CASE WHEN t.astray THEN a.current_n ELSE t.n END,
	conflict = (SELECT bool_or(o.sibling) FROM o WHERE o.account = a.id)
FROM t WHERE a.id = t.object;

-- As in apply_user_changed: of what both sides did apart from each other the lower level counts, and none is the lowest.
-- name: apply_shared(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT object, principal, max(seq) AS seq, max(at) AS at,
		(array_agg(level ORDER BY seq DESC))[1] AS level, (array_agg(upon ORDER BY seq))[1] AS upon
	FROM (SELECT seq, at, object, (b->>'user')::uuid AS principal, (b->>'level')::int AS level, b->>'upon' AS upon
		FROM (SELECT seq, at, object, body::jsonb AS b FROM event
			WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :SHARED) y) x
	GROUP BY object, principal
), h AS (
	SELECT e.*, 'share' AS what, e.level::text AS value, a.held::text AS held, a.held < e.level AS safer
	FROM e LEFT JOIN share s ON s.target = e.object AND s.principal = e.principal
	CROSS JOIN LATERAL (SELECT coalesce(s.level, 0) AS held) a
), :decided(h)
INSERT INTO share (target, principal, level, granted_at)
SELECT object, principal, result::int, at FROM r
WHERE NOT apart OR held <> '0'
ON CONFLICT (target, principal) DO UPDATE SET level = excluded.level, granted_at = excluded.granted_at;

-- name: apply_unshared(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT object, principal, max(seq) AS seq, max(at) AS at, (array_agg(upon ORDER BY seq))[1] AS upon
	FROM (SELECT seq, at, object, (b->>'user')::uuid AS principal, b->>'upon' AS upon
		FROM (SELECT seq, at, object, body::jsonb AS b FROM event
			WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :UNSHARED) y) x
	GROUP BY object, principal
), h AS (
	SELECT e.*, 'share' AS what, '0' AS value, coalesce(s.level, 0)::text AS held, false AS safer
	FROM e LEFT JOIN share s ON s.target = e.object AND s.principal = e.principal
), :decided(h)
DELETE FROM share s USING r
WHERE s.target = r.object AND s.principal = r.principal AND (r.upon IS NOT NULL OR s.granted_at <= r.at);

-- The log has told of them. The statements above find them, in the merge; the event follows it.
-- name: apply_admin_conflict(node uuid, from_seq bigint, to_seq bigint)
UPDATE admin_conflict c SET told = true
FROM (SELECT (body::jsonb->>'id')::uuid AS id FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :ADMIN_CONFLICT) e
WHERE c.id = e.id AND NOT c.told;

-- name: apply_admin_acknowledged(node uuid, from_seq bigint, to_seq bigint)
UPDATE admin_conflict c SET acknowledged_at = e.at, acknowledged_by = e.actor
FROM (SELECT DISTINCT ON (id) id, at, actor FROM (SELECT (body::jsonb->>'id')::uuid AS id, seq, at, actor FROM event
		WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :ADMIN_ACKNOWLEDGED) x
	ORDER BY id, seq) e
WHERE c.id = e.id AND c.acknowledged_at IS NULL;
