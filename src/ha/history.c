/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/history.h"

#include <string.h>

/* ---- comparing ---- */

static const struct history_head *
head_of(const struct history_heads *h, const struct uuid *chain)
{
	for (unsigned i = 0; i < h->n; i++) {
		if (uuid_eq(&h->v[i].chain, chain))
			return &h->v[i];
	}
	return NULL;
}

/* Whether the side that is asked has this very event. */
static bool
has_event(const struct history_heads *there, const struct history_head *h)
{
	const struct history_head *found = head_of(there, &h->chain);

	return found && found->seq == h->seq && memcmp(found->hash, h->hash, sizeof(h->hash)) == 0;
}

static enum history_relation
compare_chain(const struct history_sides *s, const struct uuid *chain)
{
	const struct history_head *ours = head_of(&s->ours, chain);
	const struct history_head *theirs = head_of(&s->theirs, chain);
	unsigned r = HISTORY_EQUAL;

	if (ours && !has_event(&s->theirs_there, ours))
		r |= HISTORY_OURS_MORE;
	if (theirs && !has_event(&s->ours_there, theirs))
		r |= HISTORY_THEIRS_MORE;
	return (enum history_relation)r;
}

int64_t
history_end_of(const struct history_heads *h, const struct uuid *chain)
{
	const struct history_head *found = head_of(h, chain);

	return found ? found->seq : 0;
}

/* What of a chain of this node the other one has more is no loss while a journal here has it. */
static enum history_relation
compare_kept(const struct history_sides *s, const struct uuid *chain)
{
	enum history_relation r = compare_chain(s, chain);
	const struct history_head *theirs = head_of(&s->theirs, chain);

	return r == HISTORY_THEIRS_MORE && has_event(&s->kept, theirs) ? HISTORY_EQUAL : r;
}

/* lost: what says that the node itself lacks something of a chain. */
static void
add_chain(const struct history_sides *s, const struct uuid *chain, enum history_relation lost,
	  struct history_own *ret)
{
	enum history_relation r = compare_kept(s, chain);
	bool first = ret->ours == 0 && ret->theirs == 0;

	ret->relation = (enum history_relation)((unsigned)ret->relation | (unsigned)r);
	if (!first && ((ret->one & lost) || !(r & lost)))
		return;
	ret->one = r;
	ret->chain = *chain;
	ret->ours = history_end_of(&s->ours, chain);
	ret->theirs = history_end_of(&s->theirs, chain);
}

/* The chain of its own id comes before the others. */
static struct history_own
compare_own(const struct history_sides *s, const struct uuid *node, enum history_relation lost)
{
	const struct history_heads *sides[] = { &s->ours, &s->theirs };
	struct history_own own = { 0 };

	add_chain(s, node, lost, &own);
	for (size_t k = 0; k < ARRAY_LEN(sides); k++) {
		for (unsigned i = 0; i < sides[k]->n; i++) {
			const struct history_head *h = &sides[k]->v[i];

			if (uuid_eq(&h->node, node) && !uuid_eq(&h->chain, node))
				add_chain(s, &h->chain, lost, &own);
		}
	}
	return own;
}

static unsigned
compare_all(const struct history_sides *s, const struct history_heads *h)
{
	unsigned r = HISTORY_EQUAL;

	for (unsigned i = 0; i < h->n; i++)
		r |= compare_chain(s, &h->v[i].chain);
	return r;
}

void
history_judge(const struct history_sides *s, const struct uuid *self, const struct uuid *other,
	      struct history_verdict *ret)
{
	unsigned all = compare_all(s, &s->ours) | compare_all(s, &s->theirs);

	*ret = (struct history_verdict){ (enum history_relation)all,
					 compare_own(s, self, HISTORY_THEIRS_MORE),
					 compare_own(s, other, HISTORY_OURS_MORE) };
}

/* ---- asking ---- */

/* The log could not be asked for its hashes before (store/earlier). */
static int
say_earlier(struct err *e)
{
	return err_set(e, ERR_PRECONDITION,
		       "one of both has data of a program that cannot compare histories yet: "
		       "upgrade it");
}

bool
history_is_earlier(int rc, const struct err *e)
{
	return rc == ERR_DB &&
	       (strcmp(e->sqlstate, "42P01") == 0 || strcmp(e->sqlstate, "42501") == 0);
}

static int
as_earlier(int rc, struct err *e)
{
	if (!history_is_earlier(rc, e))
		return rc;
	return say_earlier(e);
}

static int
take_rows(const struct rows *rows, struct history_heads *ret, struct err *e)
{
	if (rows_count(rows) > HISTORY_CHAINS_MAX)
		return err_set(e, ERR_TOO_LARGE, "the log has more than %d chains",
			       HISTORY_CHAINS_MAX);
	ret->n = 0;
	for (int i = 0; i < rows_count(rows); i++) {
		struct history_head *h = &ret->v[ret->n++];
		size_t n = 0;

		row_uuid(rows, i, COL_HISTORY_CHAIN, &h->chain);
		row_uuid(rows, i, COL_HISTORY_NODE, &h->node);
		h->seq = row_bigint(rows, i, COL_HISTORY_SEQ);
		const void *hash = row_bytea(rows, i, COL_HISTORY_HASH, &n);
		if (h->seq == 0)
			return say_earlier(e);
		if (n != sizeof(h->hash))
			return err_set(e, ERR_CHAIN_BROKEN, "an event has no hash");
		memcpy(h->hash, hash, n);
	}
	return 0;
}

static int
ask_heads(struct db *d, struct history_heads *ret, struct err *e)
{
	auto_binds none = BINDS_INIT;
	auto_rows rows = NULL;
	int rc = as_earlier(db_exec(d, NULL, STMT_HISTORY_HEADS, &none, &rows, e), e);

	return rc ? rc : take_rows(rows, ret, e);
}

static int
ask_hashes(struct db *d, const struct history_heads *at, struct history_heads *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;

	bind_array_begin(&b, STMT_UUID);
	for (unsigned i = 0; i < at->n; i++)
		bind_elem_uuid(&b, &at->v[i].chain);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_BIGINT);
	for (unsigned i = 0; i < at->n; i++)
		bind_elem_bigint(&b, at->v[i].seq);
	bind_array_end(&b);
	int rc = as_earlier(db_exec(d, NULL, STMT_HISTORY_HASHES, &b, &rows, e), e);
	return rc ? rc : take_rows(rows, ret, e);
}

int
history_ask(struct db *here, struct db *there, bool ours_first, struct history_sides *ret,
	    struct err *e)
{
	int rc = ours_first ? ask_heads(here, &ret->ours, e) : ask_heads(there, &ret->theirs, e);

	if (!rc)
		rc = ours_first ? ask_heads(there, &ret->theirs, e)
				: ask_heads(here, &ret->ours, e);
	if (!rc)
		rc = ask_hashes(here, &ret->theirs, &ret->ours_there, e);
	return rc ? rc : ask_hashes(there, &ret->ours, &ret->theirs_there, e);
}
