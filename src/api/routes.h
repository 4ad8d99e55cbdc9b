/* SPDX-License-Identifier: Apache-2.0
 *
 * The routes of all nouns (api/noun.h) and the shapes of their replies, from which OpenAPI and
 * docs/api.md are generated.
 */
#pragma once

#include "http/router.h"

/* Loopback needs no session here; everybody else does. */
#define ROUTE_LOOPBACK_FREE 0x10000u
/* Answered on the HTTP thread, whatever the core does: the handler is an api_direct_fn. */
#define ROUTE_DIRECT 0x20000u

extern const struct route *const route_tables[];
extern const struct shape *const reply_tables[];
