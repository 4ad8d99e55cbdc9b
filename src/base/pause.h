/* SPDX-License-Identifier: Apache-2.0
 *
 * A fiber that waits for time to pass.
 */
#pragma once

#include <uv.h>
#include "base/fiber.h"

void pause_ms(uv_loop_t *loop, struct fiber *f, unsigned ms) NONNULL;
