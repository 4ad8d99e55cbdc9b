-- SPDX-License-Identifier: Apache-2.0
-- Sessions belong to a generation of their user's credentials and nodes to one of their place in the pair, and no clock says to which.

-- What ended all sessions of a user but for the one that did it (keep), took a node out, or ended both of everybody (subject: nil).
-- Of those that set a password or a set-up token knew: the ones that were known of then, and stands: nobody who did so since knew of it.
CREATE TABLE ending (
	subject uuid NOT NULL,
	node uuid NOT NULL,
	seq bigint NOT NULL,
	at timestamptz NOT NULL,
	keep uuid,
	knew text,
	stands boolean NOT NULL DEFAULT false,
	PRIMARY KEY (subject, node, seq)
);
GRANT SELECT, INSERT, UPDATE ON ending TO hf_vault;
-- knew: the endings that were known of when a session began or a node joined; null: that was an earlier release, and of the generation that was the newest then.
ALTER TABLE session ADD COLUMN knew text;
ALTER TABLE node ADD COLUMN knew text;

INSERT INTO ending (subject, node, seq, at, keep)
SELECT CASE WHEN kind = :RESTORED THEN '00000000-0000-0000-0000-000000000000' ELSE object END, node, seq, at, (b->>'keep')::uuid
FROM (SELECT kind, object, node, seq, at, body::jsonb AS b FROM event
	WHERE kind IN (:USER_PASSWORD, :USER_CHANGED, :USER_RECOVERED, :RESTORED, :NODE_REMOVED)) e
WHERE (kind <> :USER_CHANGED OR b->>'disabled' = 'true') AND (kind = :RESTORED OR object IS NOT NULL);

-- What stands behind a log-in in its own log came later, whatever the clock said.
UPDATE session s SET ended_at = least(s.ended_at, x.at)
FROM (SELECT l.session, min(n.at) AS at
	FROM (SELECT node, seq, actor, (body::jsonb->>'session')::uuid AS session FROM event WHERE kind = :LOGIN) l
	JOIN ending n ON n.subject IN (l.actor, '00000000-0000-0000-0000-000000000000') AND n.node = l.node AND n.seq > l.seq
		AND n.keep IS DISTINCT FROM l.session
	GROUP BY l.session) x
WHERE s.id = x.session;
