-- SPDX-License-Identifier: Apache-2.0
-- Nobody but its owner could look at the log: one event of no chain says so to who asks for the ends.

-- table: event_hash
SELECT '00000000-0000-0000-0000-000000000000'::uuid AS node, 0::bigint AS seq, ''::bytea AS hash
