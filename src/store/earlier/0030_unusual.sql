-- SPDX-License-Identifier: Apache-2.0
-- Before it nobody wrote such events.

-- table: event_unusual
SELECT NULL::uuid AS node, NULL::bigint AS seq, NULL::timestamptz AS at, NULL::int AS kind, NULL::uuid AS actor, NULL::uuid AS object,
	NULL::text AS address, NULL::text AS body WHERE false

-- table: event_released
SELECT NULL::uuid AS object, NULL::text AS hold WHERE false
