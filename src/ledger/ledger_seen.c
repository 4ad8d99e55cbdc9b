/* SPDX-License-Identifier: Apache-2.0
 *
 * What this node had of the other chains when it wrote: before the next event that changes something each chain whose end has moved
 * is named by a SEEN event, and a MERGED event names the one that it took in. Where there is no other, the chain names itself, once.
 * What happened before what is read from these and from each chain's own order; no clock says it.
 *
 * On the primary the other chains move by merging alone, so they are looked at when the head was learned (a start, a promotion);
 * on a secondary they move with the stream, and are looked at each time.
 */
#include "ledger/ledger_impl.h"

#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/mem.h"
#include "ledger/event_body.h"

static struct ledger_seen *
entry(struct ledger *l, const struct uuid *chain)
{
	for (size_t i = 0; i < l->nseen; i++) {
		if (uuid_eq(&l->seen[i].chain, chain))
			return &l->seen[i];
	}
	if (l->nseen == LEDGER_CHAINS_MAX)
		return NULL;
	l->seen[l->nseen] = (struct ledger_seen){ .chain = *chain };
	return &l->seen[l->nseen++];
}

/* Whether that is news. */
static bool
take(struct ledger *l, const struct uuid *chain, int64_t seq,
     const uint8_t hash[static KEYS_HASH_BYTES])
{
	struct ledger_seen *s = entry(l, chain);

	if (!s || (s->seq == seq && memcmp(s->hash, hash, KEYS_HASH_BYTES) == 0))
		return false;
	s->seq = seq;
	memcpy(s->hash, hash, sizeof(s->hash));
	return true;
}

static char *
seen_body(const struct uuid *chain, int64_t seq, const uint8_t hash[static KEYS_HASH_BYTES])
{
	auto_buf body = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_uuid(&w, "node", chain->b);
	json_out_int(&w, "to", seq);
	event_body_hex(&w, "head", hash, KEYS_HASH_BYTES);
	json_out_end_object(&w);
	return buf_take_str(&body);
}

bool
ledger_changes(const struct event *ev, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (event_apply_stmt(ev[i].kind) >= 0)
			return true;
	}
	return false;
}

/* Without it whatever follows counts as not having known of the others, which is the careful side. */
static bool
read_heads(struct ledger *l, struct fiber *f, struct rows **ret)
{
	auto_binds b = BINDS_INIT;
	struct err e = { 0 };

	bind_uuid(&b, &l->chain);
	if (db_exec(l->o.writer, f, STMT_SEEN_HEADS, &b, ret, &e) == 0)
		return true;
	if (!l->seen_failed)
		log_err(LOG_LEVEL_WARNING, &e, "the ends of the other nodes' logs cannot be read");
	l->seen_failed = true;
	return false;
}

bool
ledger_may_see(const struct ledger *l)
{
	return l->seen_stale || l->mode == WRITES_JOURNAL;
}

size_t
ledger_unseen(struct ledger *l, struct fiber *f, struct event **ret)
{
	auto_rows rows = NULL;
	size_t n = 0, len;

	*ret = NULL;
	if (!read_heads(l, f, &rows))
		return 0;
	if (l->seen_stale)
		l->nseen = 0;
	/* Alone, and empty: it has no end yet by which it could name itself. */
	l->seen_stale = !rows_count(rows) && l->head_seq == 0;
	l->seen_failed = false;
	for (int i = 0; i < rows_count(rows); i++) {
		int64_t seq = row_bigint(rows, i, COL_SEEN_HEADS_SEQ);
		const void *hash = row_bytea(rows, i, COL_SEEN_HEADS_HASH, &len);
		struct uuid chain;

		row_uuid(rows, i, COL_SEEN_HEADS_CHAIN, &chain);
		if (len != KEYS_HASH_BYTES || !take(l, &chain, seq, hash))
			continue;
		*ret = mem_grow(*ret, n + 1, sizeof(**ret));
		(*ret)[n++] = (struct event){ .kind = EVENT_SEEN,
					      .object = chain,
					      .address = "",
					      .body = seen_body(&chain, seq, hash) };
	}
	return n;
}

void
ledger_seen_free(struct event *ev, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(UNCONST(char *, ev[i].body));
	free(ev);
}
