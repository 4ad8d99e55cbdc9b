/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a pack fits this node, and whether it may be used now: asked by `ha join`, and by serve
 * about what is in pack/. Nothing here changes anything. A node that has data accepts a pack only
 * on an explicit order (`ha join --replace`), and only while it reaches the primary: until then its
 * data may be the last whole copy (H13).
 */
#pragma once

#include "base/clock.h"
#include "base/home.h"
#include "pack/pack.h"

#define PACKFIT_PAIR_MAX 129

/* The pair that this node's pair.conf names, "" when there is no such file. ERR_PRECONDITION: it is damaged. */
int packfit_own_pair(const struct home *h, char ret[static PACKFIT_PAIR_MAX],
		     struct err *e) NONNULL MUST_USE;

/* ERR_BAD_PACK: of another version, name, pair or PostgreSQL. ERR_PRECONDITION: a primary lives here. Does not look at the MAC. */
int packfit_check(const struct home *h, const struct pack_manifest *m,
		  struct err *e) NONNULL MUST_USE;

/* ---- the data that are here ---- */

/* Also false if that cannot be known: then nothing is there that PostgreSQL would start with. */
bool packfit_has_data(const struct home *h) NONNULL;
/* Their as-of time, as they last said themselves; or "unknown". */
void packfit_data_as_of(const struct home *h, char ret[static CLOCK_ISO_LEN]) NONNULL;
/* Whether this pack may replace them: ERR_PRECONDITION with what to do if not; 0 if there are none. told: by explicit order. */
int packfit_check_data(const struct home *h, const struct pack_manifest *m, bool told,
		       struct err *e) NONNULL MUST_USE;
/* Records the order of `ha join --replace` with the pack that it was given for. */
int packfit_tell(const struct home *h, const struct pack_manifest *m,
		 struct err *e) NONNULL MUST_USE;
bool packfit_was_told(const struct home *h, const struct pack_manifest *m) NONNULL;

/* ---- the primary that made the pack ---- */

struct packfit_primary {
	bool answers, serves; /* serves: as a primary */
	bool name_unknown;    /* its name does not resolve here */
	int64_t skew_us;      /* this clock minus its own */
	char why[256];	      /* why it does not answer, or serve */
};

/* trust: its certificate, PEM; NULL: trusts whoever answers, good for a first word and no more.
 * Takes 6 s at most. */
void packfit_ask(const struct pack_manifest *m, const char *trust, struct packfit_primary *ret);
/* ERR_PRECONDITION: too far apart. A primary that does not answer has no clock to compare. */
int packfit_check_clock(const struct pack_manifest *m, const struct packfit_primary *p,
			struct err *e) NONNULL MUST_USE;
/* ERR_PRECONDITION: the data must not be moved aside now. */
int packfit_check_reached(const struct pack_manifest *m, const struct packfit_primary *p,
			  struct err *e) NONNULL MUST_USE;
