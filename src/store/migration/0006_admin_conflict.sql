-- SPDX-License-Identifier: Apache-2.0
-- What administrators did on two nodes apart from each other is told in the log, and stays open until one of them has
-- acknowledged it.

-- id: the same wherever the same two changes met with the same outcome, so that an acknowledgement names what was seen.
ALTER TABLE admin_conflict
	ADD COLUMN id uuid NOT NULL GENERATED ALWAYS AS (md5(node::text || ' ' || seq::text || ' ' || what || ' ' ||
		object::text || ' ' || principal::text || ' ' || kept || ' ' || lost)::uuid) STORED,
	ADD COLUMN told boolean NOT NULL DEFAULT false,
	ADD COLUMN acknowledged_at timestamptz,
	ADD COLUMN acknowledged_by uuid;

CREATE UNIQUE INDEX admin_conflict_id ON admin_conflict (id);
CREATE INDEX admin_conflict_untold ON admin_conflict (at) WHERE NOT told;
CREATE INDEX admin_conflict_open ON admin_conflict (at) WHERE acknowledged_at IS NULL;

-- A slot that was lost is made anew. Dropping one cannot be undone, so nothing after it may fail.
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
		PERFORM pg_create_physical_replication_slot(wanted, true);
	END IF;
	RETURN wanted;
END $$;
