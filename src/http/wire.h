/* SPDX-License-Identifier: Apache-2.0
 *
 * Between a TLS session and its socket: fewer system calls and packets. Ciphertext only passes
 * here.
 *
 * In: one recv fetches what is there, instead of one for a record's head and one for its rest. Out:
 * after wire_hold(w, 1) the next piece is held back until another follows, so that head and body of
 * a reply leave as one packet. Used by the thread that owns the connection.
 */
#pragma once

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include "base/attr.h"

#define WIRE_IN_BYTES 2048
#define WIRE_HELD_BYTES 2048

struct wire {
	int fd;
	unsigned in_at, in_end; /* in[in_at..in_end) was received and not yet asked for */
	unsigned held, hold;	/* bytes kept; pushes to keep yet */
	char in[WIRE_IN_BYTES];
	char kept[WIRE_HELD_BYTES];
};

/* w must outlive the session's use. The socket is non-blocking. */
void wire_attach(struct wire *w, gnutls_session_t session, int fd) NONNULL;
/* Holds back what the next `pushes` pushes bring, if it fits. 0: holds back nothing more. */
void wire_hold(struct wire *w, unsigned pushes) NONNULL;
/* Sends what was held back, if anything, since no more is coming. False if the socket does not take
 * it: the other end does not read, and the connection is of no use. */
bool wire_flush(struct wire *w) NONNULL;
