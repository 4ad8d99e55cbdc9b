-- SPDX-License-Identifier: Apache-2.0
-- Which program of its node began the term: what it drew then, as 16 hexadecimal digits; '' where none was drawn.
ALTER TABLE ha_term ADD COLUMN incarnation text NOT NULL DEFAULT '';
-- An epoch that is told has it too.
ALTER TABLE ha_epoch DROP CONSTRAINT ha_epoch_epoch_check,
	ADD CONSTRAINT ha_epoch_epoch_check CHECK (octet_length(epoch) < 80);

-- As before, and when this node's own agent makes the slot at the same moment it is there.
CREATE OR REPLACE FUNCTION ha_renew_slot(n uuid) RETURNS text
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
	AS $$
DECLARE
	wanted text := (SELECT slot FROM public.node WHERE id = n AND primary_since_term IS NULL);
BEGIN
	IF wanted IS NULL OR pg_is_in_recovery() THEN
		RETURN NULL;
	END IF;
	IF EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = wanted AND NOT active AND wal_status = 'lost') THEN
		PERFORM pg_drop_replication_slot(wanted);
	END IF;
	IF NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = wanted) THEN
		BEGIN
			PERFORM pg_create_physical_replication_slot(wanted, true);
		EXCEPTION WHEN duplicate_object THEN
			NULL;
		END;
	END IF;
	RETURN wanted;
END $$;
