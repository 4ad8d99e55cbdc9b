-- SPDX-License-Identifier: Apache-2.0
-- What is said of a session can be merged before its login, which looks for it then.
CREATE INDEX event_of_session ON event (object, kind, at) WHERE kind IN (:LOGOUT, :SESSION_SEEN);
