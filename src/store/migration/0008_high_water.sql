-- SPDX-License-Identifier: Apache-2.0
-- A chain may come home from two sides: its later part from the node whose it is, what is before that from whom salvaged it. Up to where
-- there is no hole, a sender need not send.
CREATE OR REPLACE FUNCTION ha_high_water(n uuid) RETURNS bigint
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
	AS $$ SELECT l.seq + (SELECT count(*) FROM (
			SELECT i.seq, row_number() OVER (ORDER BY i.seq) AS k FROM ha_inbox i WHERE i.node = n AND i.seq > l.seq
		) t WHERE t.seq = l.seq + t.k)
		FROM (SELECT coalesce(max(seq), 0) AS seq FROM event WHERE node = n) l $$;
