/* SPDX-License-Identifier: Apache-2.0
 *
 * The model checker (H10, H13, H14): the product's own agents, with its own table of states, in a world that is modelled: machines, links,
 * databases, journals. world.c is that world and nothing but facts; nature.c moves it on by what nodes and PostgreSQL do without deciding
 * anything; seams.c takes the place of the modules by which an agent sees and changes the world; agents.c runs src/agent in it; acts.c has
 * what befalls it; judge.c what must hold; search.c goes through all of it breadth-first. docs/testing.md says what is left out.
 *
 * One thread. A world is plain bytes without pointers: two are equal when their bytes are.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/attr.h"
#include "base/state.h"

#define NODES_MAX 3
#define PROGRAMS_MAX 4 /* one more than nodes: a second program of one of them */
#define SEGS_MAX 40
#define LINES_MAX 12
#define NOBODY 0xff

/* ---- time ---- */

#define UNIT_MS 500 /* ages are counted in it */
#define AGE_MAX                                                                                    \
	150 /* older than every limit that the product has: from then on only what came first matters */
#define ROUND 3 /* units of the shortest round */

typedef uint16_t age; /* 0: never; else units + 1 */

/* ---- events ---- */

/* Where copies of events are, in each home. */
enum place { IN_LOG, IN_JOURNAL, IN_COPY /* a copy beside */, IN_ASIDE, PLACES };

static inline uint16_t
at(unsigned program, enum place p)
{
	return (uint16_t)(1u << (program * PLACES + p));
}

enum seg_kind { SEG_DATA, SEG_PROMOTED, SEG_HANDOVER, SEG_REMOVED };

/* Events of one chain, next to each other, that are in the same places. */
struct seg {
	uint16_t in;
	uint8_t node, inc; /* its chain; inc 0: the one of the node's own id */
	uint8_t pos;	   /* in the chain; two of one place are two hashes for one number */
	uint8_t kind;
	uint8_t term, about; /* PROMOTED, HANDOVER, REMOVED */
	uint8_t drawn;	     /* PROMOTED */
	bool acked;	     /* somebody was told that it is kept */
	bool first;	     /* of the beginning: what a disk has that is put back */
};

/* ---- a node's program ---- */

struct mepoch {
	uint8_t counter, node; /* counter 0: none */
	uint8_t drawn;	       /* by the program that began it: its number + 1; 0: nothing */
};

/* Below, at or above 0, as base/epoch.h. */
static inline int
mepoch_cmp(struct mepoch a, struct mepoch b)
{
	return a.counter != b.counter ? a.counter - b.counter
	       : a.node != b.node     ? a.node - b.node
				      : a.drawn - b.drawn;
}

struct database {
	bool there, standby;
	uint8_t line, pos; /* of WAL */
	uint8_t follows;   /* a node; NOBODY */
	bool raw;	   /* as the copy was made to, without a comparison */
};

/* Of another node, as a program sees it. */
struct sight {
	uint8_t last; /* enum probe_outcome */
	bool ok, kept;
	uint8_t state; /* that it said last; HA_STATE_COUNT: nothing yet */
	bool primary;  /* it said that it serves as one */
	struct mepoch named, told;
	uint8_t term, twice; /* a node that it hears twice */
	bool rows;
	/* its history */
	uint8_t all, self, self_one, other, other_one;
};

struct ages {
	age ok_since, bad_since, answer, unanswered, reply;
	age asked, failed, behind;
	age streams; /* to this program: since when; from its database */
};

enum task_phase { TASK_NONE, TASK_WORKING, TASK_COPYING, TASK_DONE, TASK_FAILED };

enum agent_time {
	T_STATE,
	T_TASK,
	T_STREAMED,
	T_HANDING_SEEN,
	T_CLAIMED,
	T_BEGAN,
	T_OPENED,
	T_CLOSED,
	T_REJOINED,
	T_RECONCILED,
	T_REPLAYED,
	T_IN_STEP,
	T_RELAPSED,
	AGENT_TIMES
};
#define AGENT_FLAGS 8

/* What is in its home and what its agent has in mind. */
struct program {
	bool exists;
	uint8_t node;
	bool powered, on;
	bool agent;	/* it runs */
	bool stopped;	/* PostgreSQL is, for `rejoin` */
	bool rewinding; /* its database is no whole one at the moment */
	/* home */
	struct database db, copy; /* copy: beside */
	uint8_t rejoin;		  /* enum rejoin_way + 1; 0: none waits */
	uint8_t rejoin_to;
	bool copying, emergency;
	struct mepoch known, next, known_disk, next_disk;
	uint8_t loss, loss_disk; /* by whom, + 1 */
	bool loss_parted;
	uint8_t state;
	/* as the last look at the database has it */
	uint8_t term, top, drawn, order_term, order_node, table;
	bool looked_standby;
	/* the agent */
	bool secondary, flags[AGENT_FLAGS];
	uint8_t order, order_to, relapses, proofs;
	uint8_t task, task_to, phase;
	bool task_logged;
	uint8_t task_epoch;
	/* what it last told its threads */
	bool sync_wanted, sync_set, contends, deposits;
	uint8_t deposit_to, chain_end, inc, tell_mask;
	struct mepoch tell, page;
	uint8_t page_term;
	bool ever_proved;
	uint8_t hears_twice; /* a node */
	struct sight sees[NODES_MAX];
	struct {
		age agent[AGENT_TIMES], quorum, step, receives, slot, looked, rejoining;
		struct ages of[NODES_MAX];
	} t;
};

struct link {
	bool web, channel; /* who is named first may connect to the other's port */
};

struct line {
	bool used;
	uint8_t parent, at; /* of WAL: where it began */
};

struct world {
	uint8_t nodes, segs_n;
	struct link link[NODES_MAX][NODES_MAX];
	struct program p[PROGRAMS_MAX];
	struct line line[LINES_MAX];
	struct seg seg[SEGS_MAX];
	uint8_t lost, forked; /* broken on the way */
};

/* ---- world.c ---- */

void world_begin(struct world *w, unsigned nodes) NONNULL;
void world_clear_age(struct world *w) NONNULL; /* for comparing without ages */
void world_grow_older(struct world *w, unsigned units) NONNULL;
void world_tidy(struct world *w) NONNULL; /* of its events, while agents run */
void world_canonical(struct world *w) NONNULL;
void world_print(const struct world *w, FILE *out) NONNULL;
const char *node_name(unsigned node);

/* The program that the node's name leads to; PROGRAMS_MAX: no machine answers to it. */
unsigned program_named(const struct world *w, unsigned node) NONNULL;
bool database_is_up(const struct program *p) NONNULL;
/* A connection can be made now, to the web port's machine or to the database. */
bool reaches_web(const struct world *w, unsigned from, unsigned node) NONNULL;
bool reaches_channel(const struct world *w, unsigned from, unsigned node) NONNULL;

/* Appends to a chain, or notes that its number was taken; false: no room. */
void seg_add(struct world *w, unsigned program, enum place p, unsigned inc, enum seg_kind kind,
	     unsigned term, unsigned about, bool acked) NONNULL;
/* Two events for one number, one in each of these places. */
bool segs_part(const struct world *w, uint16_t a, uint16_t b) NONNULL;
void segs_copy(struct world *w, uint16_t from, uint16_t to) NONNULL;
/* From now on nothing is there. excused: by what befell the disk, not by the product. */
void segs_drop(struct world *w, uint16_t where, bool excused) NONNULL;
bool segs_within(const struct world *w, uint16_t a, uint16_t b) NONNULL; /* all of a is in b */
bool wal_follows(const struct world *w, const struct database *d,
		 const struct database *of) NONNULL;
void look_at_log(struct world *w, struct program *p) NONNULL;

/* ---- nature.c ---- */

void nature_round(struct world *w) NONNULL;
/* What the vault of a program writes into its log, if it may. */
void nature_write(struct world *w, unsigned i, enum seg_kind kind, unsigned term,
		  unsigned about) NONNULL;
void program_start(struct world *w, unsigned i) NONNULL;
void program_end(struct world *w, unsigned i) NONNULL;
/* Whether something is under way at which an interruption matters. */
bool nature_is_midway(const struct world *w) NONNULL;

/* ---- agents.c ---- */

/* The world whose programs' agents run; all that follows is about it. */
void agents_load(struct world *w) NONNULL;
void agents_begin(unsigned i, bool same_run);
void agents_tick(void);
void agents_advance(unsigned units); /* the clock */
void agents_save(void);
int agents_order(unsigned i, const char *verb, const char *arg);
const char *agents_status(unsigned i); /* JSON, borrowed until the next call */
bool agents_reigns(const struct program *p) NONNULL;

/* ---- acts.c ---- */

/* What befalls the world; its number and its two arguments are its name. */
struct act {
	uint8_t kind, a, b;
};

#define ACTS_MAX 128
/* Those that make sense now. midway: of those that interrupt. */
unsigned acts_list(const struct world *w, bool midway, bool few,
		   struct act ret[static ACTS_MAX]) NONNULL;
/* false: nothing comes of it. The world is loaded. */
bool act_do(struct world *w, const struct act *a) NONNULL;
/* Whether an order led where it says, once the world is at rest. */
bool act_led(const struct world *w, const struct act *a) NONNULL;
void act_print(const struct world *w, const struct act *a, FILE *out) NONNULL;
/* Everything that befell it is over; what was done stays done. stop: of two programs of a node the one that ends, 0 or 1. */
void act_heal(struct world *w, unsigned stop) NONNULL;
bool act_has_double(const struct world *w) NONNULL;

/* Why a path with such acts (bits of their kinds) is known to break that; NULL: it is not. */
const char *act_is_known(const struct world *w, unsigned invariant, unsigned kinds) NONNULL;

/* ---- judge.c ---- */

enum invariant {
	COMES_TO_REST,
	NO_DEAD_END,
	ONE_PRIMARY,
	NO_LOWER_EPOCH,
	NO_OWN_LATER,
	NO_UNASKED_EMERGENCY,
	ACCESS,
	NO_STANDSTILL,
	ORDERS_LEAD,
	NOTHING_LOST,
	NO_FORK,
	INVARIANTS
};
const char *invariant_name(enum invariant i);
const char *invariant_text(enum invariant i);
/* The world is quiet. Bits of those that are broken; ret_why: in a few words. */
unsigned judge(const struct world *w) NONNULL;
/* Everything is as it should be: one primary, which all others follow. */
bool judge_is_well(const struct world *w) NONNULL;
/* A world after everything is healed has a way to being well; ret_verbs: those of the statuses that lead there. */
bool judge_has_way_out(const struct world *w, char *ret_verbs, size_t room) NONNULL;

/* ---- search.c ---- */

/* Runs until nothing changes any more; on_change (may be NULL) is called whenever something did. */
typedef void change_fn(void *ctx, const struct world *w);
bool run_quiet(struct world *w, change_fn *on_change, void *ctx);

struct result {
	uint64_t states, transitions, depth_states[16], restless;
	uint64_t broken[INVARIANTS], known[INVARIANTS];
	unsigned depth;
	bool whole; /* it did not run out of memory or time */
};
struct search_options {
	unsigned nodes, acts, middle /* acts whose middle is looked at too */;
	bool few;		/* only what is most common befalls them */
	bool first;		/* ends at the first that is broken */
	int64_t seconds, bytes; /* 0: without end */
	unsigned show; /* so many paths of each invariant are printed, and of what is known */
};
void search(const struct search_options *o, struct result *ret) NONNULL;

/* Breaks the product on purpose: the rule of the table with that number is left out; -1: none. */
extern int model_without_rule;
extern unsigned model_fault;
enum { FAULT_NONE, FAULT_EPOCHS_UNTOLD, FAULT_FOLLOWS_BLINDLY, FAULT_OVERWRITES, MODEL_FAULTS };
