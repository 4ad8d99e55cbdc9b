-- SPDX-License-Identifier: Apache-2.0
-- Whether the pair's alerts are silent.

-- name: apply_maintenance(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT seq, at, :nobody() AS object, :nobody() AS principal, 'maintenance' AS what, body AS value, NULL::text AS upon FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :MAINTENANCE
), w AS (
	:outdates(e)
)
:says(e);

-- role: holdfast

-- name: maintenance_now() -> at timestamptz, until timestamptz, reason text
SELECT at, until, reason FROM maintenance;
