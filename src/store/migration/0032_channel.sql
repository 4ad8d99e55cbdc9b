-- SPDX-License-Identifier: Apache-2.0
-- What another node's certificate gives (docs/security.md): its duty, in its own node's name, in bounded room, and nothing that
-- PostgreSQL gives to everybody.

-- ---- nothing of everybody's ----

-- What the vault's role ran as everybody it runs by its own right.
DO $$
DECLARE
	f record;
BEGIN
	EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
	EXECUTE format('GRANT CONNECT ON DATABASE %I TO hf_vault, hf_deposit, hf_rewind', current_database());
	EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO hf_vault', current_database());
	FOR f IN SELECT oid::regprocedure AS name FROM pg_proc
		WHERE pronamespace = 'public'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE')
	LOOP
		EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO hf_vault', f.name);
		EXECUTE format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', f.name);
	END LOOP;
	-- Large objects, messages in the log of the database, locks that name nothing, other sessions' ends, waits.
	FOR f IN SELECT oid::regprocedure AS name FROM pg_proc
		WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f'
			AND (proname ~ '^(lo_|lo(read|write)$|pg_(try_)?advisory_|pg_sleep)'
				OR proname IN ('pg_logical_emit_message', 'pg_notify', 'pg_cancel_backend', 'pg_terminate_backend',
					'pg_export_snapshot'))
	LOOP
		EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f.name);
	END LOOP;
END $$;
REVOKE USAGE ON LANGUAGE plpgsql, sql FROM PUBLIC;
-- The tables are made anew out of the log beside the real ones (audit verify --tables).
GRANT USAGE ON LANGUAGE plpgsql, sql TO hf_vault;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC;

-- ---- what a role says of itself ----

-- A role may change its own settings (ALTER ROLE … SET), and PostgreSQL has no way to forbid that. What these roles have is
-- written here, the agent of a primary calls this, and whatever else there is goes away. Returns whose was changed. temp_file_limit
-- they cannot change.
CREATE FUNCTION ha_role_settings() RETURNS TABLE (role text, database oid, settings text[])
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
	AS $$ VALUES ('hf_deposit', 0::oid, ARRAY['temp_file_limit=0']), ('hf_rewind', 0::oid, ARRAY['temp_file_limit=65536']) $$;

CREATE FUNCTION ha_mend_roles() RETURNS SETOF text
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	f record;
BEGIN
	FOR f IN SELECT r.rolname, d.datname, s.setconfig FROM pg_db_role_setting s
		JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
		WHERE r.rolname IN ('hf_vault', 'hf_deposit', 'hf_rewind', 'hf_replicate')
			AND NOT EXISTS (SELECT FROM public.ha_role_settings() w
				WHERE w.role = r.rolname AND w.database = s.setdatabase AND w.settings = s.setconfig)
	LOOP
		EXECUTE format('ALTER ROLE %I ', f.rolname) || coalesce('IN DATABASE ' || quote_ident(f.datname) || ' ', '') || 'RESET ALL';
		RETURN NEXT f.rolname;
	END LOOP;
	FOR f IN SELECT w.role, split_part(w.settings[1], '=', 1) AS name, split_part(w.settings[1], '=', 2) AS value
		FROM public.ha_role_settings() w
		WHERE NOT EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
			WHERE r.rolname = w.role AND s.setdatabase = w.database AND s.setconfig = w.settings)
	LOOP
		EXECUTE format('ALTER ROLE %I SET %I = %L', f.role, f.name, f.value);
	END LOOP;
END $$;
SELECT ha_mend_roles();

-- ---- who calls ----

-- The node whose certificate the caller showed, as the table has it; NULL: none. A certificate's name is cut to 63 bytes here: where that
-- fits two nodes, it is neither.
CREATE FUNCTION ha_caller() RETURNS uuid
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT CASE WHEN count(*) = 1 THEN min(n.id::text)::uuid END
	FROM pg_stat_ssl s JOIN public.node n ON lower(left('/CN=' || n.name, 63)) = lower(s.client_dn)
	WHERE s.pid = pg_backend_pid() $$;
-- Over the channel a node speaks for itself alone; whoever is on the machine (agent, vault) for whom they say.
CREATE FUNCTION ha_speaks_for(n uuid) RETURNS boolean
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT session_user <> 'hf_deposit' OR n IS NOT DISTINCT FROM public.ha_caller() $$;
-- Whether the log was told enough by this node for now: 12 times a minute.
CREATE FUNCTION ha_said_much(n uuid) RETURNS boolean
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT count(*) >= 12 FROM public.event
	WHERE at BETWEEN now() - interval '1 minute' AND now() + interval '1 minute' AND kind IN (:NODE_CERT, :NODE_MOVED, :WITNESS_ALARM, :WITNESS_LOST)
		AND (object = n OR strpos(body, n::text) > 0) $$;

CREATE OR REPLACE FUNCTION ha_slot(n uuid) RETURNS TABLE (status text, active boolean, retained bigint, keep bigint)
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT coalesce(s.wal_status, ''), s.active,
		CASE WHEN pg_is_in_recovery() OR s.restart_lsn IS NULL THEN 0
			ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)::bigint END,
		(SELECT setting::bigint * 1048576 FROM pg_settings WHERE name = 'max_slot_wal_keep_size')
	FROM public.node d JOIN pg_replication_slots s ON s.slot_name = d.slot
	WHERE d.id = n AND public.ha_speaks_for(n) $$;

CREATE OR REPLACE FUNCTION ha_announce(n uuid, cert text) RETURNS boolean
	LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ WITH added AS (
		INSERT INTO public.ha_request (kind, object, body)
		SELECT :NODE_CERT, d.id, json_build_object('web_cert', cert)::text FROM public.node d
		WHERE d.id = n AND d.primary_since_term IS NULL AND d.web_cert IS DISTINCT FROM cert AND octet_length(cert) < 4096
			AND public.ha_speaks_for(n) AND NOT public.ha_said_much(n)
			AND NOT EXISTS (SELECT FROM public.ha_request r WHERE r.object = n)
		RETURNING 1)
	SELECT EXISTS (SELECT FROM added) $$;

CREATE OR REPLACE PROCEDURE ha_moved(n uuid, https int, pair int)
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ INSERT INTO public.ha_request (kind, object, body)
		SELECT :NODE_MOVED, d.id, json_build_object('https_port', https, 'pair_port', pair)::text FROM public.node d
		WHERE d.id = n AND d.primary_since_term IS NULL AND (d.https_port, d.pair_port) IS DISTINCT FROM (https, pair)
			AND https BETWEEN 1 AND 65535 AND pair BETWEEN 1 AND 65535
			AND public.ha_speaks_for(n) AND NOT public.ha_said_much(n)
			AND NOT EXISTS (SELECT FROM public.ha_request r WHERE r.object = n) $$;

CREATE OR REPLACE PROCEDURE ha_show(n uuid, cert text, trusted text, channel text, web text)
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ INSERT INTO public.ha_request (kind, object, body)
		SELECT :NODE_CERT, d.id,
			json_build_object('web_cert', cert, 'trusts', trusted, 'channel_by', channel, 'web_by', web)::text
		FROM public.node d
		WHERE d.id = n AND d.primary_since_term IS NULL
			AND (d.web_cert, d.trusts, d.channel_by, d.web_by) IS DISTINCT FROM (cert, trusted, channel, web)
			AND octet_length(cert) < 4096 AND octet_length(trusted) < 1200
			AND octet_length(channel) <= 64 AND octet_length(web) <= 64
			AND public.ha_speaks_for(n) AND NOT public.ha_said_much(n)
			AND NOT EXISTS (SELECT FROM public.ha_request r WHERE r.object = n) $$;

-- True: it waits, or waited before; false: not taken, to be said again.
CREATE OR REPLACE FUNCTION ha_alarm(n uuid, what text, chain uuid, seq bigint, remembered text, found text) RETURNS boolean
	LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ WITH said AS (
		SELECT CASE what WHEN 'lost' THEN :WITNESS_LOST ELSE :WITNESS_ALARM END AS kind, chain AS object,
			CASE what WHEN 'lost' THEN json_build_object('by', n, 'what', 'witness')
				ELSE json_build_object('by', n, 'what', what, 'node', chain, 'seq', seq,
					'remembered_hash', remembered, 'found_hash', nullif(found, '')) END::text AS body
		WHERE what IN ('shrunk', 'forked', 'lost') AND octet_length(remembered) <= 64 AND octet_length(found) <= 64
			AND EXISTS (SELECT FROM public.node d WHERE d.id = n)
			AND public.ha_speaks_for(n)
	), waits AS (
		SELECT FROM said JOIN public.ha_request r ON r.kind = said.kind AND r.body = said.body
	), added AS (
		INSERT INTO public.ha_request (kind, object, body) SELECT kind, object, body FROM said
		WHERE NOT EXISTS (SELECT FROM waits) AND NOT public.ha_said_much(n)
			AND (SELECT count(*) FROM public.ha_request r WHERE r.body LIKE '{"by" : "' || n || '"%') < 12
		RETURNING 1)
	SELECT EXISTS (SELECT FROM waits) OR EXISTS (SELECT FROM added) $$;

CREATE OR REPLACE FUNCTION ha_renew_slot(n uuid) RETURNS text
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	wanted text := (SELECT slot FROM public.node WHERE id = n AND primary_since_term IS NULL AND public.ha_speaks_for(n));
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

-- ---- what is told of epochs ----

-- The last two that each node told: what one says takes no room from another.
ALTER TABLE ha_epoch ADD COLUMN teller uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
	DROP CONSTRAINT ha_epoch_pkey, ADD PRIMARY KEY (teller, epoch, proof);

CREATE OR REPLACE PROCEDURE ha_tell(told text, with_proof text)
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$
		INSERT INTO public.ha_epoch (teller, epoch, proof)
		SELECT coalesce(c, '00000000-0000-0000-0000-000000000000'), told, with_proof FROM public.ha_caller() c
		WHERE c IS NOT NULL OR session_user <> 'hf_deposit' ON CONFLICT DO NOTHING;
		DELETE FROM public.ha_epoch
		WHERE (teller, epoch, proof) NOT IN (SELECT t.teller, t.epoch, t.proof
			FROM (SELECT e.*, row_number() OVER (PARTITION BY e.teller ORDER BY e.told_at DESC) AS k FROM public.ha_epoch e) t
			WHERE t.k <= 2 AND (t.teller = '00000000-0000-0000-0000-000000000000' OR EXISTS (SELECT FROM public.node n WHERE n.id = t.teller)))
	$$;

-- ---- what was merged without effect ----

-- The status tells of it, without a walk.
CREATE INDEX event_idle ON event (node, seq) WHERE kind = :MERGED AND strpos(body, '"not_applied"') > 0;
CREATE INDEX event_merged ON event (object) WHERE kind = :MERGED;

-- ---- deposits ----

ALTER TABLE ha_inbox ADD COLUMN bringer uuid;
ALTER TABLE ha_set_aside ADD COLUMN bringer uuid;
REVOKE INSERT ON ha_inbox FROM hf_deposit;

-- Whether the log or the table of nodes knows the chain.
CREATE FUNCTION ha_knows_chain(n uuid) RETURNS boolean
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT EXISTS (SELECT FROM public.node WHERE id = n) OR EXISTS (SELECT FROM public.chain WHERE id = n)
		OR EXISTS (SELECT FROM public.event WHERE node = n) $$;

-- When an administrator last accepted what was wrong with the log.
CREATE FUNCTION ha_accepted_at() RETURNS timestamptz
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT coalesce(max((SELECT at FROM public.event WHERE node = a.node AND seq = a.seq AND kind = :AUDIT_ACCEPTED)), '-infinity')
	FROM public.audit_accepted a $$;

-- Takes rows of a chain, in their order, into the inbox; those that are there stay. false: there is no room now, they are to be sent again
-- later. What a node may not bring at all is an error.
--  - Of its own chains a node may bring what lies behind a hole: what fills it may come from another node. For that there is room once more.
--  - Of another node's chain it brings what goes on from the end that is here (salvage, docs/ha.md).
--  - Chains that nobody knows are few: a new one becomes known when it is merged.
--  - What does not fit is set aside with an event: eight times a minute, and as much as is kept of one node until an administrator has looked.
CREATE FUNCTION ha_deposit(n uuid, seqs bigint[], hashes bytea[], events bytea[]) RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	room_rows CONSTANT bigint := 4000;
	room_bytes CONSTANT bigint := 33554432;
	caller uuid := public.ha_caller();
	here bigint; -- rows of the caller that wait
	here_bytes bigint;
	aside bigint;
	aside_bytes bigint;
	accepted timestamptz;
	joins boolean;
	times int;
BEGIN
	IF session_user = 'hf_deposit' AND caller IS NULL THEN
		RAISE insufficient_privilege USING MESSAGE = 'no node of the pair has the name of this certificate';
	END IF;
	IF coalesce(cardinality(seqs), 0) NOT BETWEEN 1 AND 500 OR cardinality(hashes) <> cardinality(seqs)
		OR cardinality(events) <> cardinality(seqs) THEN
		RAISE invalid_parameter_value USING MESSAGE = 'a deposit is of 1 to 500 rows';
	END IF;
	-- One deposit of a node after the other, so that what is counted holds.
	PERFORM pg_advisory_xact_lock(hashtextextended('holdfast deposit ' || coalesce(caller::text, ''), 0));
	joins := seqs[1] <= public.ha_high_water(n) + 1;
	times := CASE WHEN joins THEN 2 ELSE 1 END;
	IF NOT joins AND caller IS NOT NULL AND caller <> coalesce((SELECT c.node FROM public.chain c WHERE c.id = n), n) THEN
		RAISE insufficient_privilege USING MESSAGE = 'of another node''s log only what goes on from here is taken';
	END IF;
	accepted := public.ha_accepted_at();
	IF NOT public.ha_knows_chain(n) AND (SELECT count(DISTINCT t.node) FROM (
			SELECT i.node FROM public.ha_inbox i WHERE i.bringer IS NOT DISTINCT FROM caller
			UNION ALL SELECT s.node FROM public.ha_set_aside s WHERE s.bringer IS NOT DISTINCT FROM caller AND s.at > accepted
		) t WHERE t.node <> n AND NOT public.ha_knows_chain(t.node)) >= 8 THEN
		RAISE insufficient_privilege USING MESSAGE = 'too many logs that nobody knows were brought by this node';
	END IF;
	SELECT count(*), coalesce(sum(octet_length(s.event)), 0) INTO aside, aside_bytes FROM public.ha_set_aside s
	WHERE s.bringer IS NOT DISTINCT FROM caller AND s.at > accepted;
	IF aside >= 5 * room_rows OR aside_bytes >= 2 * room_bytes THEN
		RAISE insufficient_privilege USING MESSAGE = 'too much of what this node brought was set aside (holdfast audit verify)';
	END IF;
	IF (SELECT count(DISTINCT (s.node, s.at)) FROM public.ha_set_aside s
		WHERE s.bringer IS NOT DISTINCT FROM caller AND s.at > now() - interval '1 minute') >= 8 THEN
		RETURN false;
	END IF;
	SELECT count(*), coalesce(sum(octet_length(i.event)), 0) INTO here, here_bytes FROM public.ha_inbox i
	WHERE i.bringer IS NOT DISTINCT FROM caller;
	here := here + cardinality(seqs);
	here_bytes := here_bytes + (SELECT coalesce(sum(octet_length(t)), 0) FROM unnest(events) AS t);
	IF here > times * room_rows OR here_bytes > times * room_bytes THEN
		RETURN false;
	END IF;
	INSERT INTO public.ha_inbox (node, seq, hash, event, bringer)
	SELECT n, t.*, caller FROM unnest(seqs, hashes, events) AS t
	ON CONFLICT DO NOTHING;
	RETURN true;
END $$;

REVOKE ALL ON ROUTINE ha_role_settings(), ha_mend_roles(), ha_caller(), ha_speaks_for(uuid), ha_said_much(uuid), ha_knows_chain(uuid),
	ha_accepted_at(), ha_deposit(uuid, bigint[], bytea[], bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ha_deposit(uuid, bigint[], bytea[], bytea[]) TO hf_deposit;
