/* SPDX-License-Identifier: Apache-2.0
 *
 * The address of a node's service.
 */
#pragma once

#include <stddef.h>
#include "base/attr.h"

#define URL_MAX 320 /* bytes with the NUL, for a name of at most 255 */

/* https://host:port; host is a name or an address, an IPv6 one without brackets. */
void url_write(const char *host, int port, char *ret, size_t room) NONNULL;
