/* SPDX-License-Identifier: Apache-2.0
 *
 * One byte with a descriptor over a unix socket: how connections to keyd are handed out.
 */
#pragma once

#include <stdbool.h>

/* Sends a copy of fd; the caller keeps its own. false when it could not be sent (errno). */
bool passfd_send(int sock, char byte, int fd);
