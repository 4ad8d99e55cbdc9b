-- SPDX-License-Identifier: Apache-2.0
-- Whether somebody is an administrator because nobody else was left (query/word.sql), and what they were made as, which the words that came later hide.

ALTER TABLE principal ADD COLUMN made_as text, ADD COLUMN remains boolean NOT NULL DEFAULT false;
UPDATE principal p SET made_as = coalesce((SELECT e.body::jsonb->>'role' FROM event e WHERE e.kind = :USER_CREATED AND e.object = p.id ORDER BY e.at, e.node LIMIT 1), p.role);
ALTER TABLE principal ALTER COLUMN made_as SET NOT NULL;
CREATE INDEX principal_remaining ON principal (id) WHERE remains OR role = 'administrator' AND NOT disabled;
