-- SPDX-License-Identifier: Apache-2.0
-- When a share counts. It may have an end (until; null: none): from then on it gives nothing, and stays until somebody withdraws it. That is asked where something is read,
-- by the clock of the node that reads (:clock); no table and no merge depends on it.

-- Whether a share counts now.
-- fragment: in_force(s)
(:s.until IS NULL OR :s.until > :clock)

-- What a word about a share says: the level, and behind a blank the end, if it has one.
-- fragment: said_level(value)
split_part(:value, ' ', 1)::int

-- fragment: said_end(value)
nullif(split_part(:value, ' ', 2), '')::timestamptz

-- The lower level is the safer one, and of one level the earlier end.
-- fragment: said_rank(value)
(nullif(split_part(:value, ' ', 1), '')::bigint * 1000000000000000000
	+ coalesce((extract(epoch FROM :said_end(:value)) * 1000000)::bigint, 999999999999999999))

-- The shares of a target that reach a user: their own, and those of the teams that they are in. Each is found by key; teams are few, of those that a user is in.
-- named: they reach it by its name too, for it does not wait for their acceptance.
-- fragment: grants(principal, target)
(SELECT own.level, own.until, NOT own.waits AS named FROM share own WHERE own.target = :target AND own.principal = :principal
	UNION ALL SELECT through.level, through.until, true FROM member within CROSS JOIN LATERAL (SELECT given.level, given.until FROM share given
		WHERE given.target = :target AND given.principal = within.team
			AND NOT (SELECT giving.disabled FROM principal giving WHERE giving.id = within.team) LIMIT 1) through
	WHERE within.principal = :principal)

-- What they give now.
-- fragment: granted(principal, target)
coalesce((SELECT max(its.level) FROM :grants(:principal, :target) its WHERE :in_force(its)), 0)

-- When the next of those that count now ends; null: none does.
-- fragment: next_end(principal, target)
(SELECT min(its.until) FROM :grants(:principal, :target) its WHERE :in_force(its))

-- Until when somebody reaches something with each level or a higher one, and by its name, of what gives it (g): 'infinity' where it does not end, null where nothing gives it.
-- fragment: reaching(g)
max(coalesce(:g.until, 'infinity')) AS view_until, max(coalesce(:g.until, 'infinity')) FILTER (WHERE :g.level >= 2) AS modify_until,
max(coalesce(:g.until, 'infinity')) FILTER (WHERE :g.level >= 3) AS manage_until,
max(coalesce(:g.until, 'infinity')) FILTER (WHERE :g.named) AS named_until

-- The table is as all that is said makes it (n); who reaches nothing there is not in it.
-- fragment: fill_reach(n)
INSERT INTO reach (principal, target, view_until, modify_until, manage_until, named_until)
SELECT principal, target, view_until, modify_until, manage_until, named_until FROM :n WHERE view_until IS NOT NULL
ON CONFLICT (principal, target) DO UPDATE SET view_until = excluded.view_until, modify_until = excluded.modify_until, manage_until = excluded.manage_until,
	named_until = excluded.named_until
WHERE (reach.view_until, reach.modify_until, reach.manage_until, reach.named_until)
	IS DISTINCT FROM (excluded.view_until, excluded.modify_until, excluded.manage_until, excluded.named_until)

-- What of it counts now, with the level, and whether it counts where something is looked up by its name: whatever reads the table reads it so, or as below.
-- fragment: reached_now()
(SELECT lasting.principal, lasting.target, CASE WHEN lasting.manage_until > :clock THEN 3 WHEN lasting.modify_until > :clock THEN 2 ELSE 1 END AS level,
		coalesce(lasting.named_until > :clock, false) AS named
	FROM reach lasting WHERE lasting.view_until > :clock)

-- The same of what counts where something is looked up by its name, of any level.
-- fragment: named_now()
(SELECT lasting.principal, lasting.target, 1 AS level FROM reach lasting WHERE lasting.named_until > :clock)
