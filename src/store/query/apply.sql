-- SPDX-License-Identifier: Apache-2.0
-- Turns events into rows: users, resources, accounts, versions, shares. Each takes the events of one kind in a range of
-- one node's log. Several events of one record in a range count in their order.
-- Doing it twice changes nothing.

-- The step of the last code that the log says the user gave.
-- fragment: last_step(user)
greatest(0, (SELECT max((told.body::jsonb->>'totp_step')::bigint) FROM event told WHERE told.object = :user AND told.kind IN (:USER_PASSWORD, :USER_TOTP)),
	(SELECT max((told.body::jsonb->>'totp_step')::bigint) FROM event told WHERE told.actor = :user AND told.kind = :LOGIN))

-- What they set since may have come before.
-- name: apply_user_created(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT seq, at, actor, object, body::jsonb AS b FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :USER_CREATED
), m AS MATERIALIZED (
	SELECT d.subject, d.node, d.seq FROM e JOIN ending d ON d.subject = e.object WHERE d.stands
), w AS MATERIALIZED (
	:credentials_that_count(m)
)
INSERT INTO principal (id, name, role, made_as, password_hash, setup_mac, setup_until, totp_step, created_at, made_on, made_by)
SELECT object, e.b->>'name', e.b->>'role', e.b->>'role', s.b->>'password_hash', decode(s.b->>'setup_mac', 'hex'), (s.b->>'setup_until')::timestamptz,
	:last_step(e.object), at, :writer($1), actor
FROM e LEFT JOIN w ON w.subject = e.object CROSS JOIN LATERAL (SELECT coalesce(w.b, e.b) AS b) s
ORDER BY seq
ON CONFLICT (id) DO NOTHING;

-- Whoever is disabled has no session any more.
-- name: apply_user_changed(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT x.seq, x.at, x.object, x.object AS principal, f.what, b->>f.what AS value, b->>('upon_' || f.what) AS upon
	FROM (SELECT seq, at, object, body::jsonb AS b FROM event
		WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :USER_CHANGED) x
	JOIN (VALUES ('name'), ('role'), ('disabled')) f (what) ON b ? f.what
), w AS (
	:outdates(e)
), d AS (
	SELECT object AS subject, seq, at, NULL::uuid AS keep, NULL AS knew, false AS stands FROM e WHERE what = 'disabled' AND value = 'true'
), :end_sessions(d, s.principal = n.subject)
:says(e);

-- A new password, or (password_hash null) a new set-up token. All sessions end but the one that did it. A code that went with it is remembered, so that it
-- is not taken once more.
-- name: apply_user_password(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT object AS subject, seq, at, body::jsonb AS b, (body::jsonb->>'keep')::uuid AS keep FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :USER_PASSWORD
), :set_credentials(e)
UPDATE principal p SET :credentials_of(w, p), failed = 0, failed_at = NULL, totp_step = greatest(p.totp_step, x.step)
FROM (SELECT subject, max((b->>'totp_step')::bigint) AS step FROM e GROUP BY subject) x LEFT JOIN w ON w.subject = x.subject WHERE p.id = x.subject;

-- The step of the code that confirmed it is remembered, so that it is not taken once more.
-- name: apply_user_totp(node uuid, from_seq bigint, to_seq bigint)
WITH x AS MATERIALIZED (
	SELECT seq, at, object, body::jsonb AS b FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :USER_TOTP
), e AS MATERIALIZED (
	SELECT seq, at, object, object AS principal, 'factor' AS what, coalesce(b->>'totp_sealed', '') AS value, NULL::text AS upon FROM x
), w AS (
	:outdates(e)
), p AS (
	UPDATE principal p SET totp_step = greatest(p.totp_step, s.step)
	FROM (SELECT object, max((b->>'totp_step')::bigint) AS step FROM x GROUP BY object) s WHERE p.id = s.object
)
:says(e);

-- name: apply_resource_created(node uuid, from_seq bigint, to_seq bigint)
WITH r AS (
	INSERT INTO resource (id, name, type, address, url, description, owner, first_owner, folder, first_folder, created_at, made_on, made_by)
	SELECT object, b->>'name', coalesce(b->>'type', ''), coalesce(b->>'address', ''), coalesce(b->>'url', ''),
		coalesce(b->>'description', ''), (b->>'owner')::uuid, (b->>'owner')::uuid, nullif(b->>'folder', '')::uuid, nullif(b->>'folder', '')::uuid, at, :writer($1), actor
	FROM (SELECT seq, at, actor, object, body::jsonb AS b FROM event
		WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :RESOURCE_CREATED) x
	ORDER BY seq
	ON CONFLICT (id) DO NOTHING
), e AS MATERIALIZED :entry_words(:RESOURCE_CREATED, 'folder'),
w AS (
	:outdates(e)
)
:says(e);

-- name: apply_resource_changed(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT * FROM :text_words(:RESOURCE_CHANGED, '{name,type,address,url,description,owner,offer,folder}') t
	UNION ALL SELECT * FROM :entry_words(:RESOURCE_CHANGED, 'folder') i
), w AS (
	:outdates(e)
)
:says(e);

-- name: apply_resource_deleted(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED :removal_words(:RESOURCE_DELETED, 'true'),
w AS (
	:outdates(e)
)
:says(e);

-- Whoever makes something in a resource says that it is there.
-- name: apply_account_created(node uuid, from_seq bigint, to_seq bigint)
WITH x AS MATERIALIZED (
	SELECT seq, at, actor, object, body::jsonb AS b FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :ACCOUNT_CREATED
), a AS (
	INSERT INTO account (id, resource, login, description, created_at, made_on, made_by)
	SELECT object, (b->>'resource')::uuid, b->>'login', coalesce(b->>'description', ''), at, :writer($1), actor
	FROM x ORDER BY seq
	ON CONFLICT (id) DO NOTHING
), e AS MATERIALIZED (
	SELECT seq, at, (b->>'resource')::uuid AS object, :nobody() AS principal, 'removed' AS what, 'false' AS value, NULL::text AS upon FROM x
), w AS (
	:outdates(e)
)
:says(e);

-- conflict: by an earlier release, that all siblings were settled.
-- name: apply_account_changed(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED :text_words(:ACCOUNT_CHANGED, '{login,description}'),
w AS (
	:outdates(e)
), k AS MATERIALIZED (
	SELECT object, (array_agg((b->>'conflict')::boolean ORDER BY seq DESC))[1] AS conflict
	FROM (SELECT seq, object, body::jsonb AS b FROM event
		WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :ACCOUNT_CHANGED) x
	WHERE b ? 'conflict' GROUP BY object
), v AS (
	UPDATE version SET sibling = false FROM k
	WHERE version.account = k.object AND NOT k.conflict AND version.sibling
), a AS (
	UPDATE account a SET conflict = k.conflict FROM k WHERE a.id = k.object
)
:says(e);

-- name: apply_account_deleted(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED :removal_words(:ACCOUNT_DELETED, 'true'),
w AS (
	:outdates(e)
)
:says(e);

-- What it held is with the other one by events of its own; it goes as one that is removed.
-- name: apply_account_combined(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED :removal_words(:ACCOUNT_COMBINED, 'true'),
w AS (
	:outdates(e)
)
:says(e);

-- Versions that follow each other from the account's current one become current. Whatever was made upon another one is a sibling, and the account is in conflict.
-- What each was made upon it says itself (upon), or, written by an earlier release, by number alone; n and based_on become the numbers that they have here. One
-- whose author has no right to it is kept and changes nothing: it waits for approval. Where others said something of the account apart from
-- these, retell_versions follows (word_version.sql).
-- name: apply_version_added(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT seq, at, object AS account, (b->>'id')::uuid AS id, (b->>'n')::int AS said, (b->>'based_on')::int AS based_on,
		b ? 'upon' AS says, (b->>'upon')::uuid AS upon,
		(b->>'author')::uuid AS author, decode(b->>'sealed', 'base64') AS sealed, coalesce((b->>'emergency')::boolean, false) AS emergency,
		b->>'upon' IS NOT NULL AND :waits($1, x.seq, (x.b->>'author')::uuid, x.object, coalesce((b->>'emergency')::boolean, false)) AS waits
	FROM (SELECT seq, at, object, body::jsonb AS b FROM event
		WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :VERSION_ADDED) x
	WHERE NOT EXISTS (SELECT FROM version v WHERE v.id = (x.b->>'id')::uuid)
), o AS MATERIALIZED (
	SELECT e.*, u.n AS upon_n, m.top + row_number() OVER (PARTITION BY e.account ORDER BY e.seq) AS n,
		CASE WHEN e.says THEN e.upon IS DISTINCT FROM coalesce(lag(e.id) OVER w, c.id)
			ELSE e.based_on <> coalesce(lag(e.said) OVER w, a.current_n, 0) END AS astray
	FROM e LEFT JOIN account a ON a.id = e.account
	LEFT JOIN version c ON c.account = a.id AND c.n = a.current_n
	LEFT JOIN version u ON u.id = e.upon AND u.account = e.account
	CROSS JOIN LATERAL (SELECT coalesce(max(v.n), 0) AS top FROM version v WHERE v.account = e.account) m
	WINDOW w AS (PARTITION BY e.account, e.waits ORDER BY e.seq)
), p AS MATERIALIZED (
	SELECT o.*, NOT waits AND bool_or(astray) OVER w AS sibling,
		coalesce(o.upon_n, CASE WHEN o.upon = lag(o.id) OVER w THEN lag(o.n) OVER w
			WHEN o.upon IS NOT NULL THEN (SELECT base.n FROM o base WHERE base.id = o.upon AND base.account = o.account) END, o.based_on) AS made_upon
	FROM o WINDOW w AS (PARTITION BY account, waits ORDER BY seq)
), i AS (
	INSERT INTO version (id, account, n, based_on, sealed, author, created_at, node, sibling, upon, approval, chain, seq, emergency)
	SELECT id, account, n, made_upon, sealed, author, at, :writer($1), sibling, upon, CASE WHEN waits THEN 'waits' END, $1, seq, emergency
	FROM p ORDER BY seq
)
UPDATE account a SET current_n = coalesce(q.n, a.current_n), conflict = a.conflict OR q.sibling
FROM (SELECT account, max(n) FILTER (WHERE NOT sibling AND NOT waits) AS n, bool_or(sibling) AS sibling
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

-- name: apply_shared(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT seq, at, object, (b->>'user')::uuid AS principal, 'share' AS what, (b->>'level') || coalesce(' ' || (b->>'until'), '') AS value, b->>'upon' AS upon
	FROM (SELECT seq, at, object, body::jsonb AS b FROM event
		WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :SHARED) x
), w AS (
	:outdates(e)
)
:says(e);

-- name: apply_unshared(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT seq, at, object, (b->>'user')::uuid AS principal, 'share' AS what, '0' AS value, b->>'upon' AS upon
	FROM (SELECT seq, at, object, body::jsonb AS b FROM event
		WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :UNSHARED) x
), w AS (
	:outdates(e)
)
:says(e);

-- The log has told of them; weigh_words finds them, in the merge, and the event follows it.
-- name: apply_admin_conflict(node uuid, from_seq bigint, to_seq bigint)
UPDATE admin_conflict c SET told = true
FROM (SELECT (body::jsonb->>'id')::uuid AS id FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :ADMIN_CONFLICT) e
WHERE (c.id = e.id OR c.met_id = e.id) AND NOT c.told;

-- name: apply_admin_acknowledged(node uuid, from_seq bigint, to_seq bigint)
UPDATE admin_conflict c SET (acknowledged_at, acknowledged_by) = (SELECT k.at, k.actor FROM :acknowledged(c.id::text, c.met_id::text) k)
FROM (SELECT DISTINCT (body::jsonb->>'id')::uuid AS id FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :ADMIN_ACKNOWLEDGED) e
WHERE c.id = e.id OR c.met_id = e.id;
