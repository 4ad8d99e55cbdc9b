-- SPDX-License-Identifier: Apache-2.0
-- What the chains say of each other.

-- How far a chain says, before seq, that it has another one.
-- fragment: known_of(chain, seq, other)
coalesce((SELECT (known.body::jsonb->>'to')::bigint FROM event known
	WHERE known.node = :chain AND known.object = :other AND known.seq < :seq AND known.kind IN (:MERGED, :SEEN) AND strpos(known.body, '"not_applied"') = 0
	ORDER BY known.seq DESC LIMIT 1), 0)
