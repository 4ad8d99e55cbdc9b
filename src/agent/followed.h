/* SPDX-License-Identifier: Apache-2.0
 *
 * The answer to the agent's own order "follow" (agent/control.h): what the home now has of the
 * vault's authorities, as a JSON text. Written by control's thread, read by the agent's. Pure.
 */
#pragma once

#include "pack/authority.h"

void followed_write(const struct authority_followed *f, struct buf *out) NONNULL;
/* ERR_BAD_JSON or ERR_BAD_FIELD: all three fields, nothing else, and as long as they can be. */
int followed_read(const struct buf *text, struct authority_followed *ret,
		  struct err *e) NONNULL MUST_USE;
