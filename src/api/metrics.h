/* SPDX-License-Identifier: Apache-2.0
 *
 * /metrics, for Prometheus: what vault, ledger, keyd, state page and server count. Core thread.
 */
#pragma once

#include "api/call.h"

void metrics_write(const struct api_call *c, struct buf *out) NONNULL;
