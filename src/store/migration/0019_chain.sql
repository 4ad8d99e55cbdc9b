-- SPDX-License-Identifier: Apache-2.0
-- A node writes a chain that has the node's own id, and one of another id whenever it cannot prove where that one ends. Whose those are:
CREATE TABLE chain (
	id uuid PRIMARY KEY,
	node uuid NOT NULL
);
GRANT SELECT, INSERT ON chain TO hf_vault;
-- Another node that compares histories asks for it; two ids say nothing of what happened.
GRANT SELECT ON chain TO hf_deposit;
