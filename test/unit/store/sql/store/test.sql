-- SPDX-License-Identifier: Apache-2.0
-- Statements of test_db only.

-- name: echo(v bigint) -> v bigint
SELECT $1;

-- name: echo_bytes(v bytea) -> v bytea
SELECT $1;

-- name: unnest_texts(v text[]) -> n int, v text
SELECT n::int, v FROM unnest($1) WITH ORDINALITY AS u (v, n) ORDER BY n;

-- name: divide(v int) -> v int
SELECT 1 / $1;

-- name: to_uuid(v text) -> v uuid
SELECT $1::uuid;

-- name: late() -> v int
SELECT v FROM late;

-- name: other_type() -> v int
SELECT 'text'::text;

-- name: other_number() -> v int, w int
SELECT 1;

-- name: nothing()
SELECT pg_sleep(0);

-- name: slow(ms int) -> v bool
SELECT pg_sleep($1 / 1000.0)::text = '';

-- name: kinds(null_row bool) ->
--   u uuid, i int, l bigint, b bool,
--   t text, y bytea, z timestamptz
SELECT u, i, l, b, t, y, z FROM (VALUES
	(false, '01020304-0506-0708-090a-0b0c0d0e0f10'::uuid, -5, -6000000000, true, 'käse', '\x00ff'::bytea,
	'2023-11-14 22:13:20.123456Z'::timestamptz),
	(true, NULL, NULL, NULL, NULL, NULL, NULL, NULL)) AS v (n, u, i, l, b, t, y, z)
	WHERE n = $1;

-- name: moment(v bigint) -> z timestamptz, v bigint
SELECT :clock, $1;

-- name: forever() -> z timestamptz
SELECT 'infinity'::timestamptz;

-- name: put(k int, v text)
INSERT INTO item (k, v) VALUES ($1, $2);

-- name: put_many(k int[], v text[])
INSERT INTO item (k, v) SELECT * FROM unnest($1, $2);

-- name: put_slowly(k int, ms int)
INSERT INTO item (k, v) SELECT $1, pg_sleep($2 / 1000.0)::text;

-- name: put_child(k int)
INSERT INTO child (k) VALUES ($1);

-- name: take(k int) -> v text
DELETE FROM item WHERE k = $1 RETURNING v;

-- name: items() -> n bigint
SELECT count(*) FROM item;

-- name: backend() -> pid int
SELECT pg_backend_pid();

-- name: prepared() -> n bigint
SELECT count(*) FROM pg_prepared_statements;

-- As the product's.
-- name: migrate_list() -> number int, name text, sha256 text
SELECT number, name, sha256 FROM schema_migration ORDER BY number;

-- What these migrations leave to be done.
-- name: retell_nodes()
SELECT pg_sleep(0);

-- name: retell_bins_left()
SELECT pg_sleep(0);

-- name: retell_left()
SELECT pg_sleep(0);
