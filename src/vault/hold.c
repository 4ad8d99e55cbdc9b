/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/hold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "ledger/event_body.h"
#include "vault/policy.h"
#include "vault/retrieve_rate.h"

#define BUCKETS 256 /* a power of 2 */
#define RELEASE_MAX 16
#define STAMP_LEN (UUID_STR_LEN + 24)

/* An event that holds somebody. */
struct held {
	struct held *next; /* in its bucket */
	struct uuid user;
	char stamp[STAMP_LEN]; /* chain/seq of the event */
};

/* Under what the list was read: in another one events may have come of which it was not told. */
struct era {
	uint64_t state_seq, ledger_epoch;
	bool sure;
};

struct hold {
	struct retrieve_rate *rate;
	enum state_served counted; /* whom this node served when what rate has was retrieved */
	struct held *bucket[BUCKETS];
	uint64_t heard; /* events that changed the list */
	struct era era; /* sure: the list is whole */
};

struct hold *
hold_new(void)
{
	struct hold *h = mem_new(sizeof(*h));

	h->rate = retrieve_rate_new();
	return h;
}

/* ---- the list ---- */

static struct held **
bucket_of(struct hold *h, const struct uuid *user)
{
	return &h->bucket[user->b[sizeof(user->b) - 1] & (BUCKETS - 1)];
}

static struct held *
find(struct hold *h, const struct uuid *user)
{
	struct held *x = *bucket_of(h, user);

	while (x && !uuid_eq(&x->user, user))
		x = x->next;
	return x;
}

static void
stamp_of(const struct uuid *chain, int64_t seq, char ret[static STAMP_LEN])
{
	char id[UUID_STR_LEN];

	uuid_str(chain, id);
	snprintf(ret, STAMP_LEN, "%s/%lld", id, (long long)seq);
}

/* stamp NULL: all of the bucket. */
static void
drop(struct held **at, const char *stamp)
{
	while (*at) {
		struct held *x = *at;

		if (stamp && strcmp(x->stamp, stamp) != 0) {
			at = &x->next;
			continue;
		}
		*at = x->next;
		free(x);
	}
}

static void
add(struct hold *h, const struct uuid *user, const struct uuid *chain, int64_t seq)
{
	struct held **bucket = bucket_of(h, user), *x;
	char stamp[STAMP_LEN];

	stamp_of(chain, seq, stamp);
	drop(bucket, stamp);
	x = mem_new(sizeof(*x));
	*x = (struct held){ .next = *bucket, .user = *user };
	memcpy(x->stamp, stamp, sizeof(stamp));
	*bucket = x;
}

static void
drop_all(struct hold *h)
{
	for (size_t i = 0; i < BUCKETS; i++)
		drop(&h->bucket[i], NULL);
}

void
hold_free(struct hold *h)
{
	if (!h)
		return;
	drop_all(h);
	retrieve_rate_free(h->rate);
	free(h);
}

static void
on_unusual(struct hold *h, const struct event *ev)
{
	auto_buf held = BUF_INIT;

	if (event_body_get(ev->body, "held", &held) || strcmp(buf_str(&held), "true") != 0)
		return;
	add(h, &ev->object, &ev->node, ev->seq);
	h->heard++;
}

static void
on_released(struct hold *h, const struct event *ev)
{
	auto_buf stamp = BUF_INIT;

	if (event_body_get(ev->body, "hold", &stamp))
		return;
	drop(bucket_of(h, &ev->object), buf_str(&stamp));
	retrieve_rate_forget(h->rate, &ev->object);
	h->heard++;
}

void
hold_on_event(struct hold *h, const struct event *ev)
{
	if (ev->kind == EVENT_RETRIEVALS_UNUSUAL)
		on_unusual(h, ev);
	else if (ev->kind == EVENT_RETRIEVALS_RELEASED)
		on_released(h, ev);
}

static struct era
era_now(const struct vault *v)
{
	struct era now = { .state_seq =
				   v->statepage ? statepage_quick(v->statepage).state_seq : 0 };

	now.sure = ledger_is_sure(v->ledger, &now.ledger_epoch);
	return now;
}

static bool
is_known(const struct vault *v)
{
	const struct era *was = &v->hold->era, now = era_now(v);

	return was->sure && now.sure && was->state_seq == now.state_seq &&
	       was->ledger_epoch == now.ledger_epoch;
}

static void
take_list(struct hold *h, const struct rows *rows)
{
	drop_all(h);
	for (int i = 0; i < rows_count(rows); i++) {
		struct uuid user, chain;

		row_uuid(rows, i, COL_HOLD_LIST_PRINCIPAL, &user);
		row_uuid(rows, i, COL_HOLD_LIST_NODE, &chain);
		add(h, &user, &chain, row_bigint(rows, i, COL_HOLD_LIST_SEQ));
	}
}

/* A list that was read while events came may lack them, and is read again. */
static int
read_list(struct call *c, struct err *e)
{
	struct hold *h = c->v->hold;
	uint64_t heard;
	int rc;

	do {
		auto_rows rows = NULL;
		struct era era = era_now(c->v);

		heard = h->heard;
		rc = db_exec(vault_reader(c->v), c->f, STMT_HOLD_LIST, NULL, &rows, e);
		if (rc == 0 && heard == h->heard) {
			take_list(h, rows);
			h->era = era;
		}
	} while (rc == 0 && heard != h->heard);
	return rc;
}

/* ---- who is refused ---- */

static bool
is_on(const struct vault *v)
{
	return v->settings->retrieval_hold && vault_serves(v) == SERVES_EVERYONE;
}

int
hold_learn(struct call *c, struct err *e)
{
	return is_on(c->v) && !is_known(c->v) ? read_list(c, e) : 0;
}

bool
hold_has(const struct vault *v, const struct uuid *user)
{
	return is_on(v) && find(v->hold, user);
}

static int
refuse(const struct call *c, struct err *e)
{
	return err_set(e, ERR_RETRIEVAL_HELD,
		       "more passwords were retrieved in your name than is usual here, so you get "
		       "no more for now. Tell an administrator: if it was you, they let you go on "
		       "with `holdfast user release %s`",
		       c->who.name);
}

int
hold_check(struct call *c, struct err *e)
{
	int rc = hold_learn(c, e);

	if (rc)
		return rc;
	return hold_has(c->v, &c->who.user) ? refuse(c, e) : 0;
}

static int
append_unusual(struct call *c, bool holds, struct err *e)
{
	const struct settings *s = c->v->settings;
	auto_buf body = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "user", c->who.name);
	json_out_int(&w, "more_than", s->retrieval_alert);
	json_out_int(&w, "within_s", s->retrieval_alert_window / 1000);
	json_out_bool(&w, "held", holds);
	json_out_end_object(&w);
	return vault_append(c, EVENT_RETRIEVALS_UNUSUAL, &c->who.user, buf_str(&body), e);
}

/* What was retrieved in emergency is nobody's burden when the node is the primary. */
static struct retrieve_rate *
rate_now(const struct vault *v)
{
	struct hold *h = v->hold;
	enum state_served now = vault_serves(v);

	if (h->counted != now) {
		retrieve_rate_free(h->rate);
		h->rate = retrieve_rate_new();
		h->counted = now;
	}
	return h->rate;
}

int
hold_count(struct call *c, const struct uuid *version, struct err *e)
{
	const struct settings *s = c->v->settings;
	const struct retrieve_rate_limit limit = { .limit = (uint32_t)s->retrieval_alert,
						   .window_us = s->retrieval_alert_window * 1000,
						   .holds = is_on(c->v) };
	enum retrieve_rate_found found;
	int rc = 0;

	if (!limit.limit)
		return 0;
	found = retrieve_rate_note(rate_now(c->v), &c->who.user, version, clock_now_us(), &limit);
	if (found == RETRIEVE_RATE_USUAL)
		return 0;
	if (found == RETRIEVE_RATE_NEWS)
		rc = append_unusual(c, limit.holds, e);
	if (rc) {
		retrieve_rate_untold(rate_now(c->v), &c->who.user);
		return rc;
	}
	return limit.holds ? refuse(c, e) : 0;
}

/* ---- release ---- */

/* One event for each that holds the user, RELEASE_MAX at most. */
static size_t
release_events(struct call *c, const struct uuid *user, struct event ev[static RELEASE_MAX])
{
	size_t n = 0;

	for (const struct held *x = find(c->v->hold, user); x && n < RELEASE_MAX; x = x->next)
		if (uuid_eq(&x->user, user))
			ev[n++] = policy_event(c, EVENT_RETRIEVALS_RELEASED, user,
					       arena_printf(c->a, "{\"hold\":\"%s\"}", x->stamp));
	return n;
}

int
hold_release(struct call *c, const struct uuid *user, struct json_out *out, struct err *e)
{
	struct event ev[RELEASE_MAX];
	bool released = false;
	size_t n;
	int rc = 0;

	if (uuid_eq(user, &c->who.user))
		return err_set(e, ERR_REFUSED,
			       "you cannot release yourself: another administrator can, or whoever "
			       "may change retrieval_hold on the machine");
	if (!is_known(c->v))
		rc = read_list(c, e);
	while (rc == 0 && (n = release_events(c, user, ev)) != 0) {
		rc = policy_append(c, ev, n, e);
		released = true;
	}
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_bool(out, "released", released);
	json_out_end_object(out);
	return 0;
}
