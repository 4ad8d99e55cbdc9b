-- SPDX-License-Identifier: Apache-2.0
-- No share waited for anybody.

-- table: acceptance
SELECT NULL::uuid AS target, NULL::uuid AS principal, NULL::uuid AS given WHERE false

-- table: share
SELECT t.*, NULL::uuid AS given, NULL::uuid AS given_by, false AS waits FROM :before t

-- table: reach
SELECT t.*, t.view_until AS named_until FROM :before t
