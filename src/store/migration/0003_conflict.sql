-- SPDX-License-Identifier: Apache-2.0
-- Where a version was made, and which versions wait for a person to settle a conflict.

-- node: whose log has it. sibling: made upon another version than the current one, and nobody has settled it yet.
ALTER TABLE version ADD COLUMN node uuid, ADD COLUMN sibling boolean NOT NULL DEFAULT false;

UPDATE version v SET node = e.node
FROM event e WHERE e.kind = 53 AND e.object = v.account AND (e.body::jsonb->>'id')::uuid = v.id;
UPDATE version v SET sibling = true
FROM account a WHERE a.id = v.account AND a.conflict AND v.n > a.current_n;

CREATE INDEX account_conflict ON account (id) WHERE conflict AND deleted_at IS NULL;
