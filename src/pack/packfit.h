/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a pack is one for this node: asked by `ha join`, and by serve of what `unzip` has put there.
 */
#pragma once

#include "base/home.h"
#include "pack/pack.h"

/* ERR_BAD_PACK: of another version, name, pair or PostgreSQL. Does not look at the MAC. */
int packfit_check(const struct home *h, const struct pack_manifest *m,
		  struct err *e) NONNULL MUST_USE;
