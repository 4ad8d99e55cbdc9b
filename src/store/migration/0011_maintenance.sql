-- SPDX-License-Identifier: Apache-2.0
-- While somebody works on the pair its alerts are silent: one row, the last word that the log has of it. until NULL: they are not.
CREATE TABLE maintenance (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	at timestamptz NOT NULL,
	until timestamptz,
	reason text NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON maintenance TO hf_vault;
