-- SPDX-License-Identifier: Apache-2.0
-- Data keys, wrapped by the master key.

-- name: key_list() -> id int, wrapped bytea
SELECT id, wrapped FROM data_key ORDER BY id;

-- The first key of a vault has the number 1. Whoever makes another one draws its number, so that two nodes that do so apart from each other make two keys.
-- name: apply_key_created(node uuid, from_seq bigint, to_seq bigint)
INSERT INTO data_key (id, wrapped, created_at)
SELECT (body::jsonb->>'id')::int, decode(body::jsonb->>'wrapped', 'hex'), at
FROM event WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :KEY_CREATED
ORDER BY seq
ON CONFLICT (id) DO NOTHING;
