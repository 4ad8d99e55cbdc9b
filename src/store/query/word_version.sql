-- SPDX-License-Identifier: Apache-2.0
-- What becomes of versions where nodes stored or decided apart from each other: a function of all that was said of the account, however it came. The order is that
-- in which they knew of each other. Of what knew nothing of each other, the line of the primaries comes first, and what was stored beside it, in emergency or by
-- a primary that had been succeeded, comes before the first of the line that knows of it. So nothing that a primary has numbered moves when a journal is merged.
-- In that order each version takes effect if it was made upon the one that is current then, and is a sibling otherwise.

-- What is decided of versions.
-- fragment: decides(e)
(:e.kind IN (:CONFLICT_SETTLED, :CHANGE_APPROVED, :CHANGE_DECLINED) OR :e.kind = :ACCOUNT_CHANGED AND :e.body::jsonb ? 'conflict')

-- Who began a term, and so continues the line of the primaries.
-- fragment: begins_term(e)
(:e.kind IN (:PROMOTED, :RESTORED))

-- Whether a version waits for approval: its author's right was withdrawn apart from it, or it was stored in emergency by somebody who never had one. What is done
-- knowing of it changes nothing of that: where the resource stood then nobody says, so what was stored in emergency needs a right on any folder that it ever stood in.
-- fragment: waits(chain, seq, author, account, emergency)
(SELECT (apart.withdrawn OR :emergency) AND NOT :entitled_apart(:chain, :seq, :author, :account, NOT apart.withdrawn)
	FROM (SELECT :withdrawn_apart(:chain, :seq, :author, :account) AS withdrawn OFFSET 0) apart)

-- The accounts a (id) anew.
-- fragment: retell(a)
v AS MATERIALIZED (
	SELECT v.*, v.upon IS NOT NULL AND :waits(v.chain, v.seq, v.author, v.account, v.emergency) AS held
	FROM :a JOIN version v ON v.account = :a.id
), d AS MATERIALIZED (
	SELECT e.object AS account, e.node AS chain, e.seq, e.kind, (e.body::jsonb->>'id')::uuid AS version, (e.body::jsonb->>'upon')::uuid AS upon,
		string_to_array(e.body::jsonb->>'settles', ' ') AS settles
	FROM :a JOIN event e ON e.object = :a.id AND :decides(e)
), i AS MATERIALIZED (
	SELECT i.*, i.apart OR EXISTS (SELECT FROM event p WHERE :begins_term(p) AND p.node <> i.chain
		AND :known_by(i.chain, i.seq, p.node) < p.seq AND :known_by(p.node, p.seq, i.chain) < i.seq) AS beside
	FROM (SELECT account, chain, seq, emergency AS apart FROM v UNION ALL SELECT account, chain, seq, false FROM d) i
), k AS MATERIALIZED (
	SELECT i.account, i.chain, i.seq, c.chain AS other, CASE c.chain WHEN i.chain THEN i.seq - 1 ELSE :known_by(i.chain, i.seq, c.chain) END AS upto
	FROM i JOIN (SELECT DISTINCT account, chain FROM i) c ON c.account = i.account
), m AS MATERIALIZED (
	SELECT account, chain, seq, sum(lines) AS lines, sum(besides) AS besides
	FROM (SELECT account, chain, seq, asks, sum(line) OVER w AS lines, sum(side) OVER w AS besides
		FROM (SELECT account, chain AS other, seq AS place, false AS asks, NULL::uuid AS chain, 0 AS seq, (NOT beside)::int AS line, beside::int AS side FROM i
			UNION ALL SELECT account, other, upto, true, chain, seq, 0, 0 FROM k) x
		WINDOW w AS (PARTITION BY account, other ORDER BY place, asks ROWS UNBOUNDED PRECEDING)) x
	WHERE asks GROUP BY account, chain, seq
), l AS MATERIALIZED (
	SELECT i.account, i.chain, i.seq, row_number() OVER (PARTITION BY i.account ORDER BY m.lines, i.chain, i.seq) AS place
	FROM i JOIN m USING (account, chain, seq) WHERE NOT i.beside
), b AS MATERIALIZED (
	SELECT account, chain, seq, min(before) AS before
	FROM (SELECT account, chain, seq, asks, min(place) OVER (PARTITION BY account, other ORDER BY upto DESC, asks ROWS UNBOUNDED PRECEDING) AS before
		FROM (SELECT k.account, k.other, k.upto, false AS asks, NULL::uuid AS chain, 0 AS seq, l.place FROM k JOIN l USING (account, chain, seq)
			UNION ALL SELECT account, chain, seq, true, chain, seq, NULL FROM i WHERE beside) x) x
	WHERE asks GROUP BY account, chain, seq
), o AS MATERIALIZED (
	SELECT i.account, i.chain, i.seq, row_number() OVER (PARTITION BY i.account
		ORDER BY coalesce(l.place, b.before, 9223372036854775807), l.place IS NOT NULL, m.besides, i.chain, i.seq) AS place
	FROM i JOIN m USING (account, chain, seq) LEFT JOIN l USING (account, chain, seq) LEFT JOIN b USING (account, chain, seq)
), c AS MATERIALIZED (
	SELECT d.account, d.version, bool_or(d.kind = :CHANGE_DECLINED) AS declined, min(o.place) FILTER (WHERE d.kind = :CHANGE_APPROVED) AS approved
	FROM d JOIN o USING (account, chain, seq) WHERE d.kind IN (:CHANGE_APPROVED, :CHANGE_DECLINED) GROUP BY d.account, d.version
), n AS MATERIALIZED (
	SELECT v.id, v.account, v.upon, v.based_on, row_number() OVER (PARTITION BY v.account ORDER BY o.place) AS n,
		CASE WHEN c.declined THEN 'declined' WHEN c.approved IS NOT NULL THEN 'approved' WHEN v.held THEN 'waits' END AS approval,
		CASE WHEN c.declined THEN NULL WHEN c.approved IS NOT NULL THEN c.approved WHEN NOT v.held THEN o.place END AS place
	FROM v JOIN o USING (account, chain, seq) LEFT JOIN c ON c.account = v.account AND c.version = v.id
), t AS MATERIALIZED (
	SELECT n.account, n.place, n.id, coalesce(n.upon, CASE WHEN n.based_on > 0 THEN coalesce(u.id, :nobody()) END) AS upon, NULL::uuid AS also
	FROM n LEFT JOIN n u ON u.account = n.account AND u.n = n.based_on AND n.upon IS NULL
	WHERE n.place IS NOT NULL
	UNION ALL SELECT d.account, o.place, d.version, d.upon, d.version FROM d JOIN o USING (account, chain, seq)
	WHERE d.kind = :CONFLICT_SETTLED AND EXISTS (SELECT FROM v WHERE v.id = d.version AND v.account = d.account)
), s AS MATERIALIZED (
	SELECT x.*, sum((first OR also IS NOT NULL OR upon IS DISTINCT FROM last)::int) OVER (PARTITION BY account ORDER BY place) AS run
	FROM (SELECT t.*, lag(id) OVER w AS last, row_number() OVER w = 1 AS first FROM t WINDOW w AS (PARTITION BY account ORDER BY place)) x
), g AS MATERIALIZED (
	SELECT account, run, (array_agg(upon ORDER BY place))[1] AS upon, (array_agg(also ORDER BY place))[1] AS also,
		(array_agg(id ORDER BY place DESC))[1] AS id
	FROM s GROUP BY account, run
), j AS MATERIALIZED (
	SELECT * FROM (SELECT g.*, count(*) OVER (PARTITION BY account) AS runs FROM g) g WHERE runs > 1
), r AS MATERIALIZED (
	WITH RECURSIVE r AS (
		SELECT DISTINCT account, 0::bigint AS run, NULL::uuid AS id FROM j
		UNION ALL SELECT x.account, x.run, x.id FROM r CROSS JOIN LATERAL (SELECT * FROM j
			WHERE j.account = r.account AND j.run > r.run AND (j.upon IS NOT DISTINCT FROM r.id OR j.also = r.id) ORDER BY j.run LIMIT 1) x)
	SELECT account, run, id FROM r WHERE run > 0
	UNION ALL SELECT account, min(run), (array_agg(id))[1] FROM g GROUP BY account HAVING count(*) = 1 AND bool_and(upon IS NULL)
), q AS MATERIALIZED (
	SELECT DISTINCT ON (id) id, open
	FROM (SELECT s.id, s.place, r.run IS NULL AS open FROM s LEFT JOIN r ON r.account = s.account AND r.run = s.run
		UNION ALL SELECT u.id::uuid, o.place, false FROM d JOIN o USING (account, chain, seq) CROSS JOIN unnest(d.settles) u (id)
		WHERE u.id NOT IN ('', d.version::text)
		UNION ALL SELECT n.id, o.place, false FROM d JOIN o USING (account, chain, seq) JOIN n ON n.account = d.account AND n.place < o.place
		WHERE d.kind = :ACCOUNT_CHANGED) x
	ORDER BY id, place DESC
), z AS MATERIALIZED (
	SELECT n.*, n.place IS NOT NULL AND coalesce(q.open, false) AS sibling, coalesce(u.n, n.based_on) AS upon_n
	FROM n LEFT JOIN q USING (id) LEFT JOIN n u ON u.id = n.upon
), w AS (
	UPDATE version v SET n = z.n, sibling = z.sibling, approval = z.approval, based_on = z.upon_n FROM z
	WHERE v.id = z.id AND (v.n, v.sibling, v.approval, v.based_on) IS DISTINCT FROM (z.n, z.sibling, z.approval, z.upon_n)
)
UPDATE account x SET current_n = f.n, conflict = f.conflict, retell = false
FROM (SELECT :a.id, coalesce(l.n, 0) AS n, coalesce(b.conflict, false) AS conflict
	FROM :a LEFT JOIN (SELECT DISTINCT ON (r.account) r.account, z.n FROM r JOIN z ON z.id = r.id ORDER BY r.account, r.run DESC) l ON l.account = :a.id
	LEFT JOIN (SELECT account, bool_or(sibling) AS conflict FROM z GROUP BY account) b ON b.account = :a.id) f
WHERE x.id = f.id AND (x.current_n, x.conflict, x.retell) IS DISTINCT FROM (f.n, f.conflict, false)

-- Behind merged events: the accounts of which something was said that another chain, which said something of it too, was not known to; those of which something was
-- decided that is applied again, for the same chain has said more of them since; those of which something was said before they were made; those with versions stored
-- apart from what says who may store; and those of a chain of an earlier release, once its merging says what it knew of.
-- name: retell_versions(node uuid, from_seq bigint, to_seq bigint)
WITH RECURSIVE e AS MATERIALIZED (
	SELECT seq, kind, object, body FROM event WHERE node = $1 AND seq BETWEEN $2 AND $3
		AND kind IN (:VERSION_ADDED, :CONFLICT_SETTLED, :CHANGE_APPROVED, :CHANGE_DECLINED, :RESOURCE_CREATED, :ACCOUNT_CREATED, :ACCOUNT_CHANGED,
			:PROMOTED, :RESTORED, :MERGED)
), its AS MATERIALIZED (
	SELECT object AS id, min(seq) AS seq, min(seq) FILTER (WHERE :decides(e)) AS decided FROM e WHERE kind = :VERSION_ADDED OR :decides(e) GROUP BY object
), y AS MATERIALIZED (
	SELECT its.id, its.seq, x.chain, max(x.seq) AS upto
	FROM its CROSS JOIN LATERAL (SELECT v.chain, v.seq FROM version v WHERE v.account = its.id AND v.chain <> $1
		UNION ALL SELECT d.node, d.seq FROM event d WHERE d.object = its.id AND :decides(d) AND d.node <> $1) x
	GROUP BY its.id, its.seq, x.chain
), said AS MATERIALIZED (
	SELECT * FROM word w WHERE w.chain = $1 AND w.seq BETWEEN $2 AND $3 AND w.what IN ('disabled', 'share', 'member', 'owner', 'folder', 'parent', 'removed')
), who AS MATERIALIZED (
	SELECT said.principal, said.seq FROM said WHERE said.what IN ('disabled', 'share', 'member')
	UNION SELECT k.principal, said.seq FROM said JOIN word k ON k.object = said.principal AND k.what = 'member' WHERE said.what IN ('disabled', 'share', 'member')
	UNION SELECT NULL, seq FROM e WHERE :begins_term(e)
), below AS (
	SELECT object AS id FROM said WHERE what IN ('parent', 'removed', 'owner') UNION SELECT o.id FROM below JOIN folder o ON o.said = below.id
), u AS MATERIALIZED (
	SELECT who.principal, c.id AS chain, min(:known_by($1, who.seq, c.id)) AS known
	FROM who CROSS JOIN :chains(event) c WHERE c.id <> $1 GROUP BY who.principal, c.id
), a AS MATERIALIZED (
	SELECT id FROM y WHERE :known_by($1, y.seq, y.chain) < y.upto
	UNION SELECT its.id FROM its WHERE EXISTS (SELECT FROM version v WHERE v.account = its.id AND v.chain = $1 AND v.seq > its.decided)
		OR EXISTS (SELECT FROM event d WHERE d.object = its.id AND :decides(d) AND d.node = $1 AND d.seq > its.decided)
	UNION SELECT e.object FROM e WHERE e.kind = :ACCOUNT_CREATED AND EXISTS (SELECT FROM version v WHERE v.account = e.object)
	UNION SELECT x.object
	FROM u CROSS JOIN LATERAL (SELECT n.* FROM event n WHERE n.node = u.chain AND n.seq > u.known
		AND (n.kind = :VERSION_ADDED OR u.principal IS NULL AND :decides(n)) OFFSET 0) x
	WHERE u.principal IS NULL OR (x.body::jsonb->>'author')::uuid = u.principal
	UNION SELECT x.object FROM e CROSS JOIN LATERAL (SELECT n.* FROM event n WHERE n.node = e.object
		AND n.seq BETWEEN (e.body::jsonb->>'from')::bigint AND (e.body::jsonb->>'to')::bigint AND (n.kind = :VERSION_ADDED OR :decides(n)) OFFSET 0) x
	WHERE e.kind = :MERGED AND :names_nobody(e.object, (e.body::jsonb->>'to')::bigint)
	UNION SELECT o.id FROM (SELECT object FROM said WHERE what IN ('owner', 'folder') UNION SELECT object FROM e WHERE kind = :RESOURCE_CREATED
		UNION SELECT r.id FROM below JOIN resource r ON r.folder = below.id) g
	JOIN account o ON o.resource = g.object WHERE EXISTS (SELECT FROM version v WHERE v.account = o.id)
), :retell(a);

-- Those of which an upgrade says so.
-- name: retell_left()
WITH a AS MATERIALIZED (
	SELECT id FROM account WHERE retell
), :retell(a);
