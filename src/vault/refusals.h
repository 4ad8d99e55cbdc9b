/* SPDX-License-Identifier: Apache-2.0
 *
 * Refusals in numbers (H17). Whoever is refused once finds that in the log; whoever is refused a thousand times finds a sum there, so that nobody fills the log,
 * which is replicated. Of each source, a user or (of strangers) an address, and of all together, so many a minute are events of their own, which are in the log before
 * they are answered. What goes beyond is counted here, and written as one event of the same kind for each source: with how often (times) and since when, each
 * minute and when the service stops. A crash loses what was counted in its last minute. Core thread of vaultd only.
 */
#pragma once

#include "vault/vault.h"

#define REFUSALS_AT_ONCE 60	 /* events of one source in a minute */
#define REFUSALS_AT_ONCE_ALL 600 /* of all */
#define REFUSALS_SOURCES 1024	 /* beyond, sources are counted together */

struct refusals;

struct refusals *refusals_new(void) MUST_USE;
void refusals_free(struct refusals *r); /* takes NULL */

struct refusal {
	enum event_kind kind; /* FORBIDDEN or LOGIN_FAILED */
	struct uuid actor;    /* who was refused; nil: a stranger, who counts by address */
	struct uuid object;   /* whose log-in is refused by a lock-out, whoever tries; else nil */
	const char *address;  /* may be NULL */
	const char *what;     /* as the event says it; a literal */
	bool summed;	      /* no event of its own in any case */
};

/* Whether the caller writes an event of its own; if not, the refusal was counted. r may be NULL: all are written. */
bool refusals_take(struct refusals *r, const struct refusal *x);

/* Whether the minute is over, by the wall clock, which may also be put back. */
bool refusals_due(const struct refusals *r) NONNULL;
/* Writes what was counted, and begins the next minute. What could not be written stays counted. */
int refusals_write(struct vault *v, struct fiber *f, struct err *e) NONNULL MUST_USE;
