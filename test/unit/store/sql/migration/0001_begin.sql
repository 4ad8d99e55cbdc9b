-- SPDX-License-Identifier: Apache-2.0
-- The tables of test_db.
CREATE TABLE item (k int PRIMARY KEY, v text);
CREATE TABLE child (k int REFERENCES item DEFERRABLE INITIALLY DEFERRED);
