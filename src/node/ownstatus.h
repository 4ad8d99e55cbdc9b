/* SPDX-License-Identifier: Apache-2.0
 *
 * What the node of this machine says of the pair, with its services up or not: the agent's text in the state page. Blocking.
 */
#pragma once

#include "base/buf.h"
#include "base/home.h"

/* Appends the object of `ha status --json`; of a node that does not run or only begins it says that. */
int ownstatus_read(const struct home *h, struct buf *out, struct err *e) NONNULL MUST_USE;
