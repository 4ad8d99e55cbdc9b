-- SPDX-License-Identifier: Apache-2.0
-- Histories are compared by content: a node of the pair may ask for the hash of any event, and for where each chain ends. A keyed hash says
-- nothing of what happened.
CREATE VIEW event_hash AS SELECT node, seq, hash FROM event;
GRANT SELECT ON event_hash TO hf_deposit, hf_vault;
