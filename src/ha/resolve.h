/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a node is: a thread of its own keeps resolving its name; the last addresses found stay
 * valid while the name server is slow, silent or gone. No caller ever waits for a name server.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/attr.h"

#define RESOLVE_TEXT_MAX 512

struct resolve_view {
	char addresses
		[RESOLVE_TEXT_MAX]; /* numeric, joined by commas, IPv6 in brackets; "" none known */
	char failure[128];	    /* why the last look-up failed; "" if it did not */
};

struct resolve;

/* Starts resolving name, which is copied. An address instead of a name is used as it is. */
struct resolve *resolve_new(const char *name) NONNULL MUST_USE;
void resolve_look(struct resolve *l, struct resolve_view *ret) NONNULL;
/* Looks again soon, because the known addresses led nowhere. At most once a second. */
void resolve_doubt(struct resolve *l) NONNULL;
/* The thread, which may hang in a look-up, ends and frees it by itself. Takes NULL. */
void resolve_let_go(struct resolve *l);
