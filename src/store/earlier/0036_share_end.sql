-- SPDX-License-Identifier: Apache-2.0
-- No share had an end.

-- table: share
SELECT t.*, NULL::timestamptz AS until FROM :before t

-- table: reach
SELECT t.principal, t.target, timestamptz 'infinity' AS view_until, CASE WHEN t.level >= 2 THEN timestamptz 'infinity' END AS modify_until,
	CASE WHEN t.level >= 3 THEN timestamptz 'infinity' END AS manage_until FROM :before t
