-- SPDX-License-Identifier: Apache-2.0
-- What making a pack asks of the local database, as its superuser.

-- role: holdfast

-- name: setup_listens() -> addresses text, standby bool
SELECT current_setting('listen_addresses'), pg_is_in_recovery();
