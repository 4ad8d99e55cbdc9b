-- SPDX-License-Identifier: Apache-2.0
-- As of when the data are: one row, which the primary's writer moves on every second while there is another node. It is the one row that no event
-- stands for. term: of the primary that wrote it. A page that is held nearly empty is cleaned up by the updates themselves; and nobody
-- needs statistics of one row.
CREATE TABLE beat (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	at timestamptz NOT NULL,
	term bigint NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 2147483647);
GRANT SELECT, INSERT, UPDATE ON beat TO hf_vault;
