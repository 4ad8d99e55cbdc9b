-- SPDX-License-Identifier: Apache-2.0
-- No program drew anything.

-- table: ha_term
SELECT t.*, ''::text AS incarnation FROM :before t
