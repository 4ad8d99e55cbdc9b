-- SPDX-License-Identifier: Apache-2.0
-- As resources and accounts, users keep the name that they were given on either side of a cut.
ALTER TABLE principal ADD COLUMN made_on uuid, ADD COLUMN made_by uuid, ADD COLUMN twin text;

UPDATE principal p SET made_on = coalesce((SELECT c.node FROM chain c WHERE c.id = e.node), e.node), made_by = e.actor
FROM event e WHERE e.kind = :USER_CREATED AND e.object = p.id;

DROP INDEX principal_name;
CREATE INDEX principal_name ON principal (lower(name), id);
CREATE INDEX principal_twin ON principal (id) WHERE twin IS NOT NULL;
