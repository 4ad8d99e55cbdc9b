-- SPDX-License-Identifier: Apache-2.0
-- What is said of the nodes, all of which is looked at whenever more is said (query/node.sql).
CREATE INDEX event_pair ON event (kind, node, seq)
	WHERE kind IN (:NODE_JOINED, :NODE_CERT, :NODE_MOVED, :PROMOTED, :RESTORED, :AUTHORITY_MADE);
