-- SPDX-License-Identifier: Apache-2.0
-- Nothing that is read looks different: of texts there are no words yet, and they are as they were set last.

-- table: word
SELECT t.* FROM :before t
