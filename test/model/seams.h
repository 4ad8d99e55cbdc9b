/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the agents and the world: shared by agents.c and seams.c. The linker leads the calls that src/agent makes into other modules to
 * seams.c (--wrap, meson.build): clocks, files, threads that ask databases and other nodes. What is pure stays the product's own.
 */
#pragma once

#include "agent/agent_impl.h"
#include "test/model/model.h"

/* What stands for a module's object. */
struct token {
	unsigned program, node;
};

struct seams {
	struct world *w;
	int64_t now_ms;
	struct token own[PROGRAMS_MAX];
	struct token probes[PROGRAMS_MAX][NODES_MAX];
	bool same_run[PROGRAMS_MAX]; /* as the page says to an agent that begins */
	bool shows;		     /* the status is wanted */
	struct buf status;
};

extern struct seams seams;

static inline struct program *
program_of(const void *token)
{
	return &seams.w->p[((const struct token *)token)->program];
}

void seams_id(unsigned node, struct uuid *ret) NONNULL;
unsigned seams_node(const struct uuid *id) NONNULL;  /* NOBODY */
unsigned seams_node_named(const char *name) NONNULL; /* NOBODY */
void seams_slot(unsigned node, char ret[static REPLICATION_SLOT_MAX]) NONNULL;
const char *seams_id_text(unsigned node);
void seams_epoch(const struct mepoch *e, struct epoch_claim *ret) NONNULL;
struct mepoch seams_mepoch(const struct epoch *e) NONNULL;
int64_t seams_ms(age a);
age seams_age(int64_t ms);
/* The program's database as a look at it has it. */
void seams_look(unsigned i, struct replication_view *ret) NONNULL;
