-- SPDX-License-Identifier: Apache-2.0
-- Whose retrievals are held: those whom an event says so of, as long as no release names that very event. So it is a function of the set of events, whatever came first;
-- a hold that whoever released did not know of goes on.

-- name: hold_list() -> principal uuid, node uuid, seq bigint
SELECT h.object, h.node, h.seq FROM event_unusual h
WHERE h.body::jsonb->>'held' = 'true'
	AND NOT EXISTS (SELECT FROM event_released r WHERE r.object = h.object AND r.hold = h.node || '/' || h.seq);
