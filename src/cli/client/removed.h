/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists the bin for `ls --removed`; `undelete` is beside it.
 */
#pragma once

#include "cli/frame/cli.h"

int removed_list(const struct cli *c, struct err *e) NONNULL MUST_USE;
