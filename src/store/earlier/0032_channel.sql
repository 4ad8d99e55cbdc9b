-- SPDX-License-Identifier: Apache-2.0
-- Nobody wrote down who brought or told something.

-- table: ha_inbox
SELECT t.*, NULL::uuid AS bringer FROM :before t

-- table: ha_set_aside
SELECT t.*, NULL::uuid AS bringer FROM :before t

-- table: ha_epoch
SELECT t.*, NULL::uuid AS teller FROM :before t
