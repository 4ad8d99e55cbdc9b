-- SPDX-License-Identifier: Apache-2.0
-- Who retrieved unusually much, and who was released again, as the log has it (query/hold.sql), with the ways to it: the last of each chain, and those that hold somebody.
CREATE VIEW event_unusual AS SELECT node, seq, at, kind, actor, object, address, body FROM event WHERE kind = :RETRIEVALS_UNUSUAL;
CREATE VIEW event_released AS SELECT object, body::jsonb->>'hold' AS hold FROM event WHERE kind = :RETRIEVALS_RELEASED;
GRANT SELECT ON event_unusual, event_released TO hf_vault;
CREATE INDEX event_unusual_of ON event (node, seq) WHERE kind = :RETRIEVALS_UNUSUAL;
CREATE INDEX event_holds ON event (object, node, seq) WHERE kind = :RETRIEVALS_UNUSUAL AND body::jsonb->>'held' = 'true';
CREATE INDEX event_release_of ON event (object, (body::jsonb->>'hold')) WHERE kind = :RETRIEVALS_RELEASED;
