-- SPDX-License-Identifier: Apache-2.0
-- Without the indexes a log-in would read the whole log: people are told once they are there.

-- table: event_notice
SELECT NULL::uuid AS node, NULL::bigint AS seq, NULL::timestamptz AS at, NULL::int AS kind, NULL::uuid AS actor, NULL::uuid AS object,
	NULL::text AS address, NULL::text AS body WHERE false
