-- SPDX-License-Identifier: Apache-2.0
-- Nobody is in a team, and each share reaches one user.

-- table: member
SELECT NULL::uuid AS team, NULL::uuid AS principal, NULL::timestamptz AS since WHERE false

-- table: reach
SELECT s.principal, s.target, s.level FROM share s
