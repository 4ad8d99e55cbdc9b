-- SPDX-License-Identifier: Apache-2.0
-- There was no folder.

-- table: folder
SELECT NULL::uuid AS id, NULL::text AS name, NULL::text AS description, NULL::uuid AS owner, NULL::uuid AS said, NULL::uuid AS parent, NULL::uuid[] AS path,
	NULL::timestamptz AS deleted_at, NULL::uuid AS deleted_by, NULL::timestamptz AS created_at, NULL::uuid AS made_on, NULL::uuid AS made_by WHERE false

-- table: resource
SELECT t.*, NULL::uuid AS folder FROM :before t
