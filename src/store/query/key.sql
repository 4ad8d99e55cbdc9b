-- SPDX-License-Identifier: Apache-2.0
-- Data keys, wrapped by the master key.

-- name: key_list() -> id int, wrapped bytea
SELECT id, wrapped FROM data_key ORDER BY id;

-- A vault has the key number 1 alone so far. Whatever makes another one has to draw its number: of two keys of one number the one applied first counts.
-- name: apply_key_created(node uuid, from_seq bigint, to_seq bigint)
INSERT INTO data_key (id, wrapped, created_at)
SELECT (body::jsonb->>'id')::int, decode(body::jsonb->>'wrapped', 'hex'), at
FROM event WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :KEY_CREATED
ORDER BY seq
ON CONFLICT (id) DO NOTHING;
