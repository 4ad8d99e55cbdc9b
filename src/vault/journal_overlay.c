/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/journal_overlay.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/mem.h"
#include "ledger/event_body.h"

#define BUCKETS 256

struct held {
	struct held *next; /* by seq */
	struct journal_overlay_version v;
	struct uuid account;
	int64_t seq;
	struct buf sealed;
	uint64_t seen; /* in which reading of the journal */
};

struct journal_overlay {
	struct held *bucket[BUCKETS];
	size_t n, bytes;
	unsigned reserved;
	uint64_t reading;
};

struct journal_overlay *
journal_overlay_new(void)
{
	struct journal_overlay *j = mem_new(sizeof(*j));

	return j;
}

/* The last byte of an id is random. */
static struct held *const *
bucket(const struct journal_overlay *j, const struct uuid *account)
{
	return &j->bucket[account->b[15]];
}

static void
drop_at(struct journal_overlay *j, struct held **at)
{
	struct held *h = *at;

	*at = h->next;
	j->n--;
	j->bytes -= h->sealed.len;
	buf_done(&h->sealed);
	free(h);
}

static void
drop_unseen(struct journal_overlay *j, uint64_t reading)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct held **at = &j->bucket[i];

		while (*at) {
			if ((*at)->seen < reading)
				drop_at(j, at);
			else
				at = &(*at)->next;
		}
	}
}

void
journal_overlay_free(struct journal_overlay *j)
{
	if (!j)
		return;
	drop_unseen(j, UINT64_MAX);
	free(j);
}

static struct held *
find(const struct journal_overlay *j, const struct uuid *account, const struct uuid *id)
{
	struct held *h = *bucket(j, account);

	while (h && !uuid_eq(&h->v.id, id))
		h = h->next;
	return h;
}

static void
drop(struct journal_overlay *j, const struct uuid *account, const struct uuid *id)
{
	struct held **at = UNCONST(struct held **, bucket(j, account));

	while (*at && !uuid_eq(&(*at)->v.id, id))
		at = &(*at)->next;
	if (*at)
		drop_at(j, at);
}

/* ---- what the journal says ---- */

static int
get_uuid(const char *body, const char *name, struct uuid *ret)
{
	auto_buf text = BUF_INIT;

	if (event_body_get(body, name, &text))
		return ERR_BAD_FIELD;
	if (strcmp(buf_str(&text), "null") == 0)
		return 0;
	return uuid_parse(buf_str(&text), ret);
}

static int
get_number(const char *body, const char *name, int *ret)
{
	auto_buf text = BUF_INIT;
	char *end;
	long v;

	if (event_body_get(body, name, &text) || text.len == 0)
		return ERR_BAD_FIELD;
	v = strtol(buf_str(&text), &end, 10);
	if (*end || v < 0 || v >= INT32_MAX)
		return ERR_BAD_FIELD;
	*ret = (int)v;
	return 0;
}

static int
get_sealed(const char *body, struct buf *ret)
{
	auto_buf text = BUF_INIT;
	size_t n;

	if (event_body_get(body, "sealed", &text) || text.len == 0)
		return ERR_BAD_FIELD;
	buf_reserve(ret, text.len);
	if (sodium_base642bin((unsigned char *)ret->data, text.len, buf_str(&text), text.len, NULL,
			      &n, NULL, sodium_base64_VARIANT_ORIGINAL))
		return ERR_BAD_FIELD;
	ret->len = n;
	return 0;
}

static int
parse(const struct event *ev, struct held *ret)
{
	ret->account = ev->object;
	ret->seq = ev->seq;
	ret->v.at_us = ev->at_us;
	if (get_uuid(ev->body, "id", &ret->v.id) || get_uuid(ev->body, "author", &ret->v.author) ||
	    get_uuid(ev->body, "upon", &ret->v.upon) || get_number(ev->body, "n", &ret->v.n) ||
	    get_number(ev->body, "based_on", &ret->v.based_on))
		return ERR_BAD_FIELD;
	return get_sealed(ev->body, &ret->sealed);
}

static void
insert(struct journal_overlay *j, struct held *h)
{
	struct held **at = UNCONST(struct held **, bucket(j, &h->account));

	while (*at && (*at)->seq < h->seq)
		at = &(*at)->next;
	h->next = *at;
	*at = h;
	j->n++;
	j->bytes += h->sealed.len;
}

static bool
made_in_emergency(const struct event *ev)
{
	auto_buf text = BUF_INIT;

	return ev->kind == EVENT_VERSION_ADDED && !event_body_get(ev->body, "emergency", &text) &&
	       strcmp(buf_str(&text), "true") == 0;
}

static void
add(struct journal_overlay *j, const struct event *ev)
{
	struct held *h = mem_new(sizeof(*h)), *known;

	if (parse(ev, h)) {
		log_warning("event %lld of the journal is a version that cannot be read",
			    (long long)ev->seq);
		buf_done(&h->sealed);
		free(h);
		return;
	}
	known = find(j, &h->account, &h->v.id);
	if (known) {
		known->seen = j->reading;
		buf_done(&h->sealed);
		free(h);
		return;
	}
	h->seen = j->reading;
	insert(j, h);
}

void
journal_overlay_on_event(struct journal_overlay *j, const struct event *ev, bool alone)
{
	struct uuid id;

	if (!made_in_emergency(ev))
		return;
	if (alone)
		add(j, ev);
	else if (!get_uuid(ev->body, "id", &id))
		drop(j, &ev->object, &id);
}

static void
on_journal_event(void *ctx, const struct event *ev)
{
	journal_overlay_on_event(ctx, ev, true);
}

int
journal_overlay_reload(struct journal_overlay *j, struct ledger *l, struct fiber *f, struct err *e)
{
	uint64_t reading = ++j->reading;
	int rc = ledger_journal_each(l, f, NULL, on_journal_event, j, e);

	/* When it could not be read all stay. */
	if (!rc)
		drop_unseen(j, reading);
	return rc;
}

/* ---- room ---- */

int
journal_overlay_reserve(struct journal_overlay *j, struct err *e)
{
	if (j->n + j->reserved >= JOURNAL_OVERLAY_MAX || j->bytes >= JOURNAL_OVERLAY_BYTES_MAX)
		return err_set(e, ERR_REFUSED,
			       "%zu changes wait here for the primary, as many as this node holds: "
			       "nothing was stored; bring the primary back, or make this node the "
			       "primary (holdfast ha promote)",
			       j->n);
	j->reserved++;
	return 0;
}

void
journal_overlay_unreserve(struct journal_overlay *j)
{
	j->reserved--;
}

/* ---- what is laid over an account ---- */

struct journal_overlay_list
journal_overlay_of(const struct journal_overlay *j, const struct uuid *account, struct arena *a)
{
	struct journal_overlay_list list = { 0 };
	size_t n = 0;

	if (!j || !j->n)
		return list;
	for (const struct held *h = *bucket(j, account); h; h = h->next)
		n += uuid_eq(&h->account, account);
	if (!n)
		return list;
	list.v = arena_alloc(a, n * sizeof(*list.v));
	for (const struct held *h = *bucket(j, account); h; h = h->next)
		if (uuid_eq(&h->account, account))
			list.v[list.n++] = h->v;
	return list;
}

static void
leave_out_home(struct journal_overlay *j, const struct uuid *account, const char *home,
	       struct journal_overlay_list *list)
{
	char text[UUID_STR_LEN];
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		uuid_str(&list->v[i].id, text);
		if (strstr(home, text))
			drop(j, account, &list->v[i].id);
		else
			list->v[n++] = list->v[i];
	}
	list->n = n;
}

void
journal_overlay_lay(struct journal_overlay *j, const struct uuid *account, const char *home,
		    struct journal_overlay_list *list, struct journal_overlay_head *head)
{
	bool astray = false;
	int shift;

	leave_out_home(j, account, home, list);
	if (!list->n)
		return;
	shift = head->top_n + 1 - list->v[0].n;
	for (size_t i = 0; i < list->n; i++) {
		struct journal_overlay_version *v = &list->v[i];

		astray = astray || !uuid_eq(&v->upon, &head->current);
		v->n += shift > 0 ? shift : 0;
		v->sibling = astray;
		head->top_n = v->n;
		head->conflict = head->conflict || astray;
		if (astray)
			continue;
		head->current_n = v->n;
		head->current = v->id;
	}
}

int
journal_overlay_current(const struct journal_overlay *j, const struct uuid *account, int current_n)
{
	if (!j || !j->n)
		return current_n;
	for (const struct held *h = *bucket(j, account); h; h = h->next)
		if (uuid_eq(&h->account, account) && h->v.based_on == current_n)
			current_n = h->v.n;
	return current_n;
}

bool
journal_overlay_sealed(const struct journal_overlay *j, const struct uuid *account,
		       const struct uuid *id, struct buf *ret)
{
	const struct held *h = j ? find(j, account, id) : NULL;

	if (!h)
		return false;
	buf_add(ret, h->sealed.data, h->sealed.len);
	return true;
}
