/* SPDX-License-Identifier: Apache-2.0
 *
 * Sends one message to a syslog receiver over TLS (RFC 5425). The protocol acknowledges nothing but
 * its end: the sender announces that it closes, and the receiver, which reads in order, answers
 * once it has read everything. So each connection carries one message, and that answer is the
 * acknowledgement. Blocking; any thread.
 */
#pragma once

#include "base/err.h"

/* address "host:port" or "[v6]:port"; ca_file: the only certificates that are trusted; "": the
 * system's; frame: with its octet count. ERR_UNREACHABLE, ERR_USAGE (the address). */
int syslog_send(const char *address, const char *ca_file, const void *frame, size_t n,
		struct err *e) NONNULL MUST_USE;
