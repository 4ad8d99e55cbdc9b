-- SPDX-License-Identifier: Apache-2.0
-- The log as it is read for what people are told at a log-in (query/notice.sql), with the ways to it: a user's log-ins, what was changed about a user, and
-- who was let in anew, or became an administrator, by somebody else.
CREATE VIEW event_notice AS SELECT node, seq, at, kind, actor, object, address, body FROM event;
GRANT SELECT ON event_notice TO hf_vault;
CREATE INDEX event_login ON event (actor, node, seq) WHERE kind = :LOGIN;
CREATE INDEX event_about ON event (object, kind, node, seq) WHERE kind IN (:USER_CHANGED, :USER_PASSWORD, :USER_TOTP, :USER_RECOVERED, :SESSIONS_ENDED);
CREATE INDEX event_let_in ON event (kind, node, seq) WHERE kind IN (:USER_PASSWORD, :USER_TOTP, :USER_RECOVERED) AND actor IS DISTINCT FROM object;
CREATE INDEX event_raised ON event (kind, node, seq) WHERE kind IN (:USER_CREATED, :USER_CHANGED) AND body::jsonb->>'role' = 'administrator';
