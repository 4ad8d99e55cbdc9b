-- SPDX-License-Identifier: Apache-2.0
-- The vault's authorities, and what each node trusts and shows of them. The key is sealed under a data key; keyd alone opens it. Of two the one of
-- the higher generation is the newer; of one generation (made apart from each other) the one of the greater fingerprint.
CREATE TABLE authority (
	sha256 text PRIMARY KEY,
	generation int NOT NULL,
	ends_at timestamptz NOT NULL,
	cert text NOT NULL,
	key bytea NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON authority TO hf_vault;

-- Fingerprints of authorities: with commas, those that the node trusts; from which its channel's and its web certificate come ('': from none). NULL:
-- it has not said.
ALTER TABLE node ADD COLUMN trusts text, ADD COLUMN channel_by text, ADD COLUMN web_by text;

-- A secondary makes known what it shows and trusts; one request of a node at a time, and never for a primary.
CREATE PROCEDURE ha_show(n uuid, cert text, trusted text, channel text, web text)
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
	AS $$ INSERT INTO public.ha_request (kind, object, body)
		SELECT :NODE_CERT, d.id,
			json_build_object('web_cert', cert, 'trusts', trusted, 'channel_by', channel, 'web_by', web)::text
		FROM public.node d
		WHERE d.id = n AND d.primary_since_term IS NULL
			AND (d.web_cert, d.trusts, d.channel_by, d.web_by) IS DISTINCT FROM (cert, trusted, channel, web)
			AND octet_length(cert) < 4096 AND octet_length(trusted) < 1200
			AND octet_length(channel) <= 64 AND octet_length(web) <= 64
			AND NOT EXISTS (SELECT FROM public.ha_request r WHERE r.object = n) $$;
REVOKE ALL ON PROCEDURE ha_show(uuid, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE ha_show(uuid, text, text, text, text) TO hf_deposit;
