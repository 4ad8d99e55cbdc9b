/* SPDX-License-Identifier: Apache-2.0
 *
 * The witness: each node remembers, outside its database (data/witness), where the chains of all nodes ended that it has seen there.
 * A database that is cut, rewound or replaced does not make it forget. What is remembered must still be there with the same
 * hash; if it is not, and nothing that is on its way explains it, that is an alarm until an administrator accepts it. A thread of
 * its own looks and writes; comparing is pure. docs/audit.md says which histories are no alarm, and why.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/home.h"
#include "base/uuid.h"

#define WITNESS_CHAINS_MAX 64
#define WITNESS_NODES_MAX 9
#define WITNESS_HASH_BYTES 32
#define WITNESS_PATIENCE_MS 4000 /* a fault must hold for so long, all chains being home */

enum witness_fault { WITNESS_FINE, WITNESS_SHRUNK, WITNESS_FORKED };

/* What is remembered of one node's chain. */
struct witness_chain {
	struct uuid node;
	int64_t seq; /* 0: nothing yet */
	uint8_t hash[WITNESS_HASH_BYTES];
	enum witness_fault alarm; /* raised, and not accepted yet */
	uint8_t found[WITNESS_HASH_BYTES];
	int64_t accepts; /* acceptances that the log had when the fault was seen first */
	bool told;	 /* the alarm is in the log, or asked for */
	/* not kept */
	enum witness_fault seen;
	int64_t since_ms; /* since when it is seen with all at home, 0: not */
};

struct witness_memory {
	unsigned n;
	struct witness_chain chains[WITNESS_CHAINS_MAX];
};

/* What the database has of that chain now. */
struct witness_found {
	bool there; /* the remembered event */
	uint8_t hash[WITNESS_HASH_BYTES];
	int64_t head_seq; /* 0: no event at all */
	uint8_t head_hash[WITNESS_HASH_BYTES];
	int64_t accepts;
};

enum witness_turn { WITNESS_SAME, WITNESS_MOVED, WITNESS_RAISED, WITNESS_ENDED };

/* One look. home: whatever belongs to this chain is in the pair's database, nothing is on its way. MOVED: the memory follows the
 * chain. ENDED: an alarm was accepted, or what was remembered is back. */
enum witness_turn witness_note(struct witness_chain *c, const struct witness_found *f, bool home,
			       int64_t now_ms) NONNULL;

/* The file. Reading fails with ERR_NOT_FOUND when there is none and ERR_IO when it cannot be read or is damaged. */
int witness_read(const char *path, struct witness_memory *ret, struct err *e) NONNULL MUST_USE;
int witness_write(const char *path, const struct witness_memory *m, struct err *e) NONNULL MUST_USE;
/* Begins a new home's memory: empty. A node that starts without the file says so loudly. */
int witness_begin(const struct home *h, struct err *e) NONNULL MUST_USE;

/* ---- the thread ---- */

/* What it is told: whether this node is in a state in which the database is what it will stay, and whose events are all home. A
 * chain of a node that is not named here is: nobody will bring anything. */
struct witness_facts {
	bool settled, primary;
	unsigned n;
	struct {
		struct uuid id;
		bool home;
	} nodes[WITNESS_NODES_MAX];
};

struct witness_view {
	bool shrunk, forked;
	char detail[200]; /* of the first alarm */
};

/* What is to be put into the log. */
struct witness_news {
	const char *what; /* "shrunk", "forked", "lost" */
	struct uuid node; /* whose chain; of "lost": this node */
	int64_t seq;
	char remembered[2 * WITNESS_HASH_BYTES + 1], found[2 * WITNESS_HASH_BYTES + 1];
};

struct witness;

/* conninfo: of the superuser on the unix socket. */
struct witness *witness_new(const struct home *h, const struct uuid *self,
			    const char *conninfo) NONNULL MUST_USE;
void witness_tell(struct witness *w, const struct witness_facts *f) NONNULL;
void witness_look(struct witness *w, struct witness_view *ret) NONNULL;
/* Secondary: what the primary is to be asked to log. false: nothing. Call witness_told when it was. */
bool witness_next(struct witness *w, struct witness_news *ret) NONNULL;
void witness_told(struct witness *w, const struct witness_news *n) NONNULL;
