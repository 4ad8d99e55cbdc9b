/* SPDX-License-Identifier: Apache-2.0
 *
 * The process that faces the network (base/proc.h says how it is started).
 */
#pragma once

#include "base/proc.h"

/* Runs until SIGTERM, or until the link to the supervisor closes. Returns the exit code. */
int vaultd_main(const struct proc_args *a) NONNULL;
