-- SPDX-License-Identifier: Apache-2.0
-- Whoever was made as what they are, and nobody remains who was not left.

-- table: principal
SELECT t.*, t.role AS made_as, false AS remains FROM :before t
