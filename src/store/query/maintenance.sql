-- SPDX-License-Identifier: Apache-2.0
-- Whether the pair's alerts are silent.

-- name: apply_maintenance(node uuid, from_seq bigint, to_seq bigint)
INSERT INTO maintenance (at, until, reason)
SELECT at, (b->>'until')::timestamptz, coalesce(b->>'reason', '')
FROM (SELECT seq, at, body::jsonb AS b FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :MAINTENANCE
	ORDER BY seq DESC LIMIT 1) e
ON CONFLICT (one) DO UPDATE SET at = excluded.at, until = excluded.until, reason = excluded.reason;

-- role: holdfast

-- name: maintenance_now() -> at timestamptz, until timestamptz, reason text
SELECT at, until, reason FROM maintenance;
