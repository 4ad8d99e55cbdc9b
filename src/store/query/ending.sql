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

-- The endings (subject, seq, at, keep) of one node's log; n: those of them that are new.
-- fragment: new_endings(endings)
n AS (
	INSERT INTO ending (subject, node, seq, at, keep) SELECT subject, $1, seq, at, keep FROM :endings
	WHERE subject IS NOT NULL
	ON CONFLICT DO NOTHING RETURNING *
)

-- They end the sessions that are there: all but the one that did it (keep). whose: which sessions (s) an ending (n) is about.
-- fragment: end_sessions(endings, whose)
:new_endings(:endings), ended AS (
	UPDATE session SET ended_at = least(session.ended_at, x.at)
	FROM (SELECT s.mac, min(n.at) AS at FROM n JOIN session s ON :whose
		WHERE s.id IS DISTINCT FROM n.keep AND NOT :knows(s.knew, n.node, n.seq) GROUP BY s.mac) x
	WHERE session.mac = x.mac
)
