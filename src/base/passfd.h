/* SPDX-License-Identifier: Apache-2.0
 *
 * Passes one byte with a descriptor over a unix socket: how connections to keyd are handed out. The
 * program's only sender and receiver.
 */
#pragma once

#include <stdbool.h>

/* Sends a copy of fd; the caller keeps its own. false when it could not be sent (errno). */
bool passfd_send(int sock, char byte, int fd);

enum passfd_got { PASSFD_BYTE, PASSFD_NOTHING, PASSFD_END, PASSFD_BROKEN };

/* Receives one byte, without waiting, and the descriptor that came with it: the caller closes *ret_fd, which is
 * -1 if none came. Of several, the first counts and the others are closed; truncated control data counts as none.
 * PASSFD_NOTHING: nothing is there now. PASSFD_END: the other side is gone. PASSFD_BROKEN: errno says why. */
enum passfd_got passfd_receive(int sock, char *ret_byte, int *ret_fd);
