-- SPDX-License-Identifier: Apache-2.0
-- What is in the bin, and what the bin was emptied of, where nodes removed, brought back or changed apart from each other: a function of all that was said, however
-- it came. Emptying the bin has no effect on what somebody brought back apart from it, and an account of which a version is left is not gone.

-- How far the emptying m knew of the other chains. They are few; what was removed and emptied may be much, so whatever is asked of each m is found by key.
-- fragment: known_at(m)
(SELECT k.id AS other, :known_by(:m.chain, :m.seq, k.id) AS known FROM :chains(event) k WHERE k.id <> :m.chain OFFSET 0)

-- Whether what the emptying m is about was removed where it was emptied: else it has no effect.
-- fragment: was_removed(m)
EXISTS (SELECT FROM (SELECT w.chain, w.seq FROM word w
		WHERE w.object IN (:m.account, :m.resource) AND w.principal = :nobody() AND w.what = 'removed' AND w.value = 'true' OFFSET 0) d
	WHERE d.seq <= CASE d.chain WHEN :m.chain THEN :m.seq - 1 ELSE :known_by(:m.chain, :m.seq, d.chain) END)

-- Whether a word of another chain says, apart from the emptying m, that what m is about is there.
-- fragment: brought_back(m)
EXISTS (SELECT FROM :known_at(m) f CROSS JOIN LATERAL (SELECT w.* FROM word w
		WHERE w.object IN (:m.account, CASE WHEN NOT :m.own THEN :m.resource END) AND w.principal = :nobody() AND w.what = 'removed'
			AND w.chain = f.other AND w.seq > f.known AND w.value = 'false' OFFSET 0) w
	WHERE :known_by(w.chain, w.seq, :m.chain) < :m.seq)

-- Whether something of o, which is removed, was stored apart from the removal: neither knew of the other.
-- fragment: changed_apart(o, v)
(:v.chain <> :o.chain AND :v.seq > :known_by(:o.chain, :o.seq, :v.chain) AND :o.seq > :known_by(:v.chain, :v.seq, :o.chain))

-- The resources t (id) anew. own: the account was removed by itself.
-- fragment: retell_bin(t)
g AS MATERIALIZED (
	SELECT a.id AS object, a.resource, :nobody() AS principal, 'removed' AS what
	FROM :t JOIN resource r ON r.id = :t.id JOIN account a ON a.resource = r.id
	WHERE a.deleted_at IS NOT NULL OR a.purged_at IS NOT NULL OR r.deleted_at IS NOT NULL OR EXISTS (SELECT FROM emptied e WHERE e.object = a.id)
	UNION ALL SELECT r.id, r.id, :nobody(), 'removed' FROM :t JOIN resource r ON r.id = :t.id
), l AS MATERIALIZED (
	:last_words(g)
), c AS MATERIALIZED (
	:that_count(l)
), o AS MATERIALIZED (
	SELECT g.object AS id, g.resource, coalesce(c.value::boolean, false) AS removed, c.chain, c.seq, c.at,
		(SELECT x.actor FROM event x WHERE x.node = c.chain AND x.seq = c.seq) AS by
	FROM g LEFT JOIN c ON c.object = g.object
), m AS MATERIALIZED (
	SELECT e.*, CASE WHEN o.id <> o.resource THEN o.id END AS account, o.resource, o.removed AND o.id <> o.resource AS own FROM o JOIN emptied e ON e.object = o.id
	UNION ALL SELECT e.*, o.id, o.resource, o.removed FROM o JOIN version v ON v.account = o.id JOIN emptied e ON e.object = v.id
), p AS MATERIALIZED (
	SELECT m.object, min(m.at) AS at FROM m WHERE :was_removed(m) AND NOT :brought_back(m) GROUP BY m.object
), v AS MATERIALIZED (
	SELECT v.id, v.account, o.resource, v.chain, v.seq, v.sealed = '' AS was, p.object IS NOT NULL AS gone
	FROM o JOIN version v ON v.account = o.id LEFT JOIN p ON p.object = v.id
), a AS MATERIALIZED (
	SELECT o.*, p.at AS purged, o.removed AND EXISTS (SELECT FROM v WHERE v.account = o.id AND :changed_apart(o, v)) AS news
	FROM o LEFT JOIN p ON p.object = o.id AND NOT EXISTS (SELECT FROM v WHERE v.account = o.id AND NOT v.gone)
	WHERE o.id <> o.resource
), r AS MATERIALIZED (
	SELECT o.*, p.at AS purged, o.removed AND EXISTS (SELECT FROM v WHERE v.resource = o.id AND :changed_apart(o, v)) AS news
	FROM o LEFT JOIN p ON p.object = o.id AND o.removed AND NOT EXISTS (SELECT FROM a WHERE a.resource = o.id AND a.purged IS NULL)
	WHERE o.id = o.resource
), uv AS (
	UPDATE version x SET sealed = CASE WHEN v.gone THEN ''
		ELSE (SELECT decode(e.body::jsonb->>'sealed', 'base64') FROM event e WHERE e.node = v.chain AND e.seq = v.seq) END
	FROM v WHERE x.id = v.id AND v.was <> v.gone
), n AS MATERIALIZED (
	SELECT a.id, a.purged, a.news, CASE WHEN a.removed THEN a.at WHEN NOT r.removed THEN a.purged END AS at, CASE WHEN a.removed THEN a.by END AS by
	FROM a JOIN r ON r.id = a.resource
), ua AS (
	UPDATE account x SET deleted_at = n.at, deleted_by = n.by, purged_at = n.purged, bin_news = n.news,
		binned_at = CASE WHEN n.at IS NULL THEN NULL WHEN n.news AND NOT x.bin_news OR x.purged_at IS NOT NULL AND n.purged IS NULL THEN now()
			ELSE coalesce(x.binned_at, n.at) END
	FROM n WHERE x.id = n.id AND (x.deleted_at, x.deleted_by, x.purged_at, x.bin_news) IS DISTINCT FROM (n.at, n.by, n.purged, n.news)
)
UPDATE resource x SET purged_at = r.purged, bin_news = r.news,
	binned_at = CASE WHEN NOT r.removed THEN NULL WHEN r.news AND NOT x.bin_news OR x.purged_at IS NOT NULL AND r.purged IS NULL THEN now() ELSE x.binned_at END
FROM r WHERE x.id = r.id AND (x.purged_at, x.bin_news) IS DISTINCT FROM (r.purged, r.news)

-- Behind merged events: the resources in whose accounts or in which itself something was removed, brought back or made, or stored though removed.
-- name: retell_bins(node uuid, from_seq bigint, to_seq bigint)
WITH e AS MATERIALIZED (
	SELECT seq, kind, object FROM event WHERE node = $1 AND seq BETWEEN $2 AND $3
		AND kind IN (:RESOURCE_CREATED, :RESOURCE_DELETED, :RESOURCE_RESTORED, :ACCOUNT_CREATED, :ACCOUNT_DELETED, :ACCOUNT_RESTORED, :ACCOUNT_COMBINED,
			:VERSION_ADDED)
), i AS MATERIALIZED (
	SELECT object AS id FROM e UNION SELECT object FROM emptied WHERE chain = $1 AND seq BETWEEN $2 AND $3
), t AS MATERIALIZED (
	SELECT r.id FROM i JOIN resource r ON r.id = i.id
	UNION SELECT x.resource FROM (SELECT a.resource, a.id FROM i JOIN account a ON a.id = i.id
		UNION SELECT a.resource, a.id FROM i JOIN version v ON v.id = i.id JOIN account a ON a.id = v.account) x
	JOIN resource r ON r.id = x.resource JOIN account a ON a.id = x.id
	WHERE a.deleted_at IS NOT NULL OR a.purged_at IS NOT NULL OR r.deleted_at IS NOT NULL OR EXISTS (SELECT FROM emptied z WHERE z.object = r.id)
		OR EXISTS (SELECT FROM e WHERE e.object = x.id AND e.kind <> :VERSION_ADDED) OR x.id IN (SELECT v.account FROM i JOIN version v ON v.id = i.id)
), :retell_bin(t);

-- Behind this node's own emptying: the resources with something that a bin was emptied of before, and that came back since. It is gone since the first time.
-- name: retell_bins_emptied_again(node uuid, from_seq bigint, to_seq bigint)
WITH i AS MATERIALIZED (
	SELECT DISTINCT e.object AS id FROM emptied e JOIN emptied o ON o.object = e.object AND (o.chain, o.seq) <> (e.chain, e.seq)
	WHERE e.chain = $1 AND e.seq BETWEEN $2 AND $3
), t AS MATERIALIZED (
	SELECT r.id FROM i JOIN resource r ON r.id = i.id
	UNION SELECT a.resource FROM i JOIN account a ON a.id = i.id
), :retell_bin(t);

-- As retell_left.
-- name: retell_bins_left()
WITH t AS MATERIALIZED (
	SELECT DISTINCT resource AS id FROM account WHERE retell
), :retell_bin(t);
