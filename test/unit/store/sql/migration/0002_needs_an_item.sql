-- SPDX-License-Identifier: Apache-2.0
-- Fails behind its first statement as long as there is no item.
CREATE TABLE half ();
SELECT 1 / (SELECT count(*) FROM item);
