-- SPDX-License-Identifier: Apache-2.0
-- What the chains say of each other.

-- All chains of which the log has anything: those of a node that was taken out too. log: event, or a view of it.
-- fragment: chains(log)
(WITH RECURSIVE its (id) AS (
	(SELECT one.node FROM :log one ORDER BY one.node LIMIT 1)
	UNION ALL SELECT (SELECT one.node FROM :log one WHERE one.node > its.id ORDER BY one.node LIMIT 1) FROM its WHERE its.id IS NOT NULL
) SELECT id FROM its WHERE id IS NOT NULL)

-- The end of each.
-- fragment: chain_ends()
(SELECT last.* FROM :chains(event_hash) of
	CROSS JOIN LATERAL (SELECT e.node, e.seq, e.hash FROM event_hash e WHERE e.node = of.id ORDER BY e.seq DESC LIMIT 1) last)

-- How far a chain says, before seq, that it has another one.
-- fragment: known_of(chain, seq, other)
coalesce((SELECT (known.body::jsonb->>'to')::bigint FROM event known
	WHERE known.node = :chain AND known.object = :other AND known.seq < :seq AND known.kind IN (:MERGED, :SEEN) AND strpos(known.body, '"not_applied"') = 0
	ORDER BY known.seq DESC LIMIT 1), 0)

-- Whether a chain was written by an earlier release up to there, which names none: one of this release that has no other to name names itself.
-- fragment: names_nobody(chain, seq)
NOT EXISTS (SELECT FROM event naming WHERE naming.node = :chain AND naming.kind = :SEEN AND naming.seq < :seq)

-- How far a chain knew of another one at seq. What an earlier release wrote, which names nobody, knew of all that was in the log that it was merged into.
-- fragment: known_by(chain, seq, other)
greatest(:known_of(:chain, :seq, :other), CASE WHEN :names_nobody(:chain, :seq) THEN (SELECT min(taken.seq) - 1 FROM event taken
	WHERE taken.node = :other AND taken.object = :chain AND taken.kind = :MERGED AND strpos(taken.body, '"not_applied"') = 0
		AND :seq BETWEEN (taken.body::jsonb->>'from')::bigint AND (taken.body::jsonb->>'to')::bigint) END)
