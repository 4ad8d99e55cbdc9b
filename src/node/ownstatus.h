/* SPDX-License-Identifier: Apache-2.0
 *
 * What this machine's node says of the pair, whether or not its services run: the agent's text in the state page. Blocking.
 */
#pragma once

#include "base/buf.h"
#include "base/home.h"

/* Appends the object of `ha status --json`, which also says if the node does not run or is still
 * starting. */
int ownstatus_read(const struct home *h, struct buf *out, struct err *e) NONNULL MUST_USE;
