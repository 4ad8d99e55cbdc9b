/* SPDX-License-Identifier: Apache-2.0
 *
 * A case becomes a history. Whoever is not cut off has what the primary has, and what is done there the primary does. Whoever is cut off does
 * it in a chain of its own, upon what it has; more than a secondary may in an emergency, as a promoted one does. Where two meet, the one
 * with the higher term stays as it is and takes in what only the other has, chain by chain and in pieces, never before what that had seen.
 * Its tables are then those of all.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "ledger/event.h"
#include "test/merge/merge.h"

#define BEGAN_US INT64_C(1767225600000000) /* 2026-01-01 */
#define SECOND_US INT64_C(1000000)

struct node {
	struct tables *t;
	struct order has;
	unsigned filled; /* its tables have so much of that */
	bool open;	 /* a transaction of theirs */
	bool cut;
	unsigned chain; /* which it writes */
	int term;
};

struct world {
	struct history h;
	struct node node[NODES_MAX];
	const struct a_case *x;
	unsigned begun; /* with so many events */
	unsigned primary, ticks, ids;
	int64_t end[CHAINS_MAX];
	int64_t named[CHAINS_MAX][CHAINS_MAX]; /* how far the first names the second */
	bool done;			       /* nothing can come any more */
};

#define U1 "00000000-0000-7000-8000-000000000001"
#define U2 "00000000-0000-7000-8000-000000000002"
#define R1 "00000000-0000-7000-8000-000000000011"
#define R2 "00000000-0000-7000-8000-000000000012"
#define A1 "00000000-0000-7000-8000-000000000021"
#define A2 "00000000-0000-7000-8000-000000000022"
#define T1 "00000000-0000-7000-8000-000000000051"
#define V1 "00000000-0000-7000-8000-000000000031"
#define F1 "00000000-0000-7000-8000-000000000061"
#define F2 "00000000-0000-7000-8000-000000000062"
#define NODE "0190a000-0000-7000-8000-00000000000"

/* What every case begins with, on A. */
static const struct {
	enum event_kind kind;
	const char *object, *body;
} beginning[] = {
	{ EVENT_NODE_CREATED, NODE "a", "{}" },
	{ EVENT_NODE_JOINED, NODE "a",
	  "{\"id\":\"" NODE "a\",\"name\":\"node a\",\"https_port\":1,\"pair_port\":2,"
	  "\"primary_since_term\":1}" },
	{ EVENT_SEEN, NODE "a", "{\"node\":\"" NODE "a\",\"to\":2,\"head\":\"00\"}" },
	{ EVENT_KEY_CREATED, NULL, "{\"id\":1,\"wrapped\":\"0a0b\"}" },
	{ EVENT_USER_CREATED, U1, "{\"name\":\"ada\",\"role\":\"administrator\"}" },
	{ EVENT_USER_CREATED, U2, "{\"name\":\"bob\",\"role\":\"administrator\"}" },
	{ EVENT_RESOURCE_CREATED, R1, "{\"name\":\"one\",\"owner\":\"" U1 "\"}" },
	{ EVENT_RESOURCE_CREATED, R2, "{\"name\":\"two\",\"owner\":\"" U2 "\"}" },
	{ EVENT_ACCOUNT_CREATED, A1, "{\"resource\":\"" R1 "\",\"login\":\"x\"}" },
	{ EVENT_ACCOUNT_CREATED, A2, "{\"resource\":\"" R1 "\",\"login\":\"y\"}" },
	{ EVENT_VERSION_ADDED, A1,
	  "{\"id\":\"" V1 "\",\"n\":1,\"based_on\":0,\"upon\":null,\"author\":\"" U1
	  "\",\"sealed\":\"AAAA\"}" },
	{ EVENT_SHARED, R1, "{\"user\":\"" U2 "\",\"level\":2,\"upon\":\"\"}" },
	{ EVENT_TEAM_CREATED, T1, "{\"name\":\"ops\"}" },
	{ EVENT_MEMBER_ADDED, T1, "{\"user\":\"" U2 "\",\"upon\":\"\"}" },
	{ EVENT_SHARED, A1, "{\"user\":\"" T1 "\",\"team\":true,\"level\":3,\"upon\":\"\"}" },
	{ EVENT_FOLDER_CREATED, F1, "{\"name\":\"one\",\"owner\":\"" U1 "\"}" },
	{ EVENT_FOLDER_CREATED, F2,
	  "{\"name\":\"two\",\"owner\":\"" U2 "\",\"parent\":\"" F1 "\"}" },
	{ EVENT_RESOURCE_CHANGED, R1, "{\"folder\":\"" F2 "\"}" },
	{ EVENT_SHARED, F1, "{\"user\":\"" T1 "\",\"team\":true,\"level\":2,\"upon\":\"\"}" },
	{ EVENT_LOGIN, NULL,
	  "{\"mac\":\"0c\",\"session\":\"00000000-0000-7000-8000-000000000041\",\"expires\":"
	  "\"2027-01-01T00:00:00Z\"}" },
	{ EVENT_NODE_JOINED, NODE "b",
	  "{\"id\":\"" NODE "b\",\"name\":\"node b\",\"https_port\":1,\"pair_port\":2}" },
	{ EVENT_NODE_JOINED, NODE "c",
	  "{\"id\":\"" NODE "c\",\"name\":\"node c\",\"https_port\":1,\"pair_port\":2}" },
};

static const uint8_t no_hash[KEYS_HASH_BYTES];

static struct uuid
uuid_of(const char *text)
{
	struct uuid u = { 0 };

	if (text && uuid_parse(text, &u))
		abort();
	return u;
}

/* ---- what a node has ---- */

/* One batch of an order, from i on; returns how many. */
static unsigned
batch_at(const struct history *h, const struct order *o, unsigned i, struct ledger_item *items)
{
	unsigned n = 0;

	do {
		items[n++] = (struct ledger_item){ &h->made[o->v[i++].made].ev, no_hash };
	} while (i < o->n && o->v[i].joins);
	return n;
}

static void
refuse(struct world *w, const char *why)
{
	snprintf(w->h.refused, sizeof(w->h.refused), "%s", why);
	w->done = true;
}

/* Its tables become those of what it has. */
static void
fill(struct world *w, struct node *d)
{
	struct ledger_item items[EVENTS_MAX];
	char why[64];

	if (!d->open)
		tables_do(d->t, "BEGIN");
	d->open = true;
	while (d->filled < d->has.n && !w->done) {
		struct ledger_steps steps = { 0 };
		unsigned n = batch_at(&w->h, &d->has, d->filled, items);

		ledger_step_events(&steps, &items[0].ev->node, items, n, LEDGER_MERGED);
		if (!tables_run(d->t, &steps, why))
			refuse(w, why);
		d->filled += n;
	}
}

static void
empty(const struct world *w, struct node *d)
{
	if (d->open)
		tables_do(d->t, "ROLLBACK");
	d->open = false;
	d->filled = w->begun;
}

static void
add_place(struct world *w, struct order *o, unsigned made, bool joins)
{
	if (o->n == EVENTS_MAX) {
		w->done = true;
		return;
	}
	o->v[o->n++] = (struct place){ made, joins };
}

static int64_t
has_of(const struct world *w, const struct node *d, unsigned chain)
{
	for (unsigned i = d->has.n; i-- > 0;) {
		if (w->h.made[d->has.v[i].made].chain == chain)
			return w->h.made[d->has.v[i].made].ev.seq;
	}
	return 0;
}

/* ---- writing ---- */

static int64_t
clock_of(const struct world *w, unsigned node)
{
	static const int skew_s[] = { 0, 3600, -3600, 7, -7 };

	return BEGAN_US + (3600 + (int64_t)w->ticks) * SECOND_US +
	       skew_s[draw(w->x ? w->x->seed : 0, 20, node, ARRAY_LEN(skew_s))] * SECOND_US;
}

static void
note_knowledge(const struct world *w, const struct node *d, struct made *m)
{
	for (unsigned c = 0; c < w->h.nchains; c++)
		m->knew[c] = has_of(w, d, c);
}

/* Takes the body. */
static struct made *
make(struct world *w, unsigned node, enum event_kind kind, const struct uuid *object,
     unsigned actor, char *body)
{
	unsigned chain = w->node[node].chain;
	struct made *m = &w->h.made[w->h.n];

	if (w->h.n == EVENTS_MAX) {
		w->done = true;
		free(body);
		return NULL;
	}
	w->h.n++;
	w->ticks++;
	*m = (struct made){ .chain = chain,
			    .ev = { .node = w->h.chain[chain],
				    .seq = ++w->end[chain],
				    .at_us = clock_of(w, node),
				    .kind = kind,
				    .actor = uuid_of(actor ? U2 : U1),
				    .object = *object,
				    .address = "",
				    .body = body } };
	note_knowledge(w, &w->node[node], m);
	return m;
}

static void
take_back(struct world *w)
{
	struct made *m = &w->h.made[--w->h.n];

	w->end[m->chain]--;
	free(UNCONST(char *, m->ev.body));
}

/* Whoever says something knows all that is there, so it counts at once. */
static void
check_done(struct world *w, struct node *d, const struct made *m)
{
	auto_buf sql = BUF_INIT;
	char chain[UUID_STR_LEN], *what = NULL, *unused = NULL;

	uuid_str(&m->ev.node, chain);
	buf_addf(&sql,
		 "SELECT what, '' FROM word w WHERE chain = '%s' AND seq = %lld AND NOT CASE what "
		 "WHEN 'share' THEN (split_part(value, ' ', 1), nullif(split_part(value, ' ', 2), "
		 "'')::timestamptz) IS NOT DISTINCT FROM (coalesce((SELECT level FROM share WHERE "
		 "target = object AND share.principal = w.principal), 0)::text, (SELECT until FROM "
		 "share WHERE target = object AND share.principal = w.principal)) "
		 "WHEN 'offer' THEN EXISTS (SELECT FROM resource WHERE id = object AND "
		 "coalesce(offered_to || ' ' || offered_by, '') = value) "
		 "WHEN 'member' THEN value = (EXISTS (SELECT FROM member WHERE team = object AND "
		 "member.principal = w.principal))::text "
		 "WHEN 'policy' THEN EXISTS (SELECT FROM emergency_policy WHERE resource = object "
		 "AND state = value) "
		 "WHEN 'maintenance' THEN EXISTS (SELECT FROM maintenance WHERE reason = "
		 "value::jsonb->>'reason') "
		 "WHEN 'handover' THEN EXISTS (SELECT FROM ha_order WHERE term || ' ' || node = "
		 "value) "
		 "WHEN 'factor' THEN value = coalesce((SELECT encode(totp_sealed, 'base64') FROM "
		 "principal WHERE id = object), '') "
		 "WHEN 'parent' THEN EXISTS (SELECT FROM folder WHERE id = object AND "
		 "coalesce(said::text, '') = value) "
		 "WHEN 'folder' THEN EXISTS (SELECT FROM resource WHERE id = object AND "
		 "coalesce(folder::text, '') = value) "
		 "WHEN 'removed' THEN EXISTS (SELECT FROM (SELECT id, deleted_at FROM resource "
		 "UNION "
		 "ALL SELECT id, deleted_at FROM folder UNION "
		 "ALL SELECT id, deleted_at FROM account) t WHERE id = object AND (deleted_at IS "
		 "NOT "
		 "NULL)::text = value) "
		 "ELSE EXISTS (SELECT FROM (SELECT id, to_jsonb(p) AS j FROM principal p UNION ALL "
		 "SELECT id, to_jsonb(r) FROM resource r UNION ALL SELECT id, to_jsonb(f) FROM "
		 "folder f UNION ALL SELECT id, to_jsonb(a) FROM "
		 "account "
		 "a) t WHERE id = object AND j->>what = value) END "
		 "UNION ALL SELECT 'acceptance', '' FROM event e JOIN share s ON s.target = "
		 "e.object AND s.principal = e.actor WHERE e.node = '%s' AND e.seq = %lld AND "
		 "e.kind = %d AND s.waits LIMIT 1",
		 chain, (long long)m->ev.seq, chain, (long long)m->ev.seq, EVENT_SHARE_ACCEPTED);
	if (tables_ask(d->t, buf_str(&sql), &what, &unused))
		snprintf(w->h.undone, sizeof(w->h.undone), "%s: %s", what,
			 event_name((int)m->ev.kind));
	free(what);
	free(unused);
}

/* Adds it to what the node has, and its tables, where the writer refuses what a person could not do. */
static bool
write_made(struct world *w, struct node *d, const struct made *m)
{
	struct ledger_item item = { &m->ev, no_hash };
	struct ledger_steps steps = { 0 };
	char why[64];

	fill(w, d);
	ledger_step_events(&steps, &m->ev.node, &item, 1, LEDGER_OWN);
	ledger_step_refusals(&steps, &m->ev.node, &item, 1);
	if (!tables_run(d->t, &steps, why)) {
		take_back(w);
		return false;
	}
	add_place(w, &d->has, w->h.n - 1, false);
	d->filled++;
	check_done(w, d, m);
	return true;
}

static void
name_chain(struct world *w, unsigned node, enum event_kind kind, unsigned chain, int64_t from,
	   int64_t to)
{
	struct node *d = &w->node[node];
	auto_buf body = BUF_INIT;
	char text[UUID_STR_LEN];
	struct made *m;

	uuid_str(&w->h.chain[chain], text);
	buf_addf(&body, "{\"node\":\"%s\",\"from\":%lld,\"to\":%lld,\"head\":\"00\"}", text,
		 (long long)from, (long long)to);
	m = make(w, node, kind, &w->h.chain[chain], 0, buf_take_str(&body));
	if (m && write_made(w, d, m))
		w->named[d->chain][chain] = to;
}

/* As the writer does before it writes what changes something. */
static void
name_others(struct world *w, unsigned node)
{
	struct node *d = &w->node[node];

	for (unsigned c = 0; c < w->h.nchains; c++) {
		int64_t to = c == d->chain ? 0 : has_of(w, d, c);

		if (to > w->named[d->chain][c])
			name_chain(w, node, EVENT_SEEN, c, 0, to);
	}
}

/* ---- acts ---- */

static unsigned
who_does(const struct world *w, const struct act *x)
{
	return w->node[x->who].cut ? x->who : w->primary;
}

static void
begin_chain(struct world *w, unsigned node)
{
	char text[UUID_STR_LEN];

	if (w->h.nchains == CHAINS_MAX) {
		w->done = true;
		return;
	}
	snprintf(text, sizeof(text), "0190a000-0000-7000-8000-0000000001%02x", w->h.nchains);
	w->h.chain[w->h.nchains] = uuid_of(text);
	w->node[node].chain = w->h.nchains++;
}

static void
do_event(struct world *w, const struct act *x)
{
	unsigned node = who_does(w, x);
	struct node *d = &w->node[node];
	char text[UUID_STR_LEN], id[UUID_STR_LEN], *object = NULL, *body = NULL, *query;
	enum event_kind kind = (enum event_kind)act_kind((enum act_name)x->what);
	struct made *m;
	struct uuid o;

	if (kind == EVENT_PROMOTED && !w->node[x->who].cut) {
		empty(w, d);
		w->primary = node = x->who;
		d = &w->node[node];
	}
	fill(w, d);
	/* The id says what made it, so that it stays the same where others leave a case. */
	snprintf(id, sizeof(id), "0190b000-0000-7000-%04x-%012x", 0x8000 + node, ++w->ids);
	snprintf(text, sizeof(text), NODE "%x", 10 + node);
	query = act_query(x, text, id, d->term + 1);
	if (!w->done && tables_ask(d->t, query, &object, &body)) {
		o = uuid_of(*object ? object : NULL);
		if (kind == EVENT_CHAIN_BEGUN)
			begin_chain(w, node);
		else
			name_others(w, node);
		m = w->done ? NULL : make(w, node, kind, &o, x->a % 2, mem_dup(body));
		if (m && write_made(w, d, m) && (kind == EVENT_PROMOTED || kind == EVENT_RESTORED))
			d->term++;
	}
	free(query);
	free(object);
	free(body);
}

/* ---- meeting ---- */

/* What only `from` has, by chain. */
static void
list_news(const struct world *w, const struct node *to, const struct node *from,
	  unsigned (*news)[EVENTS_MAX], unsigned *n)
{
	bool has[EVENTS_MAX] = { 0 };

	for (unsigned i = 0; i < to->has.n; i++)
		has[to->has.v[i].made] = true;
	for (unsigned i = 0; i < from->has.n; i++) {
		unsigned made = from->has.v[i].made, chain = w->h.made[made].chain;

		if (!has[made])
			news[chain][n[chain]++] = made;
	}
}

/* Whether what the event names is there. */
static bool
may_come(const struct world *w, const struct node *to, unsigned made)
{
	const struct event *ev = &w->h.made[made].ev;

	if (ev->kind != EVENT_SEEN && ev->kind != EVENT_MERGED)
		return true;
	for (unsigned c = 0; c < w->h.nchains; c++) {
		if (uuid_eq(&w->h.chain[c], &ev->object))
			return has_of(w, to, c) >=
			       strtoll(strstr(ev->body, "\"to\":") + 5, NULL, 10);
	}
	return true;
}

static void
take_in(struct world *w, unsigned node, unsigned chain, const unsigned *news, unsigned n)
{
	struct node *d = &w->node[node];

	name_chain(w, node, EVENT_MERGED, chain, w->h.made[news[0]].ev.seq,
		   w->h.made[news[n - 1]].ev.seq);
	for (unsigned i = 0; i < n; i++)
		add_place(w, &d->has, news[i], i > 0);
	fill(w, d);
}

static void
merge(struct world *w, unsigned node, const struct node *from)
{
	static unsigned news[CHAINS_MAX][EVENTS_MAX];
	unsigned n[CHAINS_MAX] = { 0 }, at[CHAINS_MAX] = { 0 };
	struct node *d = &w->node[node];

	list_news(w, d, from, news, n);
	for (uint64_t lot = 0; lot < 8 * EVENTS_MAX && !w->done; lot++) {
		unsigned c = (unsigned)draw(w->x->seed, 21, lot + 100000 * w->h.n, w->h.nchains);
		unsigned most = 1 + (unsigned)draw(w->x->seed, 22, lot, 8), k = 0;

		while (k < most && at[c] + k < n[c] && may_come(w, d, news[c][at[c] + k])) {
			/* What it names must be there before the whole piece. */
			k++;
		}
		if (k)
			take_in(w, node, c, &news[c][at[c]], k);
		at[c] += k;
	}
}

static bool
begins_alike(const struct order *a, const struct order *b, unsigned n)
{
	return b->n >= n && a->n >= n && memcmp(a->v, b->v, n * sizeof(a->v[0])) == 0;
}

/* It follows the primary, with the primary's data. */
static void
follow(struct world *w, unsigned node)
{
	struct node *d = &w->node[node];
	const struct node *p = &w->node[w->primary];

	if (d == p)
		return;
	if (!begins_alike(&d->has, &p->has, d->filled))
		empty(w, d);
	memcpy(&d->has, &p->has, sizeof(d->has));
	d->term = p->term;
}

static void
follow_all(struct world *w)
{
	for (unsigned i = 0; i < w->x->nodes; i++) {
		if (!w->node[i].cut)
			follow(w, i);
	}
}

static void
heal(struct world *w, unsigned node)
{
	struct node *d = &w->node[node];
	unsigned was = w->primary;

	if (!d->cut)
		return;
	d->cut = false;
	if (d->term > w->node[was].term)
		w->primary = node;
	merge(w, w->primary, &w->node[w->primary == node ? was : node]);
	follow_all(w);
}

static void
do_act(struct world *w, const struct act *x)
{
	if (x->who >= w->x->nodes)
		return;
	if (x->what == CUT) {
		follow_all(w);
		w->node[x->who].cut |= x->who != w->primary;
	} else if (x->what == HEAL) {
		follow_all(w);
		heal(w, x->who);
	} else {
		follow_all(w);
		do_event(w, x);
	}
}

/* ---- life ---- */

static void
reset(struct world *w, const struct a_case *x)
{
	while (w->h.n > w->begun)
		take_back(w);
	memset(w->named, 0, sizeof(w->named));
	w->x = x;
	w->h.nchains = NODES_MAX;
	w->h.refused[0] = w->h.undone[0] = '\0';
	w->primary = A;
	w->ids = 0;
	w->ticks = w->begun;
	w->done = false;
	for (unsigned i = 0; i < NODES_MAX; i++) {
		struct node *d = &w->node[i];

		empty(w, d);
		d->cut = false;
		d->chain = i;
		d->term = 1;
		d->has.n = w->begun;
	}
}

const struct history *
world_play(struct world *w, const struct a_case *x)
{
	reset(w, x);
	for (unsigned i = 0; i < x->n && !w->done; i++)
		do_act(w, &x->act[i]);
	for (unsigned i = 0; i < x->nodes && !w->done; i++)
		heal(w, i);
	memcpy(&w->h.order, &w->node[w->primary].has, sizeof(w->h.order));
	for (unsigned i = 0; i < NODES_MAX; i++)
		empty(w, &w->node[i]);
	return &w->h;
}

unsigned
world_begins_with(const struct world *w)
{
	return w->begun;
}

static void
begin(struct world *w)
{
	for (unsigned i = 0; i < ARRAY_LEN(beginning); i++) {
		struct uuid o = uuid_of(beginning[i].object);

		if (!make(w, A, beginning[i].kind, &o, 0, mem_dup(beginning[i].body)))
			abort();
	}
	for (unsigned i = 0; i < NODES_MAX; i++) {
		for (unsigned k = 0; k < w->h.n; k++)
			add_place(w, &w->node[i].has, k, false);
		fill(w, &w->node[i]);
		tables_do(w->node[i].t, "COMMIT");
		w->node[i].open = false;
	}
	if (w->done)
		abort();
	w->begun = w->h.n;
}

struct world *
world_new(struct pgtemp *pg)
{
	struct world *w = mem_new(sizeof(*w));

	for (unsigned i = 0; i < NODES_MAX; i++) {
		char text[UUID_STR_LEN];

		snprintf(text, sizeof(text), NODE "%x", 10 + i);
		w->h.chain[i] = uuid_of(text);
		w->node[i].t = tables_new(pg);
		w->node[i].chain = i;
	}
	begin(w);
	return w;
}

void
world_tidy(struct world *w)
{
	for (unsigned i = 0; i < NODES_MAX; i++)
		tables_tidy(w->node[i].t);
}

void
world_free(struct world *w)
{
	if (!w)
		return;
	w->begun = 0;
	while (w->h.n)
		take_back(w);
	for (unsigned i = 0; i < NODES_MAX; i++)
		tables_free(w->node[i].t);
	free(w);
}
