/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a node is: a thread of its own looks its name up, over and over; the last addresses found
 * stay good while a name server is slow, silent or gone. No caller ever waits for a name server.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/attr.h"

#define RESOLVE_TEXT_MAX 512

struct resolve_view {
	char addresses
		[RESOLVE_TEXT_MAX]; /* numeric, joined by commas, IPv6 in brackets; "" none known */
	char failure[128];	    /* why the last look-up failed, "" it did not */
};

struct resolve;

/* Starts to look name up; copied. An address in place of a name is taken as it is. */
struct resolve *resolve_new(const char *name) NONNULL MUST_USE;
void resolve_look(struct resolve *l, struct resolve_view *ret) NONNULL;
/* Looks again soon, since what is known did not lead anywhere. At most once a second. */
void resolve_doubt(struct resolve *l) NONNULL;
/* The thread, which may hang in a look-up, ends and frees it by itself. Takes NULL. */
void resolve_let_go(struct resolve *l);
