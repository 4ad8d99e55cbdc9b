/* SPDX-License-Identifier: Apache-2.0
 *
 * Two accounts become one. A version is sealed for its account, so those of the one that goes are sealed anew for the one that stays, where
 * they are siblings: a person settles which counts. It goes to the bin as it was.
 */
#include "vault/account_impl.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/secret.h"

#define VERSIONS_MAX 200
#define BYTES_MAX (8u << 20) /* of all bodies */

/* The events to be: one for each version, and one that says so. */
struct combining {
	struct event ev[VERSIONS_MAX + 1];
	struct buf body[VERSIONS_MAX + 1];
	size_t n, bytes;
	struct account_base base; /* what the next version is made upon */
};

static void
combining_free(struct combining *x)
{
	for (size_t i = 0; x && i < ARRAY_LEN(x->body); i++)
		buf_done(&x->body[i]);
	free(x);
}

static void
free_combining(struct combining **x)
{
	combining_free(*x);
}

/* Version n of the one that goes, for the one that stays. */
static int
take_version(struct call *c, const struct uuid *from, const struct uuid *into, int n,
	     struct combining *x, struct err *e)
{
	FREE_WITH(account_opened_done) struct account_opened found = { 0 };
	auto_buf plain = BUF_INIT;
	struct err why = { 0 };
	struct buf *body = &x->body[x->n];
	struct uuid id;
	int rc = account_read_open(c, from, n, &found, &why);

	/* A number that none has, or that the bin was emptied of. */
	if (rc == ERR_NOT_FOUND)
		return 0;
	if (rc)
		*e = why;
	if (!rc)
		rc = account_open_fields(c, from, &found, &plain, e);
	if (!rc)
		rc = account_sealed_body(c, into, &plain, &x->base, &id, body, e);
	if (rc)
		return rc;
	x->bytes += body->len;
	if (x->bytes > BYTES_MAX)
		return err_set(e, ERR_TOO_LARGE, "what it holds is too much to be moved at once");
	x->ev[x->n++] = policy_event(c, EVENT_VERSION_ADDED, into, buf_str(body));
	x->base = (struct account_base){ .n = x->base.n + 1, .based_on = x->base.n, .upon = id };
	return 0;
}

static void
say_combined(struct call *c, const struct account_seen *gone, const struct uuid *from,
	     const struct uuid *into, struct combining *x)
{
	struct buf *body = &x->body[x->n];
	struct json_out w;

	json_out_init(&w, body);
	json_out_object(&w, NULL);
	json_out_text(&w, "resource", gone->resource_name);
	json_out_text(&w, "login", gone->login);
	json_out_uuid(&w, "into", into);
	json_out_int(&w, "versions", (int64_t)x->n);
	json_out_end_object(&w);
	x->ev[x->n] = policy_event(c, EVENT_ACCOUNT_COMBINED, from, buf_str(body));
	x->n++;
}

static int
combine(struct call *c, const struct uuid *into, const struct uuid *from, struct err *e)
{
	FREE_WITH(free_combining) struct combining *x = mem_new(sizeof(*x));
	struct account_seen stays, goes;
	int rc = account_read_right(c, into, LEVEL_MODIFY, "combine accounts", &stays, e);

	/* Whoever sees the one that stays sees its versions then. */
	if (!rc)
		rc = account_read_right(c, from, LEVEL_MANAGE, "combine accounts", &goes, e);
	if (!rc && goes.top_n > VERSIONS_MAX)
		rc = err_set(e, ERR_REFUSED,
			     "it has %d versions, more than the %d that can be moved at once",
			     goes.top_n, VERSIONS_MAX);
	if (rc)
		return rc;
	x->base = (struct account_base){ .n = stays.top_n + 1 };
	for (int n = 1; n <= goes.top_n && !rc; n++)
		rc = take_version(c, from, into, n, x, e);
	if (rc)
		return rc;
	say_combined(c, &goes, from, into, x);
	return policy_append(c, x->ev, x->n, e);
}

int
account_combine(struct call *c, const struct uuid *into, const struct uuid *from, struct err *e)
{
	bool first = memcmp(into->b, from->b, sizeof(into->b)) < 0;

	if (uuid_eq(into, from))
		return err_set(e, ERR_BAD_FIELD, "with: this is the same account");
	/* In the order of their ids, so that two who combine never wait for each other. */
	policy_lock one = record_lock_take(c->v->record_locks, c->f, first ? into : from);
	policy_lock two = record_lock_take(c->v->record_locks, c->f, first ? from : into);

	return combine(c, into, from, e);
}
