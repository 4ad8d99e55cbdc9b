/* SPDX-License-Identifier: Apache-2.0
 *
 * Which certificates this node trusts for another node's service: the one that the log names, if it
 * is self-signed; the vault's authority; and what an operator imported with `cert import`.
 */
#pragma once

#include <stdbool.h>
#include "base/buf.h"
#include "base/home.h"

/* Appends the vault's authority and everything imported, as PEM. false: some of it is unusable; it is left out and, unless quiet, logged. */
bool pins_add_authorities(const struct home *h, bool quiet, struct buf *out) NONNULL;
/* Whether a certificate that the log names is trusted as it stands: a self-signed one is. For one
 * signed by an authority, that authority must be imported; until then the status says so. */
bool pins_may_pin(const char *pem) NONNULL;
