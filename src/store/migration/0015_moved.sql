-- SPDX-License-Identifier: Apache-2.0
-- A secondary makes known by which ports it is reached now; one request of a node at a time, and never for a primary.
CREATE PROCEDURE ha_moved(n uuid, https int, pair int)
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
	AS $$ INSERT INTO public.ha_request (kind, object, body)
		SELECT :NODE_MOVED, d.id, json_build_object('https_port', https, 'pair_port', pair)::text FROM public.node d
		WHERE d.id = n AND d.primary_since_term IS NULL AND (d.https_port, d.pair_port) IS DISTINCT FROM (https, pair)
			AND https BETWEEN 1 AND 65535 AND pair BETWEEN 1 AND 65535
			AND NOT EXISTS (SELECT FROM public.ha_request r WHERE r.object = n) $$;
REVOKE ALL ON PROCEDURE ha_moved(uuid, int, int) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE ha_moved(uuid, int, int) TO hf_deposit;
