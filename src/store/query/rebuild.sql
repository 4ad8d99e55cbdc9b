-- SPDX-License-Identifier: Apache-2.0
-- The derived tables once more, made of the log alone, as temporary tables of a connection of their own (ledger/rebuild.h). There the
-- name of a table means the temporary one, so the apply statements fill it as they are; the real one is public.….

-- The connection may write to nothing but temporary tables; making them takes this.
-- name: rebuild_open()
BEGIN READ WRITE;

-- name: rebuild_make()
DO 'DECLARE t text; BEGIN
	FOREACH t IN ARRAY string_to_array(''node data_key principal ending session folder resource account version emptied share acceptance member reach ha_term ha_order word ''
			''admin_conflict emergency_policy audit_accepted maintenance authority chain'', '' '') LOOP
		EXECUTE format(''CREATE TEMPORARY TABLE %I (LIKE public.%I INCLUDING ALL)'', t, t);
	END LOOP; END';

-- The one row that a new database has and no event makes.
-- name: rebuild_seed()
INSERT INTO ha_term (term) VALUES (1);

-- name: rebuild_close()
COMMIT;

-- name: rebuild_snapshot()
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;

-- What the order of the log is read from. number: the term, or the number of the data key.
-- name: rebuild_marks() -> node uuid, seq bigint, kind int, object uuid, from_seq bigint, to_seq bigint, applied bool, number bigint
SELECT node, seq, kind, object, (b->>'from')::bigint, (b->>'to')::bigint, NOT b ? 'not_applied',
	coalesce(b->>'term', b->>'id')::bigint
FROM (SELECT node, seq, kind, object, body::jsonb AS b FROM event
	WHERE kind IN (:MERGED, :PROMOTED, :RESTORED, :KEY_CREATED)) e
ORDER BY node, seq;

-- name: rebuild_chunk(node uuid, after bigint, rows int) -> seq bigint, kind int, object uuid, upto bigint
SELECT seq, kind, object, CASE WHEN kind = :SEEN THEN (body::jsonb->>'to')::bigint END
FROM event WHERE node = $1 AND seq > $2 ORDER BY seq LIMIT $3;

-- Rows of the real table and of the other one that are not the same, but for what no event says. No content leaves the database.
-- held: the table has it. told: the log tells of it. places: the columns.
-- In brackets: so it is no read, which would be asked of earlier schemas too.
-- which: of the rows that differ.
-- fragment: some_differences(table, key, which)
(WITH a AS (SELECT (:key)::text AS id, to_jsonb(x) - $1::text[] AS j FROM public.:table x),
	b AS (SELECT (:key)::text AS id, to_jsonb(x) - $1::text[] AS j FROM :table x)
SELECT coalesce(a.id, b.id), a.id IS NOT NULL, b.id IS NOT NULL,
	coalesce((SELECT string_agg(k, ' ' ORDER BY k) FROM jsonb_object_keys(a.j) k
		WHERE b.id IS NOT NULL AND a.j->k IS DISTINCT FROM b.j->k), '')
FROM a FULL JOIN b ON b.id = a.id
WHERE a.j IS DISTINCT FROM b.j AND :which ORDER BY 1 LIMIT $2)

-- fragment: differences(table, key)
:some_differences(:table, :key, true)

-- columns: differing of differing_node, differing_data_key, differing_principal, differing_ending, differing_session, differing_folder, differing_resource, differing_account, differing_version, differing_emptied, differing_share, differing_acceptance, differing_member, differing_reach, differing_ha_term, differing_ha_order, differing_word, differing_admin_conflict, differing_emergency_policy, differing_audit_accepted, differing_maintenance, differing_authority, differing_chain

-- name: differing_node(without text[], rows int) -> id text, held bool, told bool, places text
:differences(node, x.id);

-- name: differing_data_key(without text[], rows int) -> id text, held bool, told bool, places text
:differences(data_key, x.id);

-- name: differing_principal(without text[], rows int) -> id text, held bool, told bool, places text
:differences(principal, x.id);

-- name: differing_ending(without text[], rows int) -> id text, held bool, told bool, places text
:differences(ending, x.subject || '/' || x.node || '/' || x.seq);

-- One that is long over is removed without an event.
-- name: differing_session(without text[], rows int) -> id text, held bool, told bool, places text
:some_differences(session, x.id, a.id IS NOT NULL);

-- name: differing_folder(without text[], rows int) -> id text, held bool, told bool, places text
:differences(folder, x.id);

-- name: differing_resource(without text[], rows int) -> id text, held bool, told bool, places text
:differences(resource, x.id);

-- name: differing_account(without text[], rows int) -> id text, held bool, told bool, places text
:differences(account, x.id);

-- name: differing_version(without text[], rows int) -> id text, held bool, told bool, places text
:differences(version, x.id);

-- name: differing_emptied(without text[], rows int) -> id text, held bool, told bool, places text
:differences(emptied, x.object || '/' || x.chain || '/' || x.seq);

-- name: differing_share(without text[], rows int) -> id text, held bool, told bool, places text
:differences(share, x.target || '/' || x.principal);

-- name: differing_acceptance(without text[], rows int) -> id text, held bool, told bool, places text
:differences(acceptance, x.target || '/' || x.principal || '/' || x.given);

-- name: differing_member(without text[], rows int) -> id text, held bool, told bool, places text
:differences(member, x.team || '/' || x.principal);

-- name: differing_reach(without text[], rows int) -> id text, held bool, told bool, places text
:differences(reach, x.principal || '/' || x.target);

-- name: differing_ha_term(without text[], rows int) -> id text, held bool, told bool, places text
:differences(ha_term, x.one);

-- name: differing_ha_order(without text[], rows int) -> id text, held bool, told bool, places text
:differences(ha_order, x.one);

-- name: differing_word(without text[], rows int) -> id text, held bool, told bool, places text
:differences(word, x.object || '/' || x.principal || '/' || x.what || '/' || x.chain || '/' || x.seq);

-- name: differing_admin_conflict(without text[], rows int) -> id text, held bool, told bool, places text
:differences(admin_conflict, x.node || '/' || x.seq || '/' || x.what || '/' || x.object || '/' || x.principal);

-- name: differing_emergency_policy(without text[], rows int) -> id text, held bool, told bool, places text
:differences(emergency_policy, x.resource);

-- name: differing_audit_accepted(without text[], rows int) -> id text, held bool, told bool, places text
:differences(audit_accepted, x.node || '/' || x.seq);

-- name: differing_maintenance(without text[], rows int) -> id text, held bool, told bool, places text
:differences(maintenance, x.one);

-- name: differing_authority(without text[], rows int) -> id text, held bool, told bool, places text
:differences(authority, x.sha256);

-- name: differing_chain(without text[], rows int) -> id text, held bool, told bool, places text
:differences(chain, x.id);
