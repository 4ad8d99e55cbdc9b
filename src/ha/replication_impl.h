/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the replication share; nobody else includes this.
 *   replication.c       what the agent calls
 *   replication_knock.c the thread that knocks
 *   replication_look.c  the thread that looks
 *   replication_set.c   the thread that sets
 *   replication_roles.c what other nodes' roles hold, minded by that thread
 *   replication_step.c  the arithmetic of "in step"
 */
#pragma once

#include "base/attr.h"
#include "base/worker.h"
#include "ha/replication.h"
#include "store/db.h"

#define REPLICATION_SLOT_PREFIX "hf_"

struct replication_members {
	unsigned n;
	char name[REPLICATION_NODES_MAX][REPLICATION_NAME_MAX];
};

struct replication {
	struct worker worker; /* three threads: one looks, one sets, one knocks */
	struct home home;
	char *conninfo;
	struct uuid self;
	struct replication_view view;
	char wanted[REPLICATION_NAMES_MAX];
	char follow[REPLICATION_CONNINFO_MAX];
	unsigned proofs_n;
	struct replication_proof proofs[REPLICATION_NODES_MAX];
	/* Who may connect over the channel, as last written. */
	struct replication_members mapped;
	int64_t tended_ms, followed_ms, minded_ms;
	int64_t shut_ms; /* since when the server has let nobody in, 0: it does */
	char shut_why[256];
	bool wish; /* anything was ever asked for */
	struct {
		int kind; /* 0: nothing to ask */
		struct uuid object;
		char *body;
	} request;
	struct {
		int kind; /* 0: nothing to withdraw */
		struct uuid object;
		enum replication_fate fate; /* once kind is 0 again */
	} withdrawal;
};

/* A connection of one of the threads; NULL: there is none. */
struct db *replication_connect(const struct replication *r, const char *application,
			       struct err *e) NONNULL MUST_USE;

/* Whether it streams and has what this log has. A position that this log has not reached yet
 * belongs to another log. */
bool replication_is_proven(const struct replication_view *v,
			   const struct replication_standby *s) NONNULL;
/* The furthest flushed LSN of a proven standby, -1 when there is none. */
int64_t replication_best_flush(const struct replication_view *v) NONNULL;

/* Takes back what the roles of the channel said of themselves, which a primary alone can write, and ends their sessions that
 * hold on to something. */
int replication_mind_roles(struct db *db, bool primary, struct err *e) NONNULL MUST_USE;

/* Each starts its thread. */
void replication_start_looks(struct replication *r) NONNULL;
void replication_start_orders(struct replication *r) NONNULL;
void replication_start_knocks(struct replication *r) NONNULL;
