-- SPDX-License-Identifier: Apache-2.0
-- Nobody could tell it over the channel.

-- table: ha_epoch
SELECT ''::text AS epoch, ''::text AS proof, NULL::timestamptz AS told_at WHERE false
