/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a pack is one for this node: asked by `ha join`, and by serve of what `unzip` has put there.
 */
#pragma once

#include "base/home.h"
#include "pack/pack.h"

#define PACKFIT_PAIR_MAX 129

/* The pair that this node's pair.conf names, "" when there is no such file. ERR_PRECONDITION: it is damaged. */
int packfit_own_pair(const struct home *h, char ret[static PACKFIT_PAIR_MAX],
		     struct err *e) NONNULL MUST_USE;

/* ERR_BAD_PACK: of another version, name, pair or PostgreSQL. Does not look at the MAC. */
int packfit_check(const struct home *h, const struct pack_manifest *m,
		  struct err *e) NONNULL MUST_USE;
