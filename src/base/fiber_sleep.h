/* SPDX-License-Identifier: Apache-2.0
 *
 * Lets a fiber sleep for a time; the loop goes on meanwhile.
 */
#pragma once

#include <uv.h>
#include "base/fiber.h"

void fiber_sleep_ms(uv_loop_t *loop, struct fiber *f, unsigned ms) NONNULL;
