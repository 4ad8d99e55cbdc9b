-- SPDX-License-Identifier: Apache-2.0
-- Generations. What ends all sessions of a user (a new password, a set-up token, disabling), takes a node out of the pair, or both of everybody (a restored
-- vault) is a row of `ending`, and begins the next generation. subject: the user or node, or nil: everybody. A session that begins and a node that joins name
-- the endings that are known of then (`knew`), of each log the last one: node/seq, with blanks between. An ending that they did not know of, because it came
-- later or on the other side of a cut, ends them. So neither a clock nor the order in which events are applied decides. What an earlier release wrote names nothing
-- (null): it knew of what was applied before it.

-- fragment: everybody()
uuid '00000000-0000-0000-0000-000000000000'

-- fragment: knows(knew, node, seq)
EXISTS (SELECT FROM unnest(string_to_array(:knew, ' ')) k (stamp)
	WHERE CASE split_part(k.stamp, '/', 1) WHEN (:node)::text THEN split_part(k.stamp, '/', 2)::bigint >= :seq ELSE false END)

-- The endings that there are: what one that begins now knows of.
-- fragment: known_endings(subject)
(SELECT string_agg(n.node || '/' || n.seq, ' ' ORDER BY n.node)
	FROM (SELECT n.node, max(n.seq) AS seq FROM ending n WHERE n.subject IN (:subject, :everybody()) GROUP BY n.node) n)

-- When the session ended that began knowing of `knew`: the first of those that it did not know of, or null.
-- fragment: ended_at(subject, session, knew)
(SELECT min(n.at) FROM ending n
	WHERE n.subject IN (:subject, :everybody()) AND n.keep IS DISTINCT FROM :session AND NOT :knows(:knew, n.node, n.seq))

-- name: ending_known(subject uuid) -> knew text
SELECT :known_endings($1);

-- The endings (subject, seq, at, keep, knew, stands) of one node's log; n: those of them that are new.
-- fragment: new_endings(endings)
n AS (
	INSERT INTO ending (subject, node, seq, at, keep, knew, stands) SELECT subject, $1, seq, at, keep, knew, stands FROM :endings
	WHERE subject IS NOT NULL
	ON CONFLICT DO NOTHING RETURNING *
)

-- The sessions that the new endings n end, and when: all but the one that did it (keep). whose: which sessions (s) an ending is about.
-- fragment: overtaken(whose)
(SELECT s.mac, min(n.at) AS at FROM n JOIN session s ON :whose
	WHERE s.id IS DISTINCT FROM n.keep AND NOT :knows(s.knew, n.node, n.seq) GROUP BY s.mac)

-- They end the sessions that are there.
-- fragment: end_sessions(endings, whose)
:new_endings(:endings), ended AS (
	UPDATE session SET ended_at = least(session.ended_at, x.at) FROM :overtaken(:whose) x
	WHERE session.mac = x.mac
)

-- The one of the events m that counts for each user: they set a password or a set-up token, and nobody who set one later knew of them.
-- fragment: credentials_that_count(m)
SELECT DISTINCT ON (:m.subject) :m.subject, v.body::jsonb AS b FROM :m JOIN event v ON v.node = :m.node AND v.seq = :m.seq
ORDER BY :m.subject, v.body::jsonb ? 'knew' AND v.body::jsonb->>'password_hash' IS NOT NULL, :m.node, :m.seq DESC

-- The events x (subject, seq, at, keep, b) set passwords or set-up tokens, and say what was known of then. What nobody who did so knew of stands (stands); of
-- several, made apart from each other, a set-up token counts before a password, else any one, always the same: w is it, for the users of whom x says something new.
-- An earlier release names nothing: of its words the one applied last counts.
-- fragment: set_credentials(x)
h AS MATERIALIZED (
	SELECT :x.subject, :x.seq, :x.at, :x.keep, b->>'knew' AS knew, b ? 'knew'
		AND NOT EXISTS (SELECT FROM ending d WHERE d.subject = :x.subject AND :knows(d.knew, $1, :x.seq))
		AND NOT EXISTS (SELECT FROM :x d WHERE d.subject = :x.subject AND d.seq <> :x.seq AND :knows(d.b->>'knew', $1, :x.seq)) AS stands
	FROM :x
), :end_sessions(h, s.principal = n.subject), f AS MATERIALIZED (
	SELECT DISTINCT d.subject, d.node, d.seq FROM n JOIN ending d ON d.subject = n.subject
	WHERE d.stands AND (n.knew IS NULL OR :knows(n.knew, d.node, d.seq))
), u AS (
	UPDATE ending SET stands = false FROM f WHERE (ending.subject, ending.node, ending.seq) = (f.subject, f.node, f.seq)
), m AS (
	SELECT subject, node, seq FROM n WHERE stands OR knew IS NULL
	UNION ALL SELECT d.subject, d.node, d.seq FROM ending d WHERE d.stands AND d.subject IN (SELECT subject FROM n)
	EXCEPT SELECT subject, node, seq FROM f
), w AS MATERIALIZED (
	:credentials_that_count(m)
)

-- What w says, or, where it says nothing, what the user (p) has.
-- fragment: credentials_of(w, p)
password_hash = CASE WHEN :w.b IS NULL THEN :p.password_hash ELSE :w.b->>'password_hash' END,
setup_mac = CASE WHEN :w.b IS NULL THEN :p.setup_mac ELSE decode(:w.b->>'setup_mac', 'hex') END,
setup_until = CASE WHEN :w.b IS NULL THEN :p.setup_until ELSE (:w.b->>'setup_until')::timestamptz END
