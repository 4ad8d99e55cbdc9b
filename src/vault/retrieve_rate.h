/* SPDX-License-Identifier: Apache-2.0
 *
 * How many different things each user retrieved within a window that moves with the clock. A retrieval costs the same however many came before.
 *
 *   N1  Whoever retrieved more than `limit` different things within the window is found over the limit, at the first one too many: what is counted
 *       leaves the count only by its age, or when others as many as the limit have come after it.
 *   N2  Memory is bounded: RETRIEVE_RATE_USERS users, of each at most as many as the limit (28 bytes each, and room to double).
 *   N3  A user without a place takes the one of whoever has the fewest, the oldest first, and with it all that is counted there. So nobody is counted as less
 *       than they did, who is pushed out by others and comes back, or pushes others out in turn; users with few can be counted as more.
 *
 * Core thread of vaultd only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/attr.h"
#include "base/uuid.h"

#define RETRIEVE_RATE_USERS 1024

struct retrieve_rate;

struct retrieve_rate_limit {
	uint32_t limit; /* at least 1 */
	int64_t window_us;
	bool holds; /* what is told holds the user too: said without that, it is said again */
};

enum retrieve_rate_found {
	RETRIEVE_RATE_USUAL,
	RETRIEVE_RATE_NEWS, /* over the limit: to be told, and counts as told from now on */
	RETRIEVE_RATE_TOLD, /* over the limit, and told of within the window */
};

struct retrieve_rate *retrieve_rate_new(void) MUST_USE;
void retrieve_rate_free(struct retrieve_rate *t); /* takes NULL */

/* Counts that the user retrieves `what` (an id whose last bytes are random) now. */
enum retrieve_rate_found retrieve_rate_note(struct retrieve_rate *t, const struct uuid *user,
					    const struct uuid *what, int64_t now_us,
					    const struct retrieve_rate_limit *l) NONNULL MUST_USE;
/* It could not be told after all. */
void retrieve_rate_untold(struct retrieve_rate *t, const struct uuid *user) NONNULL;
/* The user begins anew. */
void retrieve_rate_forget(struct retrieve_rate *t, const struct uuid *user) NONNULL;
