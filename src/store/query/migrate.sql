-- SPDX-License-Identifier: Apache-2.0

-- name: migrate_list() -> number int, name text, sha256 text
SELECT number, name, sha256 FROM schema_migration ORDER BY number;
