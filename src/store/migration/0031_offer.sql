-- SPDX-License-Identifier: Apache-2.0
-- Owners offer what they own to others, who accept it; and what a user who leaves owned is handed over (query/offer.sql).

-- offered_by: the owner who offered it; an offer of anybody else's counts for nothing.
ALTER TABLE resource ADD COLUMN offered_to uuid, ADD COLUMN offered_by uuid;
CREATE INDEX resource_offered ON resource (offered_to, lower(name), id) WHERE offered_to IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX resource_owner ON resource (owner, id) WHERE purged_at IS NULL;
CREATE INDEX event_left ON event (node, seq) WHERE kind = :USER_LEFT;
