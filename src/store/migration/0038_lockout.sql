-- SPDX-License-Identifier: Apache-2.0
-- Failed log-ins of somebody, of which those from one source are counted (query/session.sql).
CREATE INDEX event_failed ON event (actor, node, seq) WHERE kind = :LOGIN_FAILED;
