-- SPDX-License-Identifier: Apache-2.0
-- What one user shares with another by themselves takes part in look-ups by name once they accept it (query/share.sql). What was shared before needs no acceptance.
-- given: the giving, as an acceptance names it; null: it needs none. given_by: whose word it is. waits: nobody has accepted it.
ALTER TABLE share ADD COLUMN given uuid, ADD COLUMN given_by uuid, ADD COLUMN waits boolean NOT NULL DEFAULT false;
CREATE INDEX share_waiting ON share (principal, target) WHERE waits;

CREATE TABLE acceptance (
	target uuid NOT NULL,
	principal uuid NOT NULL,
	given uuid NOT NULL,
	PRIMARY KEY (target, principal, given)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON acceptance TO hf_vault;

-- Until when users reach something by its name; null: they do not.
ALTER TABLE reach ADD COLUMN named_until timestamptz;
UPDATE reach SET named_until = view_until;
