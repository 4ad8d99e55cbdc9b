-- SPDX-License-Identifier: Apache-2.0
-- Which of all primaries is the true one, as other nodes say over the channel: epochs with their proofs. The agent has keyd check them before it believes
-- any; the last few are kept. No event stands for them: they are no data of the vault.
CREATE TABLE ha_epoch (
	epoch text NOT NULL CHECK (octet_length(epoch) < 60),
	proof text NOT NULL CHECK (octet_length(proof) = 64),
	told_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (epoch, proof)
);

CREATE PROCEDURE ha_tell(told text, with_proof text)
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
	AS $$
		INSERT INTO public.ha_epoch (epoch, proof) VALUES (told, with_proof) ON CONFLICT DO NOTHING;
		DELETE FROM public.ha_epoch
		WHERE (epoch, proof) NOT IN (SELECT e.epoch, e.proof FROM public.ha_epoch e ORDER BY e.told_at DESC LIMIT 8)
	$$;
REVOKE ALL ON PROCEDURE ha_tell(text, text) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE ha_tell(text, text) TO hf_deposit;
