-- SPDX-License-Identifier: Apache-2.0
-- Before the data said as of when they are: it is not known.

-- table: beat
SELECT true AS one, NULL::timestamptz AS at, NULL::bigint AS term WHERE false
