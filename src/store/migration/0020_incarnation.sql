-- SPDX-License-Identifier: Apache-2.0
-- Which program of its node began the term: what it drew then, as 16 hexadecimal digits; '' where none was drawn.
ALTER TABLE ha_term ADD COLUMN incarnation text NOT NULL DEFAULT '';
-- An epoch that is told has it too.
ALTER TABLE ha_epoch DROP CONSTRAINT ha_epoch_epoch_check,
	ADD CONSTRAINT ha_epoch_epoch_check CHECK (octet_length(epoch) < 80);
