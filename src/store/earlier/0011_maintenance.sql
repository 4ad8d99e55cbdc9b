-- SPDX-License-Identifier: Apache-2.0
-- Before alerts could be silent.

-- table: maintenance
SELECT true AS one, NULL::timestamptz AS at, NULL::timestamptz AS until, ''::text AS reason WHERE false
