/* SPDX-License-Identifier: Apache-2.0
 *
 * The one table of routes. OpenAPI and docs/api.md are written from it.
 */
#pragma once

#include "http/router.h"

/* Loopback needs no session here; everybody else does. */
#define ROUTE_LOOPBACK_FREE 0x10000u
/* Answered on the HTTP thread, whatever the core does: the handler is an api_direct_fn. */
#define ROUTE_DIRECT 0x20000u

const struct route *routes(size_t *ret_n) NONNULL;
