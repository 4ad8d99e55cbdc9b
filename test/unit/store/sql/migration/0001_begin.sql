-- SPDX-License-Identifier: Apache-2.0
-- The tables of test_migrate.
CREATE TABLE item (k int PRIMARY KEY, v text);
CREATE ROLE hf_vault LOGIN;
