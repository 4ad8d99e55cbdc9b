/* SPDX-License-Identifier: Apache-2.0
 *
 * Ends a connection whose request was refused before its body was read. Closing a socket with
 * unread bytes resets it, and the reset overtakes the refusal; so what still arrives is discarded
 * for a moment, until the client has read its answer and hangs up. A few connections at once; a
 * thread of its own.
 */
#pragma once

#include "base/attr.h"

#define FAREWELL_MAX 64 /* at once; beyond that connections end without */
#define FAREWELL_MS 2000

struct farewell;

struct farewell *farewell_new(void) MUST_USE; /* NULL: there is no thread */
/* Keeps the socket of fd, which the caller closes, open for a moment. Any thread. */
void farewell_add(struct farewell *l, int fd) NONNULL;
void farewell_free(struct farewell *l); /* closes what is left; takes NULL */
