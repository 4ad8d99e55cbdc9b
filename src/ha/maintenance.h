/* SPDX-License-Identifier: Apache-2.0
 *
 * Maintenance: while somebody works on the nodes, alerts are silent and the status, true as ever,
 * says so. Ordered on a primary it is an event and covers the pair; ordered on another node it is a
 * file and covers that node. On each node the latest order counts, and ends by itself. Here: the
 * order, its bounds, its file. Pure except for the file.
 */
#pragma once

#include "base/buf.h"
#include "base/home.h"

#define MAINTENANCE_REASON_MAX 200 /* bytes */
#define MAINTENANCE_MIN_MS 60000
#define MAINTENANCE_MAX_MS (7 * INT64_C(86400000))

struct maintenance {
	int64_t at_us;	  /* when it was ordered, 0: never */
	int64_t until_us; /* 0: off */
	char reason[MAINTENANCE_REASON_MAX + 1];
	bool pair; /* it covers the pair, else this node */
};

/* "off", or "MILLISECONDS REASON" as the command line sends it. ERR_USAGE with what is wrong. */
int maintenance_parse(const char *order, int64_t now_us, struct maintenance *ret,
		      struct err *e) NONNULL MUST_USE;
/* The later of the two. */
const struct maintenance *maintenance_later(const struct maintenance *a,
					    const struct maintenance *b) NONNULL;
bool maintenance_is_on(const struct maintenance *m, int64_t now_us) NONNULL;

/* at_us 0 if it was never ordered. ERR_IO: it was, but cannot be read. */
int maintenance_read(const struct home *h, struct maintenance *ret, struct err *e) NONNULL MUST_USE;
int maintenance_write(const struct home *h, const struct maintenance *m,
		      struct err *e) NONNULL MUST_USE;
/* Body of the event MAINTENANCE: {"until","reason"}. */
void maintenance_body(const struct maintenance *m, struct buf *out) NONNULL;
