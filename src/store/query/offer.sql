-- SPDX-License-Identifier: Apache-2.0
-- What waits for somebody's answer: resources that their owners offer to them, and what is shared with them by themselves (share.sql). An offer is a word of the resource's ("TO BY", or "" for none any more: query/word.sql).

-- Whether the offer of r is its owner's.
-- fragment: is_offered(r)
(:r.offered_to IS NOT NULL AND :r.offered_by = :r.owner AND :r.deleted_at IS NULL)

-- What a rule needs to know of a resource before it is offered, accepted or declined. No row: it does not exist. offered_to: null without an offer.
-- name: offer_of(id uuid) -> owner uuid, offered_to uuid, offered_name text
SELECT r.owner, CASE WHEN :is_offered(r) THEN r.offered_to END, (SELECT p.name FROM principal p WHERE p.id = r.offered_to)
FROM resource r WHERE r.id = $1 AND r.deleted_at IS NULL;

-- What waits for a user's answer. Of an offer level is null. by: whose it is. What is offered to them, or is their own, does not wait as a share.
-- fragment: awaiting(principal)
(SELECT r.id, 'resource' AS kind, r.name, r.twin, r.id AS resource, NULL::text AS login, NULL::text AS login_twin, NULL::int AS level, NULL::timestamptz AS until, r.owner AS by
	FROM resource r WHERE r.offered_to = :principal AND :is_offered(r)
	UNION ALL SELECT r.id, 'resource', r.name, r.twin, r.id, NULL, NULL, s.level, s.until, s.given_by
	FROM share s CROSS JOIN LATERAL (SELECT * FROM resource o WHERE o.id = s.target AND o.deleted_at IS NULL OFFSET 0) r
	WHERE s.principal = :principal AND s.waits AND :in_force(s) AND r.owner <> :principal
		AND NOT (:is_offered(r) AND r.offered_to = :principal)
	UNION ALL SELECT a.id, 'account', r.name, r.twin, r.id, a.login, a.twin, s.level, s.until, s.given_by
	FROM share s CROSS JOIN LATERAL (SELECT * FROM account o WHERE o.id = s.target AND o.deleted_at IS NULL OFFSET 0) a
	CROSS JOIN LATERAL (SELECT * FROM resource o WHERE o.id = a.resource AND o.deleted_at IS NULL OFFSET 0) r
	WHERE s.principal = :principal AND s.waits AND :in_force(s) AND r.owner <> :principal
	UNION ALL SELECT f.id, 'folder', f.name, CASE WHEN :has_twin(f) THEN f.name END, NULL, NULL, NULL, s.level, s.until, s.given_by
	FROM share s CROSS JOIN LATERAL (SELECT * FROM folder o WHERE o.id = s.target AND o.deleted_at IS NULL OFFSET 0) f
	WHERE s.principal = :principal AND s.waits AND :in_force(s) AND f.owner <> :principal)

-- A page behind (place, after), as of resources; of accounts place is the resource's name. shared, login_shared: others hold the name too.
-- name: offer_list(principal uuid, place text, after uuid, rows int) ->
--   id uuid, kind text, name text, shared bool, resource uuid, login text, login_shared bool, level int, until timestamptz, by uuid, by_name text
SELECT w.id, w.kind, w.name, w.twin IS NOT NULL, w.resource, w.login, w.login_twin IS NOT NULL, w.level, w.until, w.by, (SELECT p.name FROM principal p WHERE p.id = w.by)
FROM :awaiting($1) w WHERE (lower(w.name), w.id) > ($2, $3) ORDER BY lower(w.name), w.id LIMIT $4;

-- name: offer_count(principal uuid, most int) -> n int
SELECT count(*)::int FROM (SELECT FROM :awaiting($1) w LIMIT $2) x;

-- columns: owned of resource_owned, folder_owned

-- What a user owns, in the bin too, behind an id.
-- name: resource_owned(owner uuid, after uuid, rows int) -> id uuid
SELECT id FROM resource WHERE owner = $1 AND purged_at IS NULL AND id > $2 ORDER BY id LIMIT $3;
