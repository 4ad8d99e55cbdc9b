/* SPDX-License-Identifier: Apache-2.0
 *
 * The master key file: 64 hexadecimal digits and a newline, owned by the user that Holdfast runs as,
 * readable by that user alone. Needed only at start (H12).
 */
#pragma once

#include "base/err.h"
#include "base/secret.h"

#define KEYFILE_BYTES 32 /* of the key */

/* ret: KEYFILE_BYTES of guarded memory. ERR_BAD_KEY with what to do when the file is missing, unreadable, readable by others or malformed. */
int keyfile_read(const char *path, struct secret *ret, struct err *e) NONNULL MUST_USE;
/* Whether the device that the file is on is there, without a look into it; any process. ERR_UNREACHABLE says what to do. What
 * else may be wrong with the file keyfile_read says. */
int keyfile_there(const char *path, struct err *e) NONNULL MUST_USE;
/* Writes a new random master key (mode 0400, O_EXCL, fsync of file and folder). ERR_EXISTS: there is a file; it stays as it is. */
int keyfile_create(const char *path, struct err *e) NONNULL MUST_USE;
