/* SPDX-License-Identifier: Apache-2.0
 *
 * The chain memory: each node remembers, outside its database (data/witness), where it has seen the
 * chains of all nodes end. Cutting, rewinding or replacing the database does not make it forget.
 * What is remembered must still be there with the same hash; if not, and nothing in transit
 * explains it, that raises an alarm until an administrator accepts it. A thread of its own reads
 * and writes; comparing is pure. docs/audit.md says which histories raise no alarm, and why.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/home.h"
#include "base/uuid.h"

#define CHAIN_MEMORY_CHAINS_MAX 512
#define CHAIN_MEMORY_NODES_MAX 9
#define CHAIN_MEMORY_HASH_BYTES 32
#define CHAIN_MEMORY_PATIENCE_MS 4000 /* a fault must persist this long, with all chains home */

enum chain_memory_fault { CHAIN_MEMORY_FINE, CHAIN_MEMORY_SHRUNK, CHAIN_MEMORY_FORKED };

/* What is remembered of one node's chain. */
struct chain_memory_head {
	struct uuid node;
	int64_t seq; /* 0: nothing yet */
	uint8_t hash[CHAIN_MEMORY_HASH_BYTES];
	enum chain_memory_fault alarm; /* raised, and not accepted yet */
	uint8_t found[CHAIN_MEMORY_HASH_BYTES];
	int64_t accepts; /* acceptances in the log when the fault was first seen */
	bool told;	 /* the alarm is in the log, or asked for */
	/* not kept */
	enum chain_memory_fault seen;
	int64_t since_ms; /* since when it is seen with all home, 0: not */
};

struct chain_memory_heads {
	unsigned n;
	struct chain_memory_head chains[CHAIN_MEMORY_CHAINS_MAX];
};

/* What the database now has of that chain. */
struct chain_memory_found {
	bool there; /* the remembered event */
	uint8_t hash[CHAIN_MEMORY_HASH_BYTES];
	int64_t head_seq; /* 0: no event at all */
	uint8_t head_hash[CHAIN_MEMORY_HASH_BYTES];
	int64_t accepts;
};

enum chain_memory_turn {
	CHAIN_MEMORY_SAME,
	CHAIN_MEMORY_MOVED,
	CHAIN_MEMORY_RAISED,
	CHAIN_MEMORY_ENDED
};

/* One look. home: everything of this chain is in the pair's database, nothing is in transit. MOVED:
 * the memory follows the chain. ENDED: an alarm was accepted, or what was remembered is back. */
enum chain_memory_turn chain_memory_note(struct chain_memory_head *c,
					 const struct chain_memory_found *f, bool home,
					 int64_t now_ms) NONNULL;

/* The file. Reading fails with ERR_NOT_FOUND if there is none and ERR_IO if it is unreadable or damaged. */
int chain_memory_read(const char *path, struct chain_memory_heads *ret,
		      struct err *e) NONNULL MUST_USE;
int chain_memory_write(const char *path, const struct chain_memory_heads *m,
		       struct err *e) NONNULL MUST_USE;
/* Begins a new home's memory: empty. A node that starts without the file says so loudly. */
int chain_memory_begin(const struct home *h, struct err *e) NONNULL MUST_USE;

/* ---- the thread ---- */

/* What it is told: whether this node is in a state in which the database is final, and whose events
 * are all home. A chain of a node not named here counts as home: nobody will bring anything. */
struct chain_memory_facts {
	bool settled, primary;
	int schema; /* of the database; 0: not known */
	unsigned n;
	struct {
		struct uuid id;
		bool home;
	} nodes[CHAIN_MEMORY_NODES_MAX];
};

/* shrunk: it remembers what is gone, or a node has written into the log that it found its own chain cut. */
struct chain_memory_view {
	bool shrunk, forked;
	char detail[300]; /* of the first alarm */
};

/* What to put into the log. */
struct chain_memory_news {
	const char *what; /* "shrunk", "forked", "lost" */
	struct uuid node; /* whose chain; of "lost": this node */
	int64_t seq;
	char remembered[2 * CHAIN_MEMORY_HASH_BYTES + 1], found[2 * CHAIN_MEMORY_HASH_BYTES + 1];
};

struct chain_memory;

/* conninfo: of the superuser on the unix socket. */
struct chain_memory *chain_memory_new(const struct home *h, const struct uuid *self,
				      const char *conninfo) NONNULL MUST_USE;
void chain_memory_tell(struct chain_memory *w, const struct chain_memory_facts *f) NONNULL;
void chain_memory_look(struct chain_memory *w, struct chain_memory_view *ret) NONNULL;
/* Secondary: what to ask the primary to log. false: nothing. Call chain_memory_told once it was asked. */
bool chain_memory_next(struct chain_memory *w, struct chain_memory_news *ret) NONNULL;
void chain_memory_told(struct chain_memory *w, const struct chain_memory_news *n) NONNULL;
