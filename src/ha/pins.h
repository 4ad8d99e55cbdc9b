/* SPDX-License-Identifier: Apache-2.0
 *
 * By which certificates another node's service is trusted: the one that the log names, if it is
 * self-signed; the vault's authority; and what an operator brought with `cert import`.
 */
#pragma once

#include <stdbool.h>
#include "base/buf.h"
#include "base/home.h"

/* Appends the vault's authority and all that was brought, as PEM. false: some of it cannot be used; it is left out and, unless quiet, logged. */
bool pins_add_authorities(const struct home *h, bool quiet, struct buf *out) NONNULL;
/* A self-signed certificate that the log names is trusted as it stands. One signed by an authority is not: its authority is to be
 * brought, and until then the status says so. */
bool pins_may_pin(const char *pem) NONNULL;
