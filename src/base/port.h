/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks that a port is free before anything depends on it. Blocking: waits briefly for a
 * predecessor's sockets to close.
 */
#pragma once

#include "base/err.h"

/* The port of an address (a setting's SET_ADDR); 0 if it has none. */
int port_of(const char *address) NONNULL;

/* Whether this machine can listen on an address (a setting's SET_ADDR). ERR_REFUSED names who is in the way and the
 * setting to change, ERR_UNREACHABLE an address that the machine does not have, or not yet. Leaves nothing open. */
int port_check(const char *address, const char *setting, struct err *e) NONNULL MUST_USE;
