-- SPDX-License-Identifier: Apache-2.0
-- What a node found missing of its own chain; each node looks for it every second.
CREATE INDEX event_cut ON event (node, seq) WHERE kind = :LOG_CUT;
