-- SPDX-License-Identifier: Apache-2.0
-- Before sessions named the generation that they belong to: a log-in of then names none, and belongs to the one that is the newest when it is
-- merged.

-- table: ending
SELECT NULL::uuid AS subject, NULL::uuid AS node, NULL::bigint AS seq, NULL::timestamptz AS at, NULL::uuid AS keep, NULL::text AS knew,
	NULL::boolean AS stands WHERE false

-- table: session
SELECT t.*, NULL::text AS knew FROM :before t

-- table: node
SELECT t.*, NULL::text AS knew FROM :before t
