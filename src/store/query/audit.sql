-- SPDX-License-Identifier: Apache-2.0
-- The log as an auditor reads it, newest first. Null parameters do not filter. before_*: the last row of the page before. Bodies
-- come up to about 1 MiB; behind that they are null, and the row is of the next page. The first row has its body.

-- name: audit_list(kind int, actor uuid, object uuid, since timestamptz, until timestamptz, node uuid,
--   before_at timestamptz, before_node uuid, before_seq bigint, rows int) ->
--   node uuid, node_name text, seq bigint, at timestamptz, kind int, actor uuid, actor_name text, object uuid,
--   address text, body text, object_name text
SELECT e.node, n.name, e.seq, e.at, e.kind, e.actor, p.name, e.object, e.address,
	CASE WHEN sum(octet_length(e.body)) OVER w - octet_length(e.body) < 1048576 THEN e.body END,
	coalesce((SELECT r.name || '/' || a.login FROM account a JOIN resource r ON r.id = a.resource WHERE a.id = e.object),
		(SELECT name FROM resource WHERE id = e.object),
		(SELECT name FROM folder WHERE id = e.object),
		(SELECT name FROM principal WHERE id = e.object),
		(SELECT name FROM node WHERE id = e.object))
FROM (
	SELECT * FROM event
	WHERE ($1::int IS NULL OR kind = $1)
		AND ($2::uuid IS NULL OR actor = $2)
		AND ($3::uuid IS NULL OR object = $3)
		AND ($4::timestamptz IS NULL OR at >= $4)
		AND ($5::timestamptz IS NULL OR at < $5)
		AND ($6::uuid IS NULL OR node = $6 OR node IN (SELECT id FROM chain WHERE node = $6))
		AND ($7::timestamptz IS NULL OR (at, node, seq) < ($7, $8::uuid, $9::bigint))
	ORDER BY at DESC, node DESC, seq DESC LIMIT $10
) e
LEFT JOIN node n ON n.id = :writer(e.node)
LEFT JOIN principal p ON p.id = e.actor
WINDOW w AS (ORDER BY e.at DESC, e.node DESC, e.seq DESC)
ORDER BY e.at DESC, e.node DESC, e.seq DESC;

-- Events of other nodes that a merge took in and the tables refused: of which chain, from and to which number, which event took them in, and why. But for
-- those that a later merge brought to effect, and those that an administrator accepted.
-- name: audit_without_effect(rows int) -> chain uuid, first bigint, last bigint, by_chain uuid, by_seq bigint, at timestamptz, why text
SELECT m.object, (x.b->>'from')::bigint, (x.b->>'to')::bigint, m.node, m.seq, m.at, x.b->>'not_applied'
FROM event m CROSS JOIN LATERAL (SELECT m.body::jsonb AS b OFFSET 0) x
WHERE m.kind = :MERGED AND strpos(m.body, '"not_applied"') > 0
	AND NOT EXISTS (SELECT FROM event o WHERE o.kind = :MERGED AND o.object = m.object AND strpos(o.body, '"not_applied"') = 0
		AND (o.body::jsonb->>'from')::bigint <= (x.b->>'from')::bigint AND (o.body::jsonb->>'to')::bigint >= (x.b->>'to')::bigint)
	AND NOT EXISTS (SELECT FROM audit_accepted a
		CROSS JOIN LATERAL (SELECT * FROM event WHERE node = a.node AND seq = a.seq AND kind = :AUDIT_ACCEPTED OFFSET 0) t,
		jsonb_array_elements(coalesce(t.body::jsonb->'without_effect', '[]')) k
		WHERE k->>'node' = m.node::text AND (k->>'seq')::bigint = m.seq)
ORDER BY m.node, m.seq LIMIT $1;
