-- SPDX-License-Identifier: Apache-2.0
-- What stood was one word alone, of which nothing but its place was kept.

-- table: word
SELECT s.object, s.principal, s.what, split_part(s.stamp, '/', 1)::uuid AS chain, rtrim(split_part(s.stamp, '/', 2), '+')::bigint AS seq,
	NULL::timestamptz AS at, ''::text AS value, NULL::text AS upon, false AS later
FROM standing s

-- table: admin_conflict
SELECT t.*, NULL::uuid AS by_node, NULL::bigint AS by_seq, NULL::uuid AS met_id FROM :before t
