-- SPDX-License-Identifier: Apache-2.0
-- Before the log knew the vault's authority: a node goes by its files.

-- table: authority
SELECT ''::text AS sha256, 0::int AS generation, NULL::timestamptz AS ends_at, ''::text AS cert, ''::bytea AS key WHERE false

-- table: node
SELECT t.*, NULL::text AS trusts, NULL::text AS channel_by, NULL::text AS web_by FROM :before t
