-- SPDX-License-Identifier: Apache-2.0
-- What the agent asks the writer to put into the log: tables are changed by events only, and only the writer writes them.

CREATE TABLE ha_request (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind int NOT NULL,
	object uuid,
	body text NOT NULL
);
GRANT SELECT, DELETE ON ha_request TO hf_vault;

-- What a secondary may know of its own slot: how much WAL waits for it, and how much may.
CREATE FUNCTION ha_slot(n uuid) RETURNS TABLE (status text, active boolean, retained bigint, keep bigint)
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
	AS $$ SELECT coalesce(s.wal_status, ''), s.active,
		CASE WHEN pg_is_in_recovery() OR s.restart_lsn IS NULL THEN 0
			ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)::bigint END,
		(SELECT setting::bigint * 1048576 FROM pg_settings WHERE name = 'max_slot_wal_keep_size')
	FROM public.node d JOIN pg_replication_slots s ON s.slot_name = d.slot
	WHERE d.id = n $$;
REVOKE ALL ON FUNCTION ha_slot(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ha_slot(uuid) TO hf_deposit;
