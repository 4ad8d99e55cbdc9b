-- SPDX-License-Identifier: Apache-2.0
-- What is removed goes to a bin: it can be brought back until the bin is emptied of it.

-- deleted_by: who removed it. binned_at: from when its time in the bin counts: since it was removed; since a version came home to it,
-- made elsewhere and apart from that (bin_news); or, for what was removed before there was a bin, since now. purged_at: the bin was emptied of
-- it; the row stays, and names what the log is about.
ALTER TABLE resource ADD COLUMN deleted_by uuid, ADD COLUMN binned_at timestamptz, ADD COLUMN bin_news boolean NOT NULL DEFAULT false,
	ADD COLUMN purged_at timestamptz;
ALTER TABLE account ADD COLUMN deleted_by uuid, ADD COLUMN binned_at timestamptz, ADD COLUMN bin_news boolean NOT NULL DEFAULT false,
	ADD COLUMN purged_at timestamptz;

UPDATE resource r SET binned_at = now(), deleted_by = e.actor
FROM (SELECT object, at, actor FROM event WHERE kind = 42) e WHERE e.object = r.id AND e.at = r.deleted_at;
UPDATE account a SET binned_at = now(), deleted_by = e.actor
FROM (SELECT object, at, actor FROM event WHERE kind = 52) e WHERE e.object = a.id AND e.at = a.deleted_at;

CREATE INDEX resource_removed ON resource (id) WHERE deleted_at IS NOT NULL;
CREATE INDEX resource_bin ON resource (binned_at) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;
CREATE INDEX account_bin ON account (binned_at) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;
CREATE INDEX account_resource ON account (resource);
