-- SPDX-License-Identifier: Apache-2.0
-- Before a name could be held by several: who made what is not looked up.

-- table: resource
SELECT t.*, NULL::uuid AS made_on, NULL::uuid AS made_by, NULL::text AS twin FROM :before t

-- table: account
SELECT t.*, NULL::uuid AS made_on, NULL::uuid AS made_by, NULL::text AS twin FROM :before t
