/* SPDX-License-Identifier: Apache-2.0
 *
 * merge: histories by lot, each applied in every way, and a table of what deviates.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "base/clock.h"
#include "base/mem.h"
#include "ledger/event.h"
#include "test/merge/merge.h"

static const char usage[] =
	"merge: whether the tables are a function of the set of events\n"
	"\n"
	"  merge [--cases N] [--seed S] …\n"
	"\n"
	"  --cases N  so many cases (200), half with two nodes and half with three\n"
	"  --seed S   the first one's seed (1); each further one's is one more\n"
	"  --show N   so many cases of what deviates, made small (3)\n"
	"\n"
	"Exit code 1 when something deviates, 2 for wrong usage.\n";

#define KINDS_MAX 256
#define TIDY_EVERY 200

/* How often each has been seen. */
struct tally {
	unsigned n;
	struct {
		enum way way;
		char where[64];
		unsigned cases;
	} v[KINDS_MAX];
};

struct run {
	struct pgtemp *pg;
	struct world *w;
	struct judge *j;
	struct tally tally;
	unsigned cases, show;
};

static const struct a_case told[] = {
#define TOLD(name, nodes, seed, ...)                                                               \
	{ name,                                                                                    \
	  nodes,                                                                                   \
	  seed,                                                                                    \
	  sizeof((struct act[]){ __VA_ARGS__ }) / sizeof(struct act),                              \
	  { __VA_ARGS__ } },
#include "test/merge/told.def"
#undef TOLD
	{ 0 },
};

/* ---- making it small ---- */

static bool
still_deviates(struct judge *j, const struct a_case *x, const struct deviation *d)
{
	struct verdict v;

	judge_case(j, x, &v);
	for (unsigned i = 0; i < v.n; i++) {
		if (v.v[i].way == d->way && !strcmp(v.v[i].where, d->where))
			return true;
	}
	return false;
}

static void
leave_out(struct a_case *x, unsigned i)
{
	memmove(&x->act[i], &x->act[i + 1], (x->n - i - 1) * sizeof(x->act[0]));
	x->n--;
}

/* Leaves out one act after the other, for as long as it still deviates so. */
static struct a_case
shrink(struct judge *j, const struct a_case *x, const struct deviation *d)
{
	struct a_case small = *x, smaller;
	bool again = true;

	while (again) {
		again = false;
		for (unsigned i = small.n; i-- > 0;) {
			smaller = small;
			leave_out(&smaller, i);
			if (!still_deviates(j, &smaller, d))
				continue;
			small = smaller;
			again = true;
		}
	}
	return small;
}

/* ---- saying it ---- */

static void
print_case(const struct a_case *x, const struct deviation *d)
{
	printf("TOLD(\"%s: %s\", %u, %lluu", judge_way(d->way), d->where, x->nodes,
	       (unsigned long long)x->seed);
	for (unsigned i = 0; i < x->n; i++)
		printf(",\n     { %c, %s, %u, %u, %u }", 'A' + x->act[i].who,
		       act_name((enum act_name)x->act[i].what), x->act[i].a, x->act[i].b,
		       x->act[i].c);
	printf(")\n");
}

static void
print_history(const struct history *h, unsigned from)
{
	for (unsigned i = from; i < h->order.n; i++) {
		const struct event *ev = &h->made[h->order.v[i].made].ev;
		char chain[UUID_STR_LEN], object[UUID_STR_LEN];

		uuid_str(&ev->node, chain);
		uuid_str(&ev->object, object);
		printf("  %c %s %3lld %-18s …%s %s\n", h->order.v[i].joins ? '+' : ' ', chain + 33,
		       (long long)ev->seq, event_name((int)ev->kind), object + 32, ev->body);
	}
}

static void
show(struct run *r, const struct a_case *x, const struct deviation *d)
{
	struct a_case small = shrink(r->j, x, d);
	struct verdict v;

	printf("%s: %s\n", judge_way(d->way), d->where);
	print_case(&small, d);
	judge_case(r->j, &small, &v);
	print_history(world_play(r->w, &small), world_begins_with(r->w));
	for (unsigned i = 0; i < v.n; i++)
		printf("  -> %s: %s %s\n", judge_way(v.v[i].way), v.v[i].where, v.v[i].example);
	fflush(stdout);
}

/* Whether that is the first of its kind. */
static bool
count(struct tally *t, const struct deviation *d)
{
	unsigned i = 0;

	while (i < t->n && (t->v[i].way != d->way || strcmp(t->v[i].where, d->where)))
		i++;
	if (i == KINDS_MAX)
		abort();
	if (i == t->n) {
		t->v[t->n].way = d->way;
		memcpy(t->v[t->n++].where, d->where, sizeof(d->where));
	}
	return t->v[i].cases++ == 0;
}

static void
run_case(struct run *r, const struct a_case *x)
{
	struct verdict v;

	judge_case(r->j, x, &v);
	for (unsigned i = 0; i < v.n; i++) {
		if (!count(&r->tally, &v.v[i]) || !r->show)
			continue;
		r->show--;
		show(r, x, &v.v[i]);
	}
	if (++r->cases % TIDY_EVERY == 0)
		judge_tidy(r->j);
}

static double
cpu_s(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
print_table(const struct run *r, double seconds)
{
	for (unsigned i = 0; i < r->tally.n; i++)
		printf("DEVIATES %6u  %s: %s\n", r->tally.v[i].cases, judge_way(r->tally.v[i].way),
		       r->tally.v[i].where);
	printf("%u cases, %.1f a second; %u kinds of deviation\n", r->cases, r->cases / seconds,
	       r->tally.n);
}

/* ---- every kind ---- */

/* Made by what happens to nodes, not by an act. */
static bool
comes_by_itself(int kind)
{
	return kind == EVENT_SEEN || kind == EVENT_MERGED;
}

/* How many kinds of events that change tables no act makes. */
static unsigned
kinds_without_act(void)
{
	unsigned without = 0;
	int kind;

	for (size_t i = 0; (kind = event_kind_at(i)) != 0; i++) {
		bool found = comes_by_itself(kind) || event_apply_stmt(kind) < 0;

		for (unsigned k = 0; !found && k < ACTS; k++)
			found = act_kind((enum act_name)k) == kind;
		if (!found)
			printf("act.def needs an act that makes an event %s\n", event_name(kind));
		without += !found;
	}
	return without;
}

/* ---- the command line ---- */

static const struct option options[] = {
	{ "cases", required_argument, NULL, 'c' },
	{ "seed", required_argument, NULL, 's' },
	{ "show", required_argument, NULL, 'w' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static uint64_t
number(const char *text)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (*end || end == text) {
		fprintf(stderr, "a number is needed, not \"%s\"\n", text);
		exit(2);
	}
	return n;
}

static void
run_all(struct run *r, uint64_t seed, uint64_t cases)
{
	struct a_case x;

	r->pg = pgtemp_new();
	pgtemp_migrate(r->pg);
	r->w = world_new(r->pg);
	r->j = judge_new(r->pg, r->w);
	for (unsigned i = 0; told[i].n; i++)
		run_case(r, &told[i]);
	for (uint64_t i = 0; i < cases; i++) {
		act_draw(seed + i, 2 + (unsigned)((seed + i) % 2), &x);
		run_case(r, &x);
	}
	judge_free(r->j);
	world_free(r->w);
	pgtemp_free(r->pg);
}

int
main(int argc, char **argv)
{
	struct run r = { .show = 3 };
	uint64_t cases = 200, seed = 1;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			cases = number(optarg);
			break;
		case 's':
			seed = number(optarg);
			break;
		case 'w':
			r.show = (unsigned)number(optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (kinds_without_act())
		return 1;
	if (!pgtemp_have())
		return PGTEMP_SKIP;
	int64_t began = clock_mono_ms();
	run_all(&r, seed, cases);
	print_table(&r, (double)(clock_mono_ms() - began + 1) / 1000);
	printf("CPU: %.1f s here, %.1f s of PostgreSQL\n", cpu_s(RUSAGE_SELF),
	       cpu_s(RUSAGE_CHILDREN));
	return r.tally.n ? 1 : 0;
}
