-- SPDX-License-Identifier: Apache-2.0
-- The bin: what was removed and can be brought back. An account that went with its resource has no deleted_at of its own, so it
-- comes back with it; one that was removed before on its own does not. Levels as in resource.sql.

-- A resource comes back as it was, whatever was changed in it elsewhere meanwhile; name: it takes another one. Accounts that the bin was
-- emptied of do not (weigh_words).
-- name: apply_resource_restored(node uuid, from_seq bigint, to_seq bigint)
WITH x AS MATERIALIZED :removal_words(:RESOURCE_RESTORED, 'false'),
e AS MATERIALIZED (
	SELECT * FROM x UNION ALL SELECT * FROM :text_words(:RESOURCE_RESTORED, '{name}') t
), w AS (
	:outdates(e)
)
:says(e);

-- name: apply_account_restored(node uuid, from_seq bigint, to_seq bigint)
WITH x AS MATERIALIZED :removal_words(:ACCOUNT_RESTORED, 'false'),
e AS MATERIALIZED (
	SELECT * FROM x UNION ALL SELECT * FROM :text_words(:ACCOUNT_RESTORED, '{login}') t
), w AS (
	:outdates(e)
)
:says(e);

-- The bin is emptied of what the event names: of that alone, so that what was changed elsewhere apart from it stays in the bin. What was brought back apart from it
-- stays too (word_bin.sql). An account is gone when no version of it is left, a resource when no account is; since the first time, of several.
-- name: apply_bin_emptied(node uuid, from_seq bigint, to_seq bigint)
WITH n AS MATERIALIZED (
	SELECT t.what, u.id::uuid AS id, x.seq, x.at
	FROM (SELECT seq, at, body::jsonb AS b FROM event WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :BIN_EMPTIED) x
	CROSS JOIN (VALUES ('versions'), ('accounts'), ('resources')) t (what)
	CROSS JOIN LATERAL unnest(string_to_array(x.b->>t.what, ' ')) u (id)
	WHERE u.id <> ''
), e AS (
	INSERT INTO emptied (object, chain, seq, at) SELECT id, $1, seq, at FROM n ON CONFLICT DO NOTHING
), v AS MATERIALIZED (
	SELECT v.id, v.account FROM n JOIN version v ON v.id = n.id
	JOIN account a ON a.id = v.account JOIN resource r ON r.id = a.resource
	WHERE n.what = 'versions' AND v.sealed <> '' AND (a.deleted_at IS NOT NULL OR r.deleted_at IS NOT NULL)
), a AS MATERIALIZED (
	SELECT a.id, a.resource, min(n.at) AS at FROM n JOIN account a ON a.id = n.id JOIN resource r ON r.id = a.resource
	WHERE n.what = 'accounts' AND (a.deleted_at IS NOT NULL OR r.deleted_at IS NOT NULL)
		AND NOT EXISTS (SELECT FROM version w WHERE w.account = a.id AND w.sealed <> '' AND w.id NOT IN (SELECT id FROM v))
	GROUP BY a.id
), s AS (
	UPDATE version SET sealed = '' FROM v WHERE version.id = v.id
), t AS (
	UPDATE account SET purged_at = least(purged_at, a.at) FROM a WHERE account.id = a.id
)
UPDATE resource r SET purged_at = least(r.purged_at, n.at) FROM (SELECT id, min(at) AS at FROM n WHERE what = 'resources' GROUP BY id) n
WHERE r.id = n.id AND r.deleted_at IS NOT NULL
	AND NOT EXISTS (SELECT FROM account w WHERE w.resource = r.id AND w.purged_at IS NULL AND w.id NOT IN (SELECT id FROM a));

-- What was removed and the user could manage, the last removed first: resources with the number of accounts that went with them, and accounts that
-- were removed on their own. level: the user's. since: from when its time in the bin counts. changed: a version was merged into it.
-- A page has what is behind (at, after), the time and the id of the last one of the page before.
-- name: bin_list(principal uuid, at timestamptz, after uuid, rows int) ->
--   id uuid, is_account bool, login text, resource uuid, resource_name text, resource_removed bool, accounts bigint,
--   level int, at timestamptz, by uuid, by_name text, since timestamptz, changed bool
SELECT x.id, x.is_account, x.login, x.resource, x.resource_name, x.resource_removed,
	CASE WHEN x.is_account THEN 0 ELSE (SELECT count(*) FROM account a WHERE a.resource = x.id AND a.deleted_at IS NULL) END,
	x.level, x.deleted_at, x.deleted_by, (SELECT p.name FROM principal p WHERE p.id = x.deleted_by), x.binned_at, x.bin_news
FROM ((SELECT r.id, false AS is_account, NULL::text AS login, r.id AS resource, r.name AS resource_name, true AS resource_removed,
		l.level, r.deleted_at, r.deleted_by, r.binned_at, r.bin_news
	FROM resource r :resource_shares($1, r) CROSS JOIN LATERAL (SELECT :joined_level_of_resource($1, r) AS level) l
	WHERE r.deleted_at IS NOT NULL AND r.purged_at IS NULL AND (r.deleted_at, r.id) < ($2, $3) AND l.level >= 3
	ORDER BY r.deleted_at DESC, r.id DESC LIMIT $4)
	UNION ALL
	(SELECT a.id, true, a.login, r.id, r.name, r.deleted_at IS NOT NULL,
		l.level, a.deleted_at, a.deleted_by, a.binned_at, a.bin_news
	FROM account a JOIN resource r ON r.id = a.resource :account_shares($1, r, a)
	CROSS JOIN LATERAL (SELECT :joined_level_of_account($1, r) AS level) l
	WHERE a.deleted_at IS NOT NULL AND a.purged_at IS NULL AND (a.deleted_at, a.id) < ($2, $3) AND l.level >= 3
	ORDER BY a.deleted_at DESC, a.id DESC LIMIT $4)
	ORDER BY deleted_at DESC, id DESC LIMIT $4) x
ORDER BY x.deleted_at DESC, x.id DESC;

-- What a rule needs to know before it brings something back. No row: there was never such a thing. purged: null, or when the bin
-- was emptied of it. resource_removed: of an account, whether its resource is in the bin too.
-- name: bin_right(id uuid, principal uuid, is_account bool) ->
--   level int, name text, removed bool, purged timestamptz, resource uuid, resource_name text, resource_removed bool
SELECT :level_of_resource($2, r),
	r.name, r.deleted_at IS NOT NULL, r.purged_at, r.id, r.name, false
FROM resource r
WHERE NOT $3 AND r.id = $1
UNION ALL
SELECT :level_of_account($2, r, a),
	a.login, a.deleted_at IS NOT NULL, a.purged_at, r.id, r.name, r.deleted_at IS NOT NULL
FROM account a JOIN resource r ON r.id = a.resource
WHERE $3 AND a.id = $1;

-- What the bin is to be emptied of: what came there at `until` or before. Versions come before their account and accounts before
-- their resource, so that a part of the list is as good as all of it. what: 1 version, 2 account, 3 resource.
-- name: bin_due(until timestamptz, rows int) -> what int, id uuid
WITH r AS MATERIALIZED (
	SELECT id FROM resource WHERE deleted_at IS NOT NULL AND purged_at IS NULL AND binned_at <= $1
	ORDER BY binned_at LIMIT $2
), a AS MATERIALIZED (
	SELECT a.id, a.resource FROM account a JOIN r ON r.id = a.resource WHERE a.purged_at IS NULL
	UNION SELECT id, resource FROM (SELECT id, resource FROM account
		WHERE deleted_at IS NOT NULL AND purged_at IS NULL AND binned_at <= $1
		ORDER BY binned_at LIMIT $2) o
)
SELECT x.what, x.id
FROM (SELECT 1 AS what, v.id, a.id AS account, a.resource FROM a JOIN version v ON v.account = a.id WHERE v.sealed <> ''
	UNION ALL SELECT 2, a.id, a.id, a.resource FROM a
	UNION ALL SELECT 3, r.id, NULL, r.id FROM r) x
ORDER BY x.resource, x.account NULLS LAST, x.what LIMIT $2;
