-- SPDX-License-Identifier: Apache-2.0
-- Folders: resources stand in them, and other folders; what is shared with somebody there is shared with them in all that stands below it (query/folder.sql).
-- said: where it was put. parent: where it stands, null: at the top; another one where the one it was put into is not there, or where folders that were put into each
-- other apart would go round. path: all that it stands in, the topmost first.
CREATE TABLE folder (
	id uuid PRIMARY KEY,
	name text NOT NULL,
	description text NOT NULL,
	owner uuid NOT NULL,
	said uuid,
	parent uuid,
	path uuid[] NOT NULL DEFAULT '{}',
	deleted_at timestamptz,
	deleted_by uuid,
	created_at timestamptz NOT NULL,
	made_on uuid,
	made_by uuid
);
CREATE INDEX folder_name ON folder (coalesce(parent, owner), lower(name), id) WHERE deleted_at IS NULL;
CREATE INDEX folder_called ON folder (lower(name), id) WHERE deleted_at IS NULL;
CREATE INDEX folder_owner ON folder (owner, id);
CREATE INDEX folder_said ON folder (said) WHERE said IS NOT NULL;
CREATE INDEX folder_apart ON folder (id) WHERE said IS DISTINCT FROM parent;
GRANT SELECT, INSERT, UPDATE, DELETE ON folder TO hf_vault;

-- null: at the top of what its owner has; nothing comes to anybody from there.
ALTER TABLE resource ADD COLUMN folder uuid;
CREATE INDEX resource_folder ON resource (folder, lower(name), id) WHERE folder IS NOT NULL;

-- Resources have different names where they stand beside each other, no longer all over the vault.
CREATE INDEX resource_beside ON resource (coalesce(folder, owner), lower(name), id) WHERE deleted_at IS NULL;
UPDATE resource r SET twin = NULL
FROM (SELECT id, count(*) OVER (PARTITION BY owner, lower(name)) AS n FROM resource WHERE twin IS NOT NULL AND deleted_at IS NULL) h WHERE h.id = r.id AND h.n = 1;
