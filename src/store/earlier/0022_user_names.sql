-- SPDX-License-Identifier: Apache-2.0
-- Before a user's name could be held by several.

-- table: principal
SELECT t.*, NULL::uuid AS made_on, NULL::uuid AS made_by, NULL::text AS twin FROM :before t
