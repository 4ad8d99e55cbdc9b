-- SPDX-License-Identifier: Apache-2.0
-- Before the data said as of when they are: they have all that happened up to their newest event, wherever that was written, for the
-- primary appended it.

-- table: beat
SELECT max(t.at) AS at, (SELECT h.term FROM public.ha_term h) AS term
FROM public.node n, LATERAL (SELECT e.at FROM public.event e WHERE e.node = n.id ORDER BY e.seq DESC LIMIT 1) t
HAVING max(t.at) IS NOT NULL
