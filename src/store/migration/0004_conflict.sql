-- SPDX-License-Identifier: Apache-2.0
-- Where a version was made, and which versions wait for a person to settle a conflict.

-- node: whose log has it. sibling: made upon another version than the current one, and nobody has settled it yet.
ALTER TABLE version ADD COLUMN node uuid, ADD COLUMN sibling boolean NOT NULL DEFAULT false;

UPDATE version v SET node = e.node
FROM event e WHERE e.kind = 53 AND e.object = v.account AND (e.body::jsonb->>'id')::uuid = v.id;
UPDATE version v SET sibling = true
FROM account a WHERE a.id = v.account AND a.conflict AND v.n > a.current_n;

CREATE INDEX account_conflict ON account (id) WHERE conflict AND deleted_at IS NULL;

-- How a user's role, his being disabled (principal = object) and a share stand: the event that said so last, as
-- "node/seq", with a "+" when it was merged with what another node had said apart from it. No row: nothing but its creation.
CREATE TABLE standing (
	object uuid NOT NULL,
	principal uuid NOT NULL,
	what text NOT NULL CHECK (what IN ('role', 'disabled', 'share')),
	stamp text NOT NULL,
	PRIMARY KEY (object, principal, what)
);

-- What administrators did on two nodes apart from each other, and which of the two counts: node and seq of the event that
-- was merged, kept and lost as "user", "true" or a level ("0": no share).
CREATE TABLE admin_conflict (
	node uuid NOT NULL,
	seq bigint NOT NULL,
	what text NOT NULL CHECK (what IN ('role', 'disabled', 'share')),
	at timestamptz NOT NULL,
	object uuid NOT NULL,
	principal uuid NOT NULL,
	kept text NOT NULL,
	lost text NOT NULL,
	PRIMARY KEY (node, seq, what, object, principal)
);
GRANT SELECT, INSERT, UPDATE ON standing, admin_conflict TO hf_vault;
