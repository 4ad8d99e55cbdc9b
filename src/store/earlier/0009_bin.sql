-- SPDX-License-Identifier: Apache-2.0
-- Before there was a bin: when something was removed is known, by whom is not, and nothing was emptied.

-- table: resource
SELECT t.*, NULL::uuid AS deleted_by, t.deleted_at AS binned_at, false AS bin_news, NULL::timestamptz AS purged_at FROM :before t

-- table: account
SELECT t.*, NULL::uuid AS deleted_by, t.deleted_at AS binned_at, false AS bin_news, NULL::timestamptz AS purged_at FROM :before t
