/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/audit_break.h"

#include <sodium.h>
#include <string.h>
#include "base/mem.h"
#include "vault/lists.h"

void
audit_break_row(const struct rows *rows, int i, const struct uuid *node, struct event *ret)
{
	*ret = (struct event){ .node = *node };
	ret->seq = row_bigint(rows, i, COL_EVENT_CHUNK_SEQ);
	ret->at_us = row_time(rows, i, COL_EVENT_CHUNK_AT);
	ret->kind = (enum event_kind)row_int(rows, i, COL_EVENT_CHUNK_KIND);
	row_uuid(rows, i, COL_EVENT_CHUNK_ACTOR, &ret->actor);
	row_uuid(rows, i, COL_EVENT_CHUNK_OBJECT, &ret->object);
	ret->address = row_text(rows, i, COL_EVENT_CHUNK_ADDRESS);
	ret->body = row_text(rows, i, COL_EVENT_CHUNK_BODY);
}

bool
audit_break_encodable(const struct event *ev)
{
	return strlen(ev->address) <= EVENT_ADDRESS_MAX && strlen(ev->body) <= EVENT_BODY_MAX &&
	       (unsigned)ev->kind <= UINT16_MAX;
}

int
audit_break_read(struct vault *v, struct fiber *f, struct audit_break **ret, size_t *ret_n,
		 struct err *e)
{
	auto_binds none = BINDS_INIT;
	auto_rows rows = NULL;
	struct audit_break *all;
	int rc = lists_exec(v, f, NULL, STMT_ACCEPTED_BREAKS, &none, &rows, e);

	if (rc)
		return err_prefix(e, "cannot read what was accepted: ");
	all = mem_array((size_t)rows_count(rows) + 1, sizeof(*all));
	for (int i = 0; i < rows_count(rows); i++) {
		struct audit_break *b = &all[i];

		row_uuid(rows, i, COL_ACCEPTED_BREAKS_CHAIN, &b->node);
		b->seq = row_bigint(rows, i, COL_ACCEPTED_BREAKS_AT_SEQ);
		b->resume = row_bigint(rows, i, COL_ACCEPTED_BREAKS_RESUME);
		b->upto = row_bigint(rows, i, COL_ACCEPTED_BREAKS_UPTO);
		text_copy(b->hash, sizeof(b->hash), row_text(rows, i, COL_ACCEPTED_BREAKS_HASH));
		text_copy(b->digest, sizeof(b->digest),
			  row_text(rows, i, COL_ACCEPTED_BREAKS_DIGEST));
		row_uuid(rows, i, COL_ACCEPTED_BREAKS_NODE, &b->node_by);
		b->seq_by = row_bigint(rows, i, COL_ACCEPTED_BREAKS_SEQ);
		b->at_us = row_time(rows, i, COL_ACCEPTED_BREAKS_AT);
		text_copy(b->by, sizeof(b->by), row_text(rows, i, COL_ACCEPTED_BREAKS_WHO));
		text_copy(b->reason, sizeof(b->reason),
			  row_text(rows, i, COL_ACCEPTED_BREAKS_REASON));
	}
	*ret = all;
	*ret_n = (size_t)rows_count(rows);
	return 0;
}

bool
audit_break_same(const struct audit_break *x, const struct audit_break *y)
{
	return uuid_eq(&x->node, &y->node) && x->seq == y->seq && x->resume == y->resume &&
	       x->upto == y->upto && strcmp(x->hash, y->hash) == 0 &&
	       strcmp(x->digest, y->digest) == 0;
}

const struct audit_break *
audit_break_end(const struct audit_break *all, size_t n, const struct uuid *node, int64_t seq,
		int64_t next)
{
	const struct audit_break *found = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct audit_break *b = &all[i];

		if (!uuid_eq(&b->node, node) || b->seq != seq || b->upto < seq ||
		    strlen(b->hash) != sizeof(b->hash) - 1 || (next && b->upto != next - 1))
			continue;
		if (!found || b->upto > found->upto)
			found = b;
	}
	return found;
}

int
audit_break_digest(struct vault *v, struct fiber *f, const struct event *ev,
		   uint8_t ret[static KEYS_HASH_BYTES], struct err *e)
{
	static const uint8_t start[KEYS_HASH_BYTES];
	uint8_t digest[1][KEYS_HASH_BYTES];
	auto_buf bytes = BUF_INIT;
	struct iovec item;
	int rc;

	if (!audit_break_encodable(ev))
		return err_set(e, ERR_CHAIN_BROKEN, "no event is so long");
	event_encode(ev, &bytes);
	item = (struct iovec){ bytes.data, bytes.len };
	rc = keys_chain(v->keys, f, start, &item, 1, digest, e);
	if (!rc)
		memcpy(ret, digest[0], sizeof(digest[0]));
	return rc;
}

/* Row i, and whether it is event seq with a hash. */
static const void *
hash_at(const struct rows *rows, int i, int64_t seq)
{
	const void *hash;
	size_t n;

	if (i >= rows_count(rows) || row_bigint(rows, i, COL_EVENT_CHUNK_SEQ) != seq)
		return NULL;
	hash = row_bytea(rows, i, COL_EVENT_CHUNK_HASH, &n);
	return n == KEYS_HASH_BYTES ? hash : NULL;
}

int
audit_break_prove(struct vault *v, struct fiber *f, struct audit_break *b, struct err *e)
{
	auto_binds binds = BINDS_INIT;
	auto_rows rows = NULL;
	auto_buf bytes = BUF_INIT;
	uint8_t out[1][KEYS_HASH_BYTES];
	const void *before, *hash;
	struct iovec item;
	struct event ev;
	int rc;

	bind_uuid(&binds, &b->node_by);
	bind_bigint(&binds, b->seq_by - 2);
	bind_int(&binds, 2);
	rc = lists_exec(v, f, NULL, STMT_EVENT_CHUNK, &binds, &rows, e);
	if (rc)
		return rc;
	b->proven = false;
	before = hash_at(rows, 0, b->seq_by - 1);
	hash = hash_at(rows, 1, b->seq_by);
	if (!before || !hash)
		return 0;
	audit_break_row(rows, 1, &b->node_by, &ev);
	if (ev.kind != EVENT_AUDIT_ACCEPTED || !audit_break_encodable(&ev))
		return 0;
	event_encode(&ev, &bytes);
	item = (struct iovec){ bytes.data, bytes.len };
	rc = keys_chain(v->keys, f, before, &item, 1, out, e);
	if (!rc)
		b->proven = memcmp(out[0], hash, sizeof(out[0])) == 0;
	return rc;
}
