-- SPDX-License-Identifier: Apache-2.0
-- Which event each version comes from, and whether it was stored in emergency: what becomes of it is worked out of these (query/word_version.sql).

ALTER TABLE version ADD COLUMN chain uuid, ADD COLUMN seq bigint, ADD COLUMN emergency boolean NOT NULL DEFAULT false;
UPDATE version v SET chain = e.node, seq = e.seq, emergency = coalesce((e.body::jsonb->>'emergency')::boolean, false)
FROM (SELECT DISTINCT ON (body::jsonb->>'id') node, seq, body FROM event WHERE kind = :VERSION_ADDED ORDER BY body::jsonb->>'id', at, node, seq) e
WHERE v.id = (e.body::jsonb->>'id')::uuid;
ALTER TABLE version ALTER COLUMN chain SET NOT NULL, ALTER COLUMN seq SET NOT NULL;
-- A version can be merged before its account.
ALTER TABLE version DROP CONSTRAINT version_account_fkey;

CREATE INDEX event_decided ON event (object, node, seq)
	WHERE kind IN (:CONFLICT_SETTLED, :CHANGE_APPROVED, :CHANGE_DECLINED) OR kind = :ACCOUNT_CHANGED AND body::jsonb ? 'conflict';

-- retell: its versions are to be worked out anew, where anything was ever stored or decided apart.
ALTER TABLE account ADD COLUMN retell boolean NOT NULL DEFAULT false;
CREATE INDEX account_retell ON account (id) WHERE retell;
UPDATE account a SET retell = true FROM (SELECT account AS id FROM version WHERE sibling OR approval IS NOT NULL
	UNION SELECT object FROM event WHERE kind IN (:CONFLICT_SETTLED, :CHANGE_APPROVED, :CHANGE_DECLINED) OR kind = :ACCOUNT_CHANGED AND body::jsonb ? 'conflict') t
WHERE a.id = t.id;

-- Whose a resource was, and where it stood, before anybody said otherwise.
ALTER TABLE resource ADD COLUMN first_owner uuid, ADD COLUMN first_folder uuid;
UPDATE resource r SET first_owner = (e.body::jsonb->>'owner')::uuid FROM event e WHERE e.kind = :RESOURCE_CREATED AND e.object = r.id;

-- What the bin was emptied of, by which event.
CREATE TABLE emptied (
	object uuid NOT NULL,
	chain uuid NOT NULL,
	seq bigint NOT NULL,
	at timestamptz NOT NULL,
	PRIMARY KEY (object, chain, seq)
);
CREATE INDEX emptied_by ON emptied (chain, seq);
GRANT SELECT, INSERT ON emptied TO hf_vault;
INSERT INTO emptied (object, chain, seq, at)
SELECT DISTINCT u.id::uuid, e.node, e.seq, e.at FROM event e
CROSS JOIN (VALUES ('versions'), ('accounts'), ('resources')) t (what)
CROSS JOIN LATERAL unnest(string_to_array(e.body::jsonb->>t.what, ' ')) u (id)
WHERE e.kind = :BIN_EMPTIED AND u.id <> '';
UPDATE account a SET retell = true FROM resource r
WHERE r.id = a.resource AND NOT a.retell AND (a.deleted_at IS NOT NULL OR a.purged_at IS NOT NULL OR r.deleted_at IS NOT NULL);
