-- SPDX-License-Identifier: Apache-2.0
-- Resources that their owners offer to others. An offer is a word of the resource's ("TO BY", or "" for none any more: query/word.sql).

-- Whether the offer of r is its owner's.
-- fragment: is_offered(r)
(:r.offered_to IS NOT NULL AND :r.offered_by = :r.owner AND :r.deleted_at IS NULL)

-- What a rule needs to know of a resource before it is offered, accepted or declined. No row: it does not exist. offered_to: null without an offer.
-- name: offer_of(id uuid) -> owner uuid, offered_to uuid, offered_name text
SELECT r.owner, CASE WHEN :is_offered(r) THEN r.offered_to END, (SELECT p.name FROM principal p WHERE p.id = r.offered_to)
FROM resource r WHERE r.id = $1 AND r.deleted_at IS NULL;

-- What is offered to a user. A page behind (place, after), as of resources. shared: others hold the name too.
-- name: offer_list(principal uuid, place text, after uuid, rows int) -> id uuid, name text, shared bool, owner uuid, owner_name text
SELECT r.id, r.name, r.twin IS NOT NULL, r.owner, (SELECT o.name FROM principal o WHERE o.id = r.owner)
FROM resource r WHERE r.offered_to = $1 AND :is_offered(r) AND (lower(r.name), r.id) > ($2, $3) ORDER BY lower(r.name), r.id LIMIT $4;

-- name: offer_count(principal uuid, most int) -> n int
SELECT count(*)::int FROM (SELECT FROM resource r WHERE r.offered_to = $1 AND :is_offered(r) LIMIT $2) x;

-- columns: owned of resource_owned, folder_owned

-- What a user owns, in the bin too, behind an id.
-- name: resource_owned(owner uuid, after uuid, rows int) -> id uuid
SELECT id FROM resource WHERE owner = $1 AND purged_at IS NULL AND id > $2 ORDER BY id LIMIT $3;
