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

-- A secondary makes its web certificate known; one request of a node at a time, and never for a primary.
CREATE FUNCTION ha_announce(n uuid, cert text) RETURNS boolean
	LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
	AS $$ WITH added AS (
		INSERT INTO public.ha_request (kind, object, body)
		SELECT 6, d.id, json_build_object('web_cert', cert)::text FROM public.node d
		WHERE d.id = n AND d.primary_since_term IS NULL AND d.web_cert IS DISTINCT FROM cert AND octet_length(cert) < 4096
			AND NOT EXISTS (SELECT FROM public.ha_request r WHERE r.object = n)
		RETURNING 1)
	SELECT EXISTS (SELECT FROM added) $$;
REVOKE ALL ON FUNCTION ha_announce(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ha_announce(uuid, text) TO hf_deposit;
