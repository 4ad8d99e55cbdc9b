-- SPDX-License-Identifier: Apache-2.0
-- A name is an attribute: a merge brings together whatever both sides of a cut made, also under one name. The writer refuses a taken name
-- for what is new; no index does.

-- twin: the name in lower case, where others hold it too; each of them is marked. made_on, made_by: the node where it was made, and by whom.
ALTER TABLE resource ADD COLUMN made_on uuid, ADD COLUMN made_by uuid, ADD COLUMN twin text;
ALTER TABLE account ADD COLUMN made_on uuid, ADD COLUMN made_by uuid, ADD COLUMN twin text;

UPDATE resource r SET made_on = coalesce((SELECT c.node FROM chain c WHERE c.id = e.node), e.node), made_by = e.actor
FROM event e WHERE e.kind = :RESOURCE_CREATED AND e.object = r.id;
UPDATE account a SET made_on = coalesce((SELECT c.node FROM chain c WHERE c.id = e.node), e.node), made_by = e.actor
FROM event e WHERE e.kind = :ACCOUNT_CREATED AND e.object = a.id;

DROP INDEX resource_name, account_login;
CREATE INDEX resource_name ON resource (lower(name), id) WHERE deleted_at IS NULL;
CREATE INDEX account_login ON account (resource, lower(login), id) WHERE deleted_at IS NULL;
CREATE INDEX resource_twin ON resource (id) WHERE twin IS NOT NULL;
CREATE INDEX account_twin ON account (id) WHERE twin IS NOT NULL;
