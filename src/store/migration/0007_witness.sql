-- SPDX-License-Identifier: Apache-2.0
-- The nodes' witness of each other's logs, and what administrators accepted.

-- Acceptances: each is an event, whose body says what was accepted.
CREATE TABLE audit_accepted (
	node uuid NOT NULL,
	seq bigint NOT NULL,
	PRIMARY KEY (node, seq)
);
GRANT SELECT, INSERT ON audit_accepted TO hf_vault;

-- A node's agent says what its witness found: at the primary itself, or a secondary's through the pair's channel. The same is
-- asked for once while it waits. what: shrunk or forked (the chain of a node), lost (what the witness remembered was not there).
CREATE FUNCTION ha_alarm(n uuid, what text, chain uuid, seq bigint, remembered text, found text) RETURNS boolean
	LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
	AS $$ WITH said AS (
		SELECT CASE what WHEN 'lost' THEN 15 ELSE 13 END AS kind, chain AS object,
			CASE what WHEN 'lost' THEN json_build_object('by', n, 'what', 'witness')
				ELSE json_build_object('by', n, 'what', what, 'node', chain, 'seq', seq,
					'remembered_hash', remembered, 'found_hash', nullif(found, '')) END::text AS body
		WHERE what IN ('shrunk', 'forked', 'lost') AND octet_length(remembered) <= 64 AND octet_length(found) <= 64
			AND EXISTS (SELECT FROM public.node d WHERE d.id = n)
	), added AS (
		INSERT INTO public.ha_request (kind, object, body) SELECT kind, object, body FROM said
		WHERE NOT EXISTS (SELECT FROM public.ha_request r WHERE r.kind = said.kind AND r.body = said.body)
		RETURNING 1)
	SELECT EXISTS (SELECT FROM added) $$;
REVOKE ALL ON FUNCTION ha_alarm(uuid, text, uuid, bigint, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ha_alarm(uuid, text, uuid, bigint, text, text) TO hf_deposit;
