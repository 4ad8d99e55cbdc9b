/* SPDX-License-Identifier: Apache-2.0
 *
 * The key process (base/proc.h says how it is started).
 */
#pragma once

#include "base/proc.h"

/* Until SIGTERM, or until its control socket is closed. Returns the exit code. */
int keyd_main(const struct proc_args *a) NONNULL;
