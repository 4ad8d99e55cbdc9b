-- SPDX-License-Identifier: Apache-2.0
-- As of when the data are: the primary's writer moves it on every second while there is another node. It is the one thing that no event stands for.
-- A row of a table would leave a dead one each second, for as long as a secondary that is away keeps its slot's horizon; a sequence is changed
-- in its place, logged and replicated all the same. beat_at: microseconds since 1970, 0: never; beat_term: of the primary that says so.
CREATE SEQUENCE beat_at MINVALUE 0 START 0;
CREATE SEQUENCE beat_term MINVALUE 0 START 0;
GRANT SELECT, UPDATE ON SEQUENCE beat_at, beat_term TO hf_vault;

CREATE VIEW beat AS
SELECT 'epoch'::timestamptz + a.last_value * interval '1 microsecond' AS at, t.last_value AS term
FROM beat_at a, beat_term t WHERE a.last_value > 0;
