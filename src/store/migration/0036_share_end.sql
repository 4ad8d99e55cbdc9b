-- SPDX-License-Identifier: Apache-2.0
-- A share may have an end; null: none. What users reach therefore says until when, with each level or a higher one ('infinity': it does not end; null: not at all).
ALTER TABLE share ADD COLUMN until timestamptz;

ALTER TABLE reach ADD COLUMN view_until timestamptz, ADD COLUMN modify_until timestamptz, ADD COLUMN manage_until timestamptz;
UPDATE reach SET view_until = 'infinity', modify_until = CASE WHEN level >= 2 THEN timestamptz 'infinity' END,
	manage_until = CASE WHEN level >= 3 THEN timestamptz 'infinity' END;
ALTER TABLE reach ALTER COLUMN view_until SET NOT NULL, DROP COLUMN level;
