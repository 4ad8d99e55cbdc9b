/* SPDX-License-Identifier: Apache-2.0
 *
 * The process that watches the other nodes (base/proc.h says how it is started).
 */
#pragma once

#include "base/proc.h"

/* Until SIGTERM, or until the link to the supervisor is closed. Returns the exit code. */
int agent_main(const struct proc_args *a) NONNULL;
