/* SPDX-License-Identifier: Apache-2.0
 *
 * run/holdfast.pid: who serves a home. The lock on it decides; the number in it is for people.
 */
#pragma once

#include "base/home.h"

/* 0 if no process serves this home; ERR_REFUSED names the one that does; ERR_IO. Changes nothing. */
int pidfile_alone(const struct home *h, struct err *e) NONNULL MUST_USE;
/* Makes this process the one that serves the home until *ret_fd is closed, and writes its number.
 * ERR_REFUSED as above; ERR_IO. */
int pidfile_claim(const struct home *h, int *ret_fd, struct err *e) NONNULL MUST_USE;
