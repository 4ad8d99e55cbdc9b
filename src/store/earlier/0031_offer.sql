-- SPDX-License-Identifier: Apache-2.0
-- Nothing was offered: it was handed on at once.

-- table: resource
SELECT t.*, NULL::uuid AS offered_to, NULL::uuid AS offered_by FROM :before t
