/* SPDX-License-Identifier: Apache-2.0
 *
 * H15: the tables are a function of the set of events. Histories of two and three nodes are drawn by lot, and each is applied in every way
 * that a merge can: in the order and the batches in which it happened; event by event; in larger and other batches; twice; the chains in
 * other orders; and in the order that a rebuild reads from the log. All must come to the same tables, which hold the conflicts too, and
 * these must keep the promises.
 *
 *   acts.c    what can be done (act.def)
 *   world.c   a case becomes a history: nodes, what each of them has, cuts, promotions and merges
 *   tables.c  a connection whose temporary tables are the derived ones: the product's statements fill them, and they are compared
 *   judge.c   the ways to apply a history, and what deviates
 *   promises.c  what must hold of the tables then
 *   main.c    cases, their shrinking, the table
 *
 * What is done is said by acts, of which each looks at what its node has; so a case with fewer acts is a case. All else that is drawn
 * (clocks, batches, orders) comes from its seed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/attr.h"
#include "base/uuid.h"
#include "ledger/ledger_impl.h"
#include "pgtemp.h"

#define NODES_MAX 3
#define CHAINS_MAX 12
#define EVENTS_MAX 400
#define ACTS_MAX 24
#define DEVIATIONS_MAX 64

enum { A, B, C };

/* ---- what can be done ---- */

enum act_name {
#define ACT(NAME, KIND, sql) NAME,
#include "test/merge/act.def"
#undef ACT
	ACTS
};

/* a: a user, b: a resource or an account, c: what of it. Each a small number. */
struct act {
	unsigned char who, what, a, b, c;
};

/* A line to be pasted into told.def is printed of it. */
struct a_case {
	const char *name; /* NULL: drawn */
	unsigned nodes;
	uint64_t seed;
	unsigned n;
	struct act act[ACTS_MAX];
};

const char *act_name(enum act_name what);
int act_kind(enum act_name what); /* of the event that it makes; 0: it makes none itself */
/* One row (object, body), or none where the node can do no such thing. The caller frees it. */
char *act_query(const struct act *x, const char *node, const char *id, int term) NONNULL MUST_USE;
/* Draws a case. */
void act_draw(uint64_t seed, unsigned nodes, struct a_case *ret) NONNULL;
/* A number below n, by lot: always the same of the same three. */
uint64_t draw(uint64_t seed, uint64_t what, uint64_t of, uint64_t n);

/* ---- tables ---- */

struct tables;

/* Empty ones, of which `event` is one. */
struct tables *tables_new(struct pgtemp *pg) NONNULL MUST_USE;
void tables_free(struct tables *t); /* takes NULL */
void tables_tidy(struct tables *t)
	NONNULL; /* now and then, outside a transaction: what was rolled back goes */
/* A statement of the test's own. */
void tables_do(struct tables *t, const char *sql) NONNULL;
/* The first row's two columns, freed by the caller; false: there is no row, or a NULL in it. */
bool tables_ask(struct tables *t, const char *sql, char **ret_a, char **ret_b) NONNULL;
/* Runs the steps in the open transaction, all or nothing, and lets go of them. false: the tables refuse them, why. */
bool tables_run(struct tables *t, struct ledger_steps *s, char why[static 64]) NONNULL;
/* All rows, a line for each column: table, key, column, value, separated by tabs; sorted. The caller frees it. */
char *tables_dump(struct tables *t) NONNULL MUST_USE;

/* ---- histories ---- */

struct made {
	struct event ev; /* its body belongs to this */
	unsigned chain;
	int64_t knew[CHAINS_MAX]; /* how far its node had each of the others then */
};

/* One of them, as it was applied somewhere. */
struct place {
	unsigned made;
	bool joins; /* in one batch with the one before it */
};

struct order {
	struct place v[EVENTS_MAX];
	unsigned n;
};

struct history {
	struct made made[EVENTS_MAX];
	unsigned n;
	unsigned nchains;
	struct uuid chain[CHAINS_MAX];
	struct order order; /* in which the last primary has them */
	char refused[128];  /* a merge that the tables refused, as "kind: why"; "" */
	char undone[64]; /* what was done somewhere and did not count there, as "what: kind"; "" */
};

struct world;

struct world *world_new(struct pgtemp *pg) NONNULL MUST_USE;
void world_free(struct world *w);	  /* takes NULL */
void world_tidy(struct world *w) NONNULL; /* now and then, as tables_tidy */
/* What all cases begin with is in `order` too. The history is the world's, until the next one. */
const struct history *world_play(struct world *w, const struct a_case *x) NONNULL;
/* What all cases begin with; its events come first in each history. */
unsigned world_begins_with(const struct world *w) NONNULL;

/* ---- judging ---- */

/* WAY(NAME, text) */
#define WAYS(WAY)                                                                                  \
	WAY(CUTS, "other batches")                                                                 \
	WAY(TWICE, "each batch twice")                                                             \
	WAY(AGAIN, "all of it a second time")                                                      \
	WAY(ORDERS, "the chains in another order, what was seen first")                            \
	WAY(LATE, "the chains in another order, also before what they had seen")                   \
	WAY(REBUILT, "in the order that the log proves")                                           \
	WAY(REFUSED, "a merge that the tables refuse")                                             \
	WAY(UNDONE, "what is done on a node does not count there")                                 \
	WAY(LOST, "what was made is in no table")                                                  \
	WAY(EMPTIED, "the bin took what was brought back apart from that")                         \
	WAY(UNHELD, "a version counts that had to wait, or was declined")                          \
	WAY(GRANTED, "what was withdrawn is there, and nobody who knew of that gave it again")     \
	WAY(CHOSEN, "two versions made upon the same one are no conflict")                         \
	WAY(REACH, "users reach what nobody gave them, or not what was given")                     \
	WAY(SILENT, "a word was lost that is not listed as lost")                                  \
	WAY(GOES_ON, "a session goes on that began without knowing of an ending")

enum way {
#define WAY(NAME, text) NAME,
	WAYS(WAY)
#undef WAY
		WAYS_N
};

struct deviation {
	enum way way;
	char where[64]; /* "table.column", or "table.*" where a row is missing */
	char example[512];
};

struct verdict {
	unsigned n;
	struct deviation v[DEVIATIONS_MAX]; /* each way and place once */
};

struct judge;

struct judge *judge_new(struct pgtemp *pg, struct world *w) NONNULL MUST_USE;
void judge_free(struct judge *j); /* takes NULL */
void judge_case(struct judge *j, const struct a_case *x, struct verdict *ret) NONNULL;
void judge_tidy(struct judge *j) NONNULL; /* now and then, as tables_tidy */
const char *judge_way(enum way way);

/* ---- promises ---- */

/* That what `m` did is not so in the tables. */
typedef void promises_broken(void *ctx, enum way how, const char *where, const struct made *m);

/* One row (what, who and where) if users reach anything but what the shares, teams and folders of the tables give, worked out plainly. */
extern const char promises_reach[];

/* Holds a dump against what happened, from event `from` on. */
void promises_check(const struct history *h, unsigned from, const char *dump,
		    promises_broken *broken, void *ctx) NONNULL;
