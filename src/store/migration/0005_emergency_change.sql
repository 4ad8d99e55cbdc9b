-- SPDX-License-Identifier: Apache-2.0
-- New versions that were made on a secondary in emergency, and where they are allowed.

-- upon: the version that its maker had before him; null: none, or made by an earlier release (then based_on tells).
-- approval: null for a version like any other; otherwise its maker was no longer entitled when it came home.
ALTER TABLE version ADD COLUMN upon uuid,
	ADD COLUMN approval text CHECK (approval IN ('waits', 'approved', 'declined'));
CREATE INDEX version_waits ON version (id) WHERE approval = 'waits';

-- resource: the nil id for everywhere. stamp: the event that said so last, as in standing.
CREATE TABLE emergency_policy (
	resource uuid PRIMARY KEY,
	state text NOT NULL CHECK (state IN ('on', 'off', 'inherit')),
	stamp text NOT NULL,
	at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON emergency_policy TO hf_vault;
