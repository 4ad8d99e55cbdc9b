/* SPDX-License-Identifier: Apache-2.0
 *
 * Accept-Encoding (RFC 9110, 12.5.3): in which form a client takes a file. Pure functions.
 */
#pragma once

#include <stdbool.h>

/* Whether gzip may be sent and is wanted no less than the plain form. accept: the header's value, NULL
 * without one. What is malformed counts as not taken; so does what the header does not name, since
 * plain is what every client can read. */
bool coding_takes_gzip(const char *accept);
