-- SPDX-License-Identifier: Apache-2.0
-- What is said, and what counts of it (docs/merge.md has the table of rules). Each event that sets a user's name, factor, role or their being
-- disabled, a text of a resource or account, its owner, to whom it is offered, its being removed, a share, who is in a team, or what is allowed in emergency is a word about that one thing:
-- (object, principal, what). A chain's last word outdates its earlier ones, and a word outdates those that its node knew of; of those that are left
-- the safest counts, and where none is safer, that of the oldest chain. So what counts is a function of the words, however they came. Where a word was
-- lost to one that its node did not know of, that is kept for people (admin_conflict).

-- Rows e of $1's chain (seq, at, object, principal, what, value, upon) become words: what they outdate, and they themselves. The words of one thing are few, those
-- of a chain are many: chains are compared so that no index by chain is taken, whatever the planner believes of a table that was empty.
-- fragment: outdates(e)
UPDATE word w SET later = true FROM :e
WHERE w.object = :e.object AND w.principal = :e.principal AND w.what = :e.what AND w.chain IS NOT DISTINCT FROM $1 AND w.seq < :e.seq AND NOT w.later

-- fragment: says(e)
INSERT INTO word (object, principal, what, chain, seq, at, value, upon, later)
SELECT object, principal, what, $1, seq, at, value, upon, lead(seq) OVER (PARTITION BY object, principal, what ORDER BY seq) IS NOT NULL
	OR EXISTS (SELECT FROM word l WHERE l.object = :e.object AND l.principal = :e.principal AND l.what = :e.what
		AND l.chain IS NOT DISTINCT FROM $1 AND l.seq > :e.seq)
FROM :e
ON CONFLICT DO NOTHING

-- fragment: same(a, b)
:a.object = :b.object AND :a.principal = :b.principal AND :a.what = :b.what

-- What a word about nobody in particular has for its principal.
-- fragment: nobody()
uuid '00000000-0000-0000-0000-000000000000'

-- The texts in events of one kind: fields is what their bodies may hold.
-- fragment: text_words(kind, fields)
(SELECT x.seq, x.at, x.object, :nobody() AS principal, f.what, x.b->>f.what AS value, NULL::text AS upon
	FROM (SELECT seq, at, object, body::jsonb AS b FROM event
		WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :kind) x
	JOIN unnest(:fields::text[]) f (what) ON x.b ? f.what)

-- That something was removed, or is there again.
-- fragment: removal_words(kind, value)
(SELECT seq, at, object, :nobody() AS principal, 'removed' AS what, :value AS value, NULL::text AS upon FROM event
	WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :kind)

-- Whoever puts something into a folder says that it is there. field: where events of that kind name it.
-- fragment: entry_words(kind, field)
(SELECT seq, at, (b->>:field)::uuid AS object, :nobody() AS principal, 'removed' AS what, 'false' AS value, NULL::text AS upon
	FROM (SELECT seq, at, body::jsonb AS b FROM event
		WHERE node = $1 AND seq BETWEEN $2 AND $3 AND kind = :kind) x WHERE b->>:field <> '')

-- The lower the safer. Of texts, owners and factors that are set none is.
-- fragment: rank(w)
CASE :w.what WHEN 'role' THEN array_position('{auditor,user,password_administrator,administrator}'::text[], :w.value) WHEN 'disabled' THEN (:w.value = 'false')::int
	WHEN 'share' THEN :said_rank(:w.value) WHEN 'member' THEN (:w.value = 'true')::int WHEN 'policy' THEN array_position('{off,inherit,on}'::text[], :w.value)
	WHEN 'removed' THEN (:w.value = 'true')::int WHEN 'offer' THEN (:w.value <> '')::int WHEN 'factor' THEN (:w.value = '')::int
	WHEN 'maintenance' THEN (nullif(:w.value, '')::jsonb->>'until' IS NOT NULL)::int WHEN 'handover' THEN -nullif(split_part(:w.value, ' ', 1), '')::int
	ELSE 0 END

-- Of a word that puts something into a folder.
-- fragment: folder_called(value)
coalesce((SELECT holding.name FROM folder holding WHERE holding.id = nullif(:value, '')::uuid), nullif(:value, ''), 'none')

-- What people see of a word's value.
-- fragment: outcome(what, value)
CASE :what WHEN 'share' THEN ('{none,view,modify,manage}'::text[])[:said_level(:value) + 1] || coalesce(' until ' || nullif(split_part(:value, ' ', 2), ''), '')
	WHEN 'factor' THEN CASE :value WHEN '' THEN 'none' ELSE 'set' END
	WHEN 'removed' THEN CASE :value WHEN 'true' THEN 'removed' ELSE 'kept' END
	WHEN 'member' THEN CASE :value WHEN 'true' THEN 'member' ELSE 'no member' END
	WHEN 'offer' THEN coalesce((SELECT owning.name FROM principal owning WHERE owning.id = nullif(split_part(:value, ' ', 1), '')::uuid), 'none')
	WHEN 'parent' THEN :folder_called(:value) WHEN 'loop' THEN :folder_called(:value) WHEN 'folder' THEN :folder_called(:value)
	WHEN 'owner' THEN coalesce((SELECT owning.name FROM principal owning WHERE owning.id = :value::uuid), :value) ELSE :value END

-- Whom or what a conflict (c) is about: a user or a team, or else a resource or an account.
-- fragment: concerned(c)
coalesce(nullif(:c.principal, :nobody()), :c.object)

-- Whether a's chain says that it has b, before a; or one of its words was made upon b.
-- fragment: named(a, b)
(:known_of(:a.chain, :a.seq, :b.chain) >= :b.seq
	OR EXISTS (SELECT FROM word made WHERE :same(made, :b) AND made.chain = :a.chain AND made.seq <= :a.seq
		AND made.upon IN (:b.chain || '/' || :b.seq, :b.chain || '/' || :b.seq || '+')))

-- One of an earlier release that was made upon whatever stood: who was let in again.
-- fragment: upon_all(a, b)
EXISTS (SELECT FROM word made WHERE :same(made, :b) AND made.chain = :a.chain AND made.seq <= :a.seq AND made.upon = '*')

-- Whether the node that said a knew of b, of the same thing and another chain. No clock tells, but for texts of two chains of earlier releases, of
-- which neither names any other: there is nothing else to go by.
-- fragment: aware(a, b)
CASE WHEN :named(:a, :b) THEN true WHEN :named(:b, :a) THEN false
	WHEN :upon_all(:a, :b) THEN NOT :upon_all(:b, :a) OR (:a.at, :a.chain) > (:b.at, :b.chain)
	WHEN :a.what IN ('role', 'disabled', 'share', 'member', 'policy') OR :upon_all(:b, :a) THEN false
	ELSE (:a.at, :a.chain) > (:b.at, :b.chain) AND :names_nobody(:a.chain, :a.seq) AND :names_nobody(:b.chain, :b.seq) END

-- The last words of the chains about the things g.
-- fragment: last_words(g)
SELECT w.*, :rank(w) AS rank
FROM :g JOIN word w ON :same(w, :g) AND NOT w.later

-- Of those, l, the one that counts for each thing.
-- fragment: that_count(l)
SELECT DISTINCT ON (:l.object, :l.principal, :l.what) :l.* FROM :l
WHERE NOT EXISTS (SELECT FROM :l other WHERE :same(other, :l) AND other.chain <> :l.chain AND :aware(other, :l))
ORDER BY :l.object, :l.principal, :l.what, :l.rank, :l.chain

-- The folders that a resource ever stood in, as far as anybody said, and all that these were ever put into.
-- fragment: ever_above(resource, folder)
(WITH RECURSIVE ever AS (
	SELECT :folder AS id UNION SELECT first_folder FROM resource WHERE id = :resource
	UNION SELECT nullif(put.value, '')::uuid FROM word put WHERE put.object = :resource AND put.principal = :nobody() AND put.what = 'folder'
	UNION SELECT up.id FROM ever CROSS JOIN LATERAL (SELECT nullif(put.value, '')::uuid AS id FROM word put
		WHERE put.object = ever.id AND put.principal = :nobody() AND put.what = 'parent') up
) SELECT id FROM ever WHERE id IS NOT NULL)

-- Whether the author may store versions in an account as far as everything says that was not said knowing of event (chain, seq): what somebody did who knew
-- of it says nothing of it, whenever it comes. ever: wherever its resource stood; else where it stands.
-- fragment: entitled_apart(chain, seq, author, account, ever)
(WITH its AS (
	SELECT i.id, i.resource, r.first_owner, r.folder FROM account i JOIN resource r ON r.id = i.resource WHERE i.id = :account
), above AS (
	SELECT way.id FROM its CROSS JOIN LATERAL :way_of(its.folder) way
	UNION SELECT way.id FROM its CROSS JOIN LATERAL :ever_above(its.resource, its.folder) way WHERE :ever
), who AS (
	SELECT :author AS id UNION :teams_ever(:author)
), g AS (
	SELECT t.id AS object, who.id AS principal, 'share' AS what FROM who, (SELECT id FROM its UNION SELECT resource FROM its UNION SELECT id FROM above) t
	UNION SELECT id, id, 'disabled' FROM who UNION SELECT id, :author, 'member' FROM who UNION SELECT resource, :nobody(), 'owner' FROM its
), l AS MATERIALIZED (
	SELECT DISTINCT ON (w.object, w.principal, w.what, w.chain) w.*, :rank(w) AS rank FROM g JOIN word w ON :same(w, g)
	WHERE CASE w.chain WHEN :chain THEN w.seq < :seq ELSE :known_of(w.chain, w.seq, :chain) < :seq END
	ORDER BY w.object, w.principal, w.what, w.chain, w.seq DESC
), c AS MATERIALIZED (
	:that_count(l)
), gone AS (
	SELECT object AS id FROM c WHERE what = 'disabled' AND value = 'true'
)
SELECT :author NOT IN (SELECT id FROM gone) AND (:author = coalesce((SELECT value::uuid FROM c WHERE what = 'owner'), (SELECT first_owner FROM its))
	OR EXISTS (SELECT FROM above JOIN folder held ON held.id = above.id WHERE held.owner = :author
		OR :ever AND EXISTS (SELECT FROM word w WHERE w.object = held.id AND w.principal = :nobody() AND w.what = 'owner' AND w.value = :author::text))
	OR EXISTS (SELECT FROM c s WHERE s.what = 'share' AND :said_level(s.value) >= 2 AND s.principal NOT IN (SELECT id FROM gone) AND (s.principal = :author
		OR EXISTS (SELECT FROM c m WHERE m.what = 'member' AND m.object = s.principal AND m.value = 'true')))))

-- Of a chain, the last word about the same thing that does not know of w.
-- fragment: last_unaware(chain, w)
(SELECT its.* FROM word its WHERE :same(its, :w) AND its.chain = :chain AND NOT :aware(its, :w) ORDER BY its.seq DESC LIMIT 1)

-- The event as people's next one names it.
-- fragment: word_stamp(w)
:w.chain || '/' || :w.seq

-- What a conflict is called: by the word that was lost or, before this release, by the one that was merged.
-- fragment: conflict_id(node, seq, w, kept, lost)
md5(:node || ' ' || :seq || ' ' || :w.what || ' ' || :w.object || ' ' || :w.principal || ' ' || :kept || ' ' || :lost)

-- What q says of the removal of t, a resource or an account; stays: it does not come back.
-- fragment: removal(q, t, stays)
deleted_at = CASE WHEN :q.removed THEN :q.removed_at WHEN :q.removed IS NULL OR :stays THEN :t.deleted_at END,
deleted_by = CASE WHEN :q.removed THEN :q.removed_by WHEN :q.removed IS NULL OR :stays THEN :t.deleted_by END,
binned_at = CASE WHEN :q.removed IS NULL OR :stays OR :q.removed AND :t.deleted_at IS NOT NULL THEN :t.binned_at
	WHEN :q.removed THEN :q.removed_at END,
bin_news = :t.bin_news AND (:q.removed IS NULL OR :q.removed OR :stays)

-- Whether it says anything new of it: whatever is made in a resource says that it is there.
-- fragment: removes(q, t)
CASE WHEN :q.removed THEN (:t.deleted_at, :t.deleted_by) IS DISTINCT FROM (:q.removed_at, :q.removed_by) ELSE :t.deleted_at IS NOT NULL AND NOT :q.removed END

-- Who acknowledged what may be called so, and when: the first of those who say so in the log, which may be there before the conflict.
-- fragment: acknowledged(id, other)
(SELECT told.at, told.actor FROM event told WHERE told.kind = :ADMIN_ACKNOWLEDGED AND told.body::jsonb->>'id' IN (:id, :other)
	ORDER BY told.at, told.node, told.seq LIMIT 1)

-- Conflicts n (words that were lost, what was kept, by which word, and what the conflict may be called) are kept for people, as far as the log says told
-- and acknowledged.
-- fragment: keep_conflicts(n)
INSERT INTO admin_conflict (node, seq, what, at, object, principal, kept, lost, by_node, by_seq, told, acknowledged_at, acknowledged_by)
SELECT :n.chain, :n.seq, :n.what, :n.at, :n.object, :n.principal, :n.kept, :n.value, :n.by_node, :n.by_seq,
	EXISTS (SELECT FROM event t WHERE t.kind = :ADMIN_CONFLICT AND t.body::jsonb->>'id' = ANY (i.ids)), k.at, k.actor
FROM :n CROSS JOIN LATERAL (SELECT ARRAY[:n.ids[1]::uuid::text, :n.ids[2]::uuid::text] AS ids) i
LEFT JOIN LATERAL :acknowledged((i.ids)[1], (i.ids)[2]) k ON true
ON CONFLICT (node, seq, what, object, principal) DO UPDATE SET kept = excluded.kept, by_node = excluded.by_node, by_seq = excluded.by_seq,
	told = excluded.told, acknowledged_at = excluded.acknowledged_at, acknowledged_by = excluded.acknowledged_by
WHERE (admin_conflict.kept, admin_conflict.by_node, admin_conflict.by_seq) IS DISTINCT FROM (excluded.kept, excluded.by_node, excluded.by_seq)

-- What a word about a share (w) says of the giving, and who says it: nothing, where it needs no acceptance.
-- fragment: giving_of(w)
(SELECT (its.body::jsonb->>'share')::uuid AS given, its.actor FROM event its
	WHERE its.node = :w.chain AND its.seq = :w.seq AND its.body::jsonb->>'share' IS NOT NULL LIMIT 1)

-- Whether its receiver has not accepted that giving, which may be told before it.
-- fragment: is_unaccepted(w, given)
(:given IS NOT NULL AND NOT EXISTS (SELECT FROM acceptance its WHERE its.target = :w.object AND its.principal = :w.principal AND its.given = :given))

-- The things that events of a range say something about, or make after something was said about them.
-- fragment: said_of(node, from, to)
SELECT DISTINCT object, principal, what FROM word WHERE chain = :node AND seq BETWEEN :from AND :to
UNION SELECT w.object, w.principal, w.what FROM event x JOIN word w ON w.principal = x.object
WHERE x.node = :node AND x.seq BETWEEN :from AND :to AND x.kind IN (:USER_CREATED, :TEAM_CREATED) AND w.principal <> :nobody()
UNION SELECT w.object, w.principal, w.what FROM event x JOIN word w ON w.object = x.object
WHERE x.node = :node AND x.seq BETWEEN :from AND :to AND x.kind IN (:RESOURCE_CREATED, :ACCOUNT_CREATED, :TEAM_CREATED, :FOLDER_CREATED)

-- Behind the events of a range that say something, or make that of which something was said: the tables become what counts now. Conflicts are
-- made anew for those words that the new ones, or the ones before them, may meet. A resource comes back without the accounts that the bin was emptied of,
-- but for what was made in it apart from that.
-- name: weigh_words(node uuid, from_seq bigint, to_seq bigint)
WITH g AS MATERIALIZED (
	:said_of($1, $2, $3)
), l AS MATERIALIZED (
	:last_words(g)
), c AS MATERIALIZED (
	:that_count(l)
), q AS MATERIALIZED (
	SELECT object, max(value) FILTER (WHERE what = 'name') AS name, max(value) FILTER (WHERE what = 'type') AS type,
		max(value) FILTER (WHERE what = 'address') AS address, max(value) FILTER (WHERE what = 'url') AS url,
		max(value) FILTER (WHERE what = 'description') AS description, max(value) FILTER (WHERE what = 'owner')::uuid AS owner, max(value) FILTER (WHERE what = 'offer') AS offer,
		max(value) FILTER (WHERE what = 'login') AS login, max(value) FILTER (WHERE what = 'role') AS role,
		max(value) FILTER (WHERE what = 'folder') AS folder, max(value) FILTER (WHERE what = 'parent') AS parent,
		max(value) FILTER (WHERE what = 'disabled')::boolean AS disabled, max(value) FILTER (WHERE what = 'factor') AS factor,
		max(value) FILTER (WHERE what = 'removed')::boolean AS removed, max(at) FILTER (WHERE what = 'removed') AS removed_at,
		max((SELECT actor FROM event x WHERE x.node = c.chain AND x.seq = c.seq)::text) FILTER (WHERE what = 'removed')::uuid AS removed_by
	FROM c WHERE what NOT IN ('share', 'member', 'policy', 'maintenance', 'handover') GROUP BY object
), p AS (
	UPDATE principal p SET name = coalesce(q.name, p.name), role = coalesce(q.role, p.role), disabled = coalesce(q.disabled, p.disabled),
		totp_sealed = CASE WHEN q.factor IS NULL THEN p.totp_sealed WHEN q.factor <> '' THEN decode(q.factor, 'base64') END
	FROM q WHERE p.id = q.object AND coalesce(q.name, q.role, q.disabled::text, q.factor) IS NOT NULL
), r AS (
	UPDATE resource r SET name = coalesce(q.name, r.name), type = coalesce(q.type, r.type), address = coalesce(q.address, r.address),
		url = coalesce(q.url, r.url), description = coalesce(q.description, r.description), owner = coalesce(q.owner, r.owner),
		offered_to = CASE WHEN q.offer IS NULL THEN r.offered_to ELSE nullif(split_part(q.offer, ' ', 1), '')::uuid END,
		offered_by = CASE WHEN q.offer IS NULL THEN r.offered_by ELSE nullif(split_part(q.offer, ' ', 2), '')::uuid END,
		folder = CASE WHEN q.folder IS NULL THEN r.folder ELSE nullif(q.folder, '')::uuid END,
		:removal(q, r, false), purged_at = CASE WHEN q.removed IS NULL OR q.removed THEN r.purged_at END
	FROM q WHERE r.id = q.object
		AND (coalesce(q.name, q.type, q.address, q.url, q.description, q.owner::text, q.offer, q.folder) IS NOT NULL OR :removes(q, r))
), a AS (
	UPDATE account a SET login = coalesce(q.login, a.login), description = coalesce(q.description, a.description), :removal(q, a, a.purged_at IS NOT NULL)
	FROM q WHERE a.id = q.object AND (coalesce(q.login, q.description) IS NOT NULL OR :removes(q, a))
), f AS (
	UPDATE folder f SET name = coalesce(q.name, f.name), description = coalesce(q.description, f.description), owner = coalesce(q.owner, f.owner),
		said = CASE WHEN q.parent IS NULL THEN f.said ELSE nullif(q.parent, '')::uuid END,
		deleted_at = CASE WHEN q.removed THEN q.removed_at WHEN q.removed IS NULL THEN f.deleted_at END,
		deleted_by = CASE WHEN q.removed THEN q.removed_by WHEN q.removed IS NULL THEN f.deleted_by END
	FROM q WHERE f.id = q.object
), z AS (
	UPDATE account g SET deleted_at = g.purged_at FROM q
	WHERE g.resource = q.object AND NOT q.removed AND g.purged_at IS NOT NULL AND g.deleted_at IS NULL AND g.id NOT IN (SELECT object FROM q)
), d AS (
	DELETE FROM share s USING c WHERE c.what = 'share' AND c.value = '0' AND s.target = c.object AND s.principal = c.principal
), s AS (
	INSERT INTO share (target, principal, level, until, granted_at, given, given_by, waits)
	SELECT c.object, c.principal, :said_level(c.value), :said_end(c.value), c.at, giving.given, giving.actor, :is_unaccepted(c, giving.given)
	FROM c JOIN principal p ON p.id = c.principal LEFT JOIN LATERAL :giving_of(c) giving ON true
	WHERE c.what = 'share' AND c.value <> '0'
	ON CONFLICT (target, principal) DO UPDATE SET level = excluded.level, until = excluded.until, granted_at = excluded.granted_at,
		given = excluded.given, given_by = excluded.given_by, waits = excluded.waits
), md AS (
	DELETE FROM member m USING c WHERE c.what = 'member' AND c.value = 'false' AND m.team = c.object AND m.principal = c.principal
), mi AS (
	INSERT INTO member (team, principal, since)
	SELECT c.object, c.principal, c.at FROM c JOIN principal t ON t.id = c.object AND t.role = 'team'
	JOIN principal p ON p.id = c.principal AND p.role <> 'team'
	WHERE c.what = 'member' AND c.value = 'true'
	ON CONFLICT (team, principal) DO UPDATE SET since = excluded.since
), y AS (
	INSERT INTO emergency_policy (resource, state, stamp, at)
	SELECT object, value, :word_stamp(c), at FROM c WHERE what = 'policy'
	ON CONFLICT (resource) DO UPDATE SET state = excluded.state, stamp = excluded.stamp, at = excluded.at
), m AS (
	INSERT INTO maintenance (at, until, reason)
	SELECT at, (value::jsonb->>'until')::timestamptz, coalesce(value::jsonb->>'reason', '') FROM c WHERE what = 'maintenance'
	ON CONFLICT (one) DO UPDATE SET at = excluded.at, until = excluded.until, reason = excluded.reason
), o AS (
	INSERT INTO ha_order (one, node, term)
	SELECT true, split_part(value, ' ', 2)::uuid, split_part(value, ' ', 1)::bigint FROM c WHERE what = 'handover'
	ON CONFLICT (one) DO UPDATE SET node = excluded.node, term = excluded.term
), e AS MATERIALIZED (
	SELECT w.* FROM word w WHERE w.chain = $1 AND w.seq BETWEEN $2 AND $3 AND w.what NOT IN ('policy', 'maintenance', 'handover')
		AND EXISTS (SELECT FROM l WHERE :same(l, w) AND l.chain <> $1)
), b AS MATERIALIZED (
	SELECT * FROM e UNION SELECT v.* FROM e CROSS JOIN LATERAL (SELECT before.* FROM word before
		WHERE :same(before, e) AND before.chain = e.chain AND before.seq < e.seq ORDER BY before.seq DESC LIMIT 1) v
), u AS MATERIALIZED (
	SELECT * FROM b UNION SELECT v.* FROM b JOIN l ON :same(l, b) AND l.chain <> b.chain
	CROSS JOIN LATERAL :last_unaware(l.chain, b) v
), n AS MATERIALIZED (
	SELECT DISTINCT ON (u.object, u.principal, u.what, u.chain, u.seq) u.*, v.chain AS by_node, v.seq AS by_seq, v.value AS kept,
		ARRAY[:conflict_id(u.chain, u.seq, u, v.value, u.value), :conflict_id(v.chain, v.seq, u, v.value, u.value)] AS ids
	FROM u JOIN l ON :same(l, u) AND l.chain <> u.chain
	CROSS JOIN LATERAL :last_unaware(l.chain, u) v
	WHERE v.value <> u.value AND (:rank(v), v.chain) < (:rank(u), u.chain) AND NOT :aware(u, v)
		AND coalesce((SELECT :aware(f, v) FROM word f WHERE :same(f, u) AND f.chain = u.chain AND f.seq > u.seq
			ORDER BY f.seq LIMIT 1), true)
	ORDER BY u.object, u.principal, u.what, u.chain, u.seq, :rank(v), v.chain, v.seq
), x AS (
	DELETE FROM admin_conflict k USING u
	WHERE k.node = u.chain AND k.seq = u.seq AND :same(k, u)
		AND NOT EXISTS (SELECT FROM n WHERE n.chain = u.chain AND n.seq = u.seq AND :same(n, u))
)
:keep_conflicts(n);

-- That one administrator remains, where people who did not know of each other left none: behind words about users. What was said of one user then has no effect,
-- and is a conflict, for as long as nobody else is an administrator. It is the one whose administration the youngest chain took, for what the
-- oldest chain said stands. Nobody is chosen but who was an administrator where each of the words against them was said, apart from one against another.

-- Whether a word of a role, or of being disabled, lets somebody be an administrator.
-- fragment: lets_administer(w)
CASE :w.what WHEN 'role' THEN :w.value = 'administrator' ELSE :w.value = 'false' END

-- Words (m) by which somebody (p) who was one is no administrator any more: of the chain, up to there.
-- fragment: taken(m, p)
(SELECT w.* FROM word w LEFT JOIN word b ON :same(b, w) AND w.upon IN (:word_stamp(b), :word_stamp(b) || '+')
	WHERE :same(w, m) AND w.chain = :m.chain AND w.seq <= :m.seq AND NOT :lets_administer(w)
		AND CASE WHEN b.chain IS NOT NULL THEN :lets_administer(b) WHEN w.upon = '' THEN w.what = 'disabled' OR :p.made_as = 'administrator' ELSE true END)

-- name: keep_administrator()
WITH g AS MATERIALIZED (
	SELECT p.id AS object, p.id AS principal, t.what FROM principal p CROSS JOIN (VALUES ('role'), ('disabled')) t (what) WHERE p.remains
), l AS MATERIALIZED (
	:last_words(g)
), c AS MATERIALIZED (
	:that_count(l)
), s AS MATERIALIZED (
	SELECT p.id, p.made_as, p.remains, coalesce((SELECT value FROM c WHERE c.object = p.id AND c.what = 'role'), p.role) AS role,
		coalesce((SELECT value FROM c WHERE c.object = p.id AND c.what = 'disabled')::boolean, p.disabled) AS disabled
	FROM principal p WHERE p.remains OR p.role = 'administrator' AND NOT p.disabled
), none AS MATERIALIZED (
	SELECT NOT EXISTS (SELECT FROM s WHERE role = 'administrator' AND NOT disabled) AS so
), h AS MATERIALIZED (
	SELECT DISTINCT w.object, w.principal, w.what FROM word w JOIN principal u ON u.id = w.object AND u.role <> 'team'
	WHERE w.what IN ('role', 'disabled') AND NOT w.later AND (SELECT so FROM none)
), k AS MATERIALIZED (
	:last_words(h)
), m AS MATERIALIZED (
	SELECT * FROM (:that_count(k)) d WHERE NOT :lets_administer(d)
), a AS MATERIALIZED (
	SELECT t.*, m.seq AS last FROM m JOIN principal p ON p.id = m.object CROSS JOIN LATERAL :taken(m, p) t
), n AS MATERIALIZED (
	SELECT DISTINCT ON (m.object, m.what) m.*, v.chain AS by_node, v.seq AS by_seq, CASE m.what WHEN 'role' THEN 'administrator' ELSE 'false' END AS kept
	FROM m JOIN a ON :same(a, m) AND a.chain = m.chain AND a.last = m.seq
	JOIN a v ON v.object <> a.object AND v.chain <> a.chain AND NOT :aware(a, v) AND NOT :aware(v, a)
	ORDER BY m.object, m.what, v.chain, v.seq
), u AS MATERIALIZED (
	SELECT p.id FROM principal p CROSS JOIN LATERAL (SELECT n.chain FROM n WHERE n.object = p.id ORDER BY n.chain LIMIT 1) o
	LEFT JOIN s ON s.id = p.id
	WHERE (coalesce(s.role, p.role) = 'administrator' OR EXISTS (SELECT FROM n WHERE n.object = p.id AND n.what = 'role'))
		AND (NOT coalesce(s.disabled, p.disabled) OR EXISTS (SELECT FROM n WHERE n.object = p.id AND n.what = 'disabled'))
	ORDER BY o.chain DESC, p.id LIMIT 1
), p AS (
	UPDATE principal p SET role = CASE WHEN u.id IS NOT NULL THEN 'administrator' ELSE s.role END,
		disabled = CASE WHEN u.id IS NOT NULL THEN false ELSE s.disabled END, remains = u.id IS NOT NULL
	FROM principal o LEFT JOIN s ON s.id = o.id LEFT JOIN u ON u.id = o.id
	WHERE p.id = o.id AND (u.id IS NOT NULL OR s.remains)
), x AS (
	DELETE FROM admin_conflict k USING word y
	WHERE k.what IN ('role', 'disabled') AND y.chain = k.by_node AND y.seq = k.by_seq AND y.what IN ('role', 'disabled') AND y.object <> k.object
		AND NOT EXISTS (SELECT FROM n JOIN u ON u.id = n.object WHERE n.chain = k.node AND n.seq = k.seq AND :same(n, k))
), r AS MATERIALIZED (
	SELECT n.*, ARRAY[:conflict_id(n.chain, n.seq, n, n.kept, n.value), :conflict_id(n.by_node, n.by_seq, n, n.kept, n.value)] AS ids
	FROM n JOIN u ON u.id = n.object
)
:keep_conflicts(r);
