/* SPDX-License-Identifier: Apache-2.0
 *
 * The listening socket, opened here and not by the HTTP library, so that errors come in our
 * words.
 */
#pragma once

#include "base/err.h"

/* Binds and listens on "address:port" or "[v6]:port" (port 0: any free one); non-blocking,
 * close-on-exec. ERR_IO with what to do, ERR_BAD_FIELD if the text is not an address. */
int listener_open(const char *listen_on, int *ret_fd, struct err *e) NONNULL MUST_USE;
unsigned listener_port(int fd);
