/* SPDX-License-Identifier: Apache-2.0
 *
 * Versions made here in emergency that only the journal has: the replicated tables do not know them
 * until the journal is merged. They are laid over what is read of an account.
 *  1. Every version in the journal is here, in the journal's order: read from it before users are
 * served, added when it is durable.
 *  2. A version is dropped only when it was seen in the tables or has left the journal (which it
 * does only once it is in this node's tables).
 *  3. The statement that reads an account also asks which of its overlaid versions the tables have,
 * and those are left out: so a version is always seen exactly once, whenever it is dropped. They
 * are sealed here as everywhere. Core thread of vaultd only.
 */
#pragma once

#include "base/arena.h"
#include "ledger/ledger.h"

#define JOURNAL_OVERLAY_MAX 1000	      /* versions */
#define JOURNAL_OVERLAY_BYTES_MAX (32u << 20) /* of their sealed fields */

struct journal_overlay;

/* One of an account, as laid over it; of one call, in its arena. */
struct journal_overlay_version {
	struct uuid id, author, upon; /* upon: nil for none */
	int n, based_on;
	int64_t at_us;
	bool sibling; /* based on another one than the current one */
};

struct journal_overlay_list {
	size_t n;
	struct journal_overlay_version *v;
};

/* Where the versions of an account stand. */
struct journal_overlay_head {
	int current_n, top_n;
	struct uuid current; /* nil: none */
	bool conflict;
};

struct journal_overlay *journal_overlay_new(void) MUST_USE;
void journal_overlay_free(struct journal_overlay *j); /* takes NULL */

/* Those of one account. j may be NULL here and below: nothing. */
struct journal_overlay_list journal_overlay_of(const struct journal_overlay *j,
					       const struct uuid *account, struct arena *a);
/* Leaves out and drops those that were seen in the tables (ids separated by blanks), and lays the others over:
 * numbers and head become what they will be once the journal is merged, as far as this node can know. */
void journal_overlay_lay(struct journal_overlay *j, const struct uuid *account, const char *home,
			 struct journal_overlay_list *list, struct journal_overlay_head *head);
/* The number of the current version, where only the table's is known. */
int journal_overlay_current(const struct journal_overlay *j, const struct uuid *account,
			    int current_n);
/* Appends the sealed fields to ret. false: it is no longer here, so it is merged. */
bool journal_overlay_sealed(const struct journal_overlay *j, const struct uuid *account,
			    const struct uuid *id, struct buf *ret);

/* Room for one more, until it is given back. ERR_REFUSED when this node holds as many as it may. */
int journal_overlay_reserve(struct journal_overlay *j, struct err *e) NONNULL MUST_USE;
void journal_overlay_unreserve(struct journal_overlay *j) NONNULL;

/* For vault_on_durable. alone: the journal has it alone; else it is merged. */
void journal_overlay_on_event(struct journal_overlay *j, const struct event *ev,
			      bool alone) NONNULL;
/* At the start and after a change of the pair's state: what the journal does not hold any more is dropped. */
int journal_overlay_reload(struct journal_overlay *j, struct ledger *l, struct fiber *f,
			   struct err *e) NONNULL MUST_USE;
