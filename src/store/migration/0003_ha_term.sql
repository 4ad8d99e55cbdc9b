-- SPDX-License-Identifier: Apache-2.0
-- Promotion, hand-over and return of a former primary.

-- The hand-over that was ordered last: to which node, and the term it is to begin.
CREATE TABLE ha_order (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	node uuid NOT NULL,
	term bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON ha_order TO hf_vault;

-- A former primary follows the new one again: pg_rewind reads the files of the data folder that differ
-- (PostgreSQL, "pg_rewind", Notes: the functions that a role without superuser rights needs).
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hf_rewind') THEN
		CREATE ROLE hf_rewind LOGIN CONNECTION LIMIT 8;
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text, boolean, boolean) TO hf_rewind;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_file(text, boolean) TO hf_rewind;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text) TO hf_rewind;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO hf_rewind;

-- A node that is to be cloned needs a slot that keeps what it will lack: its own is made anew when it was lost.
CREATE FUNCTION ha_renew_slot(n uuid) RETURNS text
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
	AS $$
DECLARE
	wanted text := (SELECT slot FROM public.node WHERE id = n AND primary_since_term IS NULL);
	found record;
BEGIN
	IF wanted IS NULL OR pg_is_in_recovery() THEN
		RETURN NULL;
	END IF;
	SELECT active, wal_status INTO found FROM pg_replication_slots WHERE slot_name = wanted;
	IF found.active THEN
		RETURN wanted;
	END IF;
	IF found.wal_status = 'lost' THEN
		PERFORM pg_drop_replication_slot(wanted);
		found := NULL;
	END IF;
	IF found IS NULL OR found.wal_status IS NULL THEN
		IF NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = wanted) THEN
			PERFORM pg_create_physical_replication_slot(wanted, true);
		END IF;
	END IF;
	RETURN wanted;
END $$;
REVOKE ALL ON FUNCTION ha_renew_slot(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ha_renew_slot(uuid) TO hf_deposit;

-- Where this node's log of any node ends, and what the hash is there: a former primary learns from it what only it has.
CREATE FUNCTION ha_mark(n uuid, OUT seq bigint, OUT hash bytea)
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
	AS $$ SELECT e.seq, e.hash FROM public.event e WHERE e.node = n ORDER BY e.seq DESC LIMIT 1 $$;
REVOKE ALL ON FUNCTION ha_mark(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ha_mark(uuid) TO hf_deposit;
