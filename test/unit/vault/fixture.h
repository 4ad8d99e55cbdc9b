/* SPDX-License-Identifier: Apache-2.0
 *
 * A vault on a scratch PostgreSQL and a keyring of its own in a forked process, which keeps its end
 * mark in a file: everything real but the other processes of the node. fixture_run runs a function
 * in a fiber until it returns.
 */
#pragma once

#include <uv.h>
#include "base/statepage.h"
#include "pgtemp.h"
#include "vault/lists.h"
#include "vault/session.h"
#include "vault/vault.h"

#define FIXTURE_NODE_A "0190a000-0000-7000-8000-00000000000a"
#define FIXTURE_NODE_B "0190b000-0000-7000-8000-00000000000b"
#define FIXTURE_ANN "0190c000-0000-7000-8000-0000000000a1"
#define FIXTURE_BEN "0190c000-0000-7000-8000-0000000000b1"

struct fixture_seen {
	size_t n;
	int kinds[65536]; /* what on_durable was told */
};

struct fixture {
	struct pgtemp *pg;
	char dir[256];
	char keyfile[300], journal[300], anchor[300], state[300];
	pid_t keyd;
	char role; /* of who asks keyd; 0: vaultd */
	uv_loop_t loop;
	struct settings settings;
	struct statepage *statepage_writer;
	const char *run; /* of the node; NULL: it is not known */
	struct vault v;
	struct db *writer;
	struct db *list[LISTS_CONNECTIONS_MAX];
	struct fixture_seen seen;
};

/* A migrated database, a master key, an open vault in state SINGLE with its sessions and data key. */
struct fixture *fixture_new(void);
void fixture_free(struct fixture *x);

/* Ends the vault's side (as a stop of vaultd does) and begins it again as this node. */
void fixture_close(struct fixture *x);
void fixture_open(struct fixture *x, const char *node);
/* Makes a state page if there is none and writes the state. */
void fixture_state(struct fixture *x, enum ha_state s, bool both);
/* A keyd of its own for a blocking or second client. */
int fixture_keyd(struct fixture *x, pid_t *ret);

typedef void fixture_fn(struct fixture *x, struct fiber *f, void *arg);
void fixture_run(struct fixture *x, fixture_fn *fn, void *arg);
/* Many at once; each gets the same arg. Returns when all have ended. */
void fixture_run_many(struct fixture *x, fixture_fn *fn, void *arg, unsigned n);
/* Inside a fiber. */
void fixture_append(struct fixture *x, struct fiber *f, enum event_kind kind,
		    const struct uuid *object, const char *body); /* aborts when it is refused */
void fixture_change(struct fixture *x, struct fiber *f,
		    void *unused); /* a user of another name is created */
void fixture_pause(struct fixture *x, struct fiber *f, unsigned ms);

/* As superuser. Both: events by name, as in src/store/query: WHERE kind = :RETRIEVED. */
void fixture_sql(struct fixture *x, const char *sql);
/* Two users, ann and ben, who cannot log in. */
void fixture_people(struct fixture *x);
/* One number from the database. */
int64_t fixture_count(struct fixture *x, const char *sql);

/* Puts rows of the node's journal behind `after` into the inbox, as its agent does. */
void fixture_deposit(struct fixture *x, const char *journal, const char *node, int64_t after,
		     size_t max);
