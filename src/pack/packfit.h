/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a pack fits this node, and whether it may be used now: asked by `ha join`, and by serve
 * about what lies in pack/. None of it changes anything. A node that has data takes a pack only
 * when told so by name (`ha join --replace`), and only while the primary is reached: until then its
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

/* false also where it cannot be known: then nothing is there that PostgreSQL would start with. */
bool packfit_has_data(const struct home *h) NONNULL;
/* As of when they are, as they last said themselves; "unknown". */
void packfit_data_as_of(const struct home *h, char ret[static CLOCK_ISO_LEN]) NONNULL;
/* Whether this pack may take their place: ERR_PRECONDITION with what to do where it may not; 0 where there are none. told: by name. */
int packfit_check_data(const struct home *h, const struct pack_manifest *m, bool told,
		       struct err *e) NONNULL MUST_USE;
/* The word of `ha join --replace`, kept with the pack that it was said of. */
int packfit_tell(const struct home *h, const struct pack_manifest *m,
		 struct err *e) NONNULL MUST_USE;
bool packfit_was_told(const struct home *h, const struct pack_manifest *m) NONNULL;

/* ---- the primary that the pack is of ---- */

struct packfit_primary {
	bool answers, serves; /* serves: as a primary */
	bool name_unknown;    /* its name does not resolve here */
	int64_t skew_us;      /* this clock minus its own */
	char why[256];	      /* why it does not answer, or serve */
};

/* trust: its certificate, PEM; NULL: whoever answers there, good for a first word and no more. Takes 6 s at most. */
void packfit_ask(const struct pack_manifest *m, const char *trust, struct packfit_primary *ret);
/* ERR_PRECONDITION: too far apart. One that does not answer has no clock to be compared. */
int packfit_check_clock(const struct pack_manifest *m, const struct packfit_primary *p,
			struct err *e) NONNULL MUST_USE;
/* ERR_PRECONDITION: data must not be put away now. */
int packfit_check_reached(const struct pack_manifest *m, const struct packfit_primary *p,
			  struct err *e) NONNULL MUST_USE;
