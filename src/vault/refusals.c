/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/refusals.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "base/source.h"

#define KINDS 2 /* of refusals: so many rows are for the sources that have none of their own */
#define ROWS (REFUSALS_SOURCES + KINDS)
#define BUCKETS 256 /* a power of 2 */
#define ROUND_US (60 * INT64_C(1000000))
#define UNIT 64 /* events that are appended at once */

/* What is counted together. */
struct key {
	enum event_kind kind;
	struct uuid actor, object;
	uint8_t source[SOURCE_BYTES];
};

struct row {
	struct row *next; /* in its bucket */
	struct key key;
	unsigned at_once;		     /* events of their own in this minute */
	int64_t times;			     /* beyond these */
	int64_t since_us;		     /* the first of them */
	char address[EVENT_ADDRESS_MAX + 1]; /* of the last */
	const char *what;
};

struct refusals {
	struct row *bucket[BUCKETS];
	struct row row[ROWS];
	unsigned n;
	unsigned at_once;
	int64_t began_us;
};

static void
begin_round(struct refusals *r)
{
	memset(r->bucket, 0, sizeof(r->bucket));
	r->n = 0;
	r->at_once = 0;
	r->began_us = clock_now_us();
}

struct refusals *
refusals_new(void)
{
	struct refusals *r = mem_new(sizeof(*r));

	begin_round(r);
	return r;
}

void
refusals_free(struct refusals *r)
{
	free(r);
}

/* ---- counting ---- */

static struct key
key_of(const struct refusal *x)
{
	struct key k = { .kind = x->kind, .actor = x->actor, .object = x->object };
	uint8_t address[SOURCE_BYTES];

	if (uuid_is_nil(&x->actor) && uuid_is_nil(&x->object) && x->address &&
	    source_parse(x->address, address))
		source_of(address, k.source);
	return k;
}

static bool
same_key(const struct key *a, const struct key *b)
{
	return a->kind == b->kind && uuid_eq(&a->actor, &b->actor) &&
	       uuid_eq(&a->object, &b->object) &&
	       memcmp(a->source, b->source, sizeof(a->source)) == 0;
}

static struct row **
bucket_of(struct refusals *r, const struct key *k)
{
	unsigned h = (unsigned)k->kind;

	for (size_t i = 0; i < SOURCE_BYTES; i++)
		h = (h ^ k->source[i] ^ k->actor.b[i] ^ k->object.b[i]) * 16777619u;
	return &r->bucket[h >> 16 & (BUCKETS - 1)];
}

static struct row *
find(struct refusals *r, const struct key *k)
{
	struct row *x = *bucket_of(r, k);

	while (x && !same_key(&x->key, k))
		x = x->next;
	return x;
}

static struct row *
add(struct refusals *r, const struct key *k)
{
	struct row **bucket = bucket_of(r, k), *x = &r->row[r->n++];

	*x = (struct row){ .next = *bucket, .key = *k };
	*bucket = x;
	return x;
}

/* Of the source or, where there are too many, of all that have no row. */
static struct row *
row_of(struct refusals *r, const struct key *k)
{
	const struct key others = { .kind = k->kind };
	struct row *x = find(r, k);

	if (x || r->n < REFUSALS_SOURCES)
		return x ? x : add(r, k);
	x = find(r, &others);
	return x ? x : add(r, &others);
}

static void
count(struct row *row, const struct refusal *x)
{
	if (!row->times++)
		row->since_us = clock_now_us();
	text_copy(row->address, sizeof(row->address), x->address ? x->address : "");
	row->what = x->what;
}

bool
refusals_take(struct refusals *r, const struct refusal *x)
{
	struct key k = key_of(x);
	struct row *row = r ? row_of(r, &k) : NULL;

	if (!row)
		return true;
	if (!x->summed && row->at_once < REFUSALS_AT_ONCE && r->at_once < REFUSALS_AT_ONCE_ALL) {
		row->at_once++;
		r->at_once++;
		return true;
	}
	count(row, x);
	return false;
}

/* ---- writing ---- */

bool
refusals_due(const struct refusals *r)
{
	int64_t now = clock_now_us();

	return now < r->began_us || now >= r->began_us + ROUND_US;
}

/* Those that something was counted of, and the table is empty. */
static struct row *
take_counted(struct refusals *r, size_t *ret_n)
{
	struct row *rows = mem_array(r->n + 1, sizeof(*rows));
	size_t n = 0;

	for (unsigned i = 0; i < r->n; i++)
		if (r->row[i].times)
			rows[n++] = r->row[i];
	begin_round(r);
	*ret_n = n;
	return rows;
}

/* They were not written: they count on, with what was counted meanwhile. */
static void
give_back(struct refusals *r, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct row *x = row_of(r, &rows[i].key);

		if (!x->times) {
			memcpy(x->address, rows[i].address, sizeof(x->address));
			x->what = rows[i].what;
		}
		x->times += rows[i].times;
		x->since_us = rows[i].since_us;
	}
}

static void
write_body(struct buf *body, const struct row *x)
{
	struct json_out w;

	json_out_init(&w, body);
	json_out_object(&w, NULL);
	json_out_text(&w, x->key.kind == EVENT_LOGIN_FAILED ? "why" : "what", x->what);
	json_out_int(&w, "times", x->times);
	json_out_time(&w, "since", x->since_us);
	json_out_end_object(&w);
}

static int
write_some(struct vault *v, struct fiber *f, const struct row *rows, size_t n, struct err *e)
{
	struct event ev[UNIT];
	struct buf body[UNIT];
	int rc;

	for (size_t i = 0; i < n; i++) {
		body[i] = BUF_INIT;
		write_body(&body[i], &rows[i]);
		ev[i] = (struct event){ .kind = rows[i].key.kind,
					.actor = rows[i].key.actor,
					.object = rows[i].key.object,
					.address = rows[i].address,
					.body = buf_str(&body[i]) };
	}
	rc = ledger_append(v->ledger, f, ev, n, NULL, e);
	for (size_t i = 0; i < n; i++)
		buf_done(&body[i]);
	return rc;
}

int
refusals_write(struct vault *v, struct fiber *f, struct err *e)
{
	size_t n, i = 0;
	struct row *rows = take_counted(v->refusals, &n);
	int rc = 0;

	while (i < n && !rc) {
		size_t some = n - i < UNIT ? n - i : UNIT;

		rc = write_some(v, f, &rows[i], some, e);
		i += rc ? 0 : some;
	}
	give_back(v->refusals, &rows[i], n - i);
	free(rows);
	return rc;
}
