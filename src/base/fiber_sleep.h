/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts a fiber to sleep for a time while the loop goes on.
 */
#pragma once

#include <uv.h>
#include "base/fiber.h"

void fiber_sleep_ms(uv_loop_t *loop, struct fiber *f, unsigned ms) NONNULL;
