-- SPDX-License-Identifier: Apache-2.0
-- An administrator who was let in again from the machine itself is told to the others, and stays told until one of them has said so,
-- as what was administered on two nodes apart from each other.
ALTER TABLE admin_conflict DROP CONSTRAINT admin_conflict_what_check,
	ADD CONSTRAINT admin_conflict_what_check CHECK (what IN ('role', 'disabled', 'share', 'recovered'));
