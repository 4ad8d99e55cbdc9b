/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes a data folder follow another server: copies that server over the wire (pg_basebackup) or,
 * if the two were one until recently, only what differs (pg_rewind). Blocking; the programs end
 * with the process that started them.
 */
#pragma once

#include <stdbool.h>
#include "base/err.h"
#include "base/home.h"

/* percent: 0 … 99, or -1 when it is not known. */
typedef void standby_progress_fn(void *ctx, const char *text, int percent);

/* Copies the server at conninfo (a role that may replicate) to the folder `dir`, which it removes first. A slot
 * that exists already must keep the WAL there that the copy will need next. An interrupted copy starts over. */
int standby_clone(const struct home *h, const char *conninfo, const char *dir,
		  standby_progress_fn *progress, void *ctx, struct err *e) MUST_USE;

/* Whether what standby_clone made in `dir` is whole: each file by the checksum that the server named, and the WAL that it needs
 * (pg_verifybackup). Reads all of it. ERR_IO: it is not. */
int standby_verify(const struct home *h, const char *dir, struct err *e) NONNULL MUST_USE;

/* Whether data/pg, which no server uses, has something that the server at conninfo lacks and a rewind
 * would lose. Also true if it was not stopped in order, since then nobody knows. Changes nothing. */
int standby_parted(const struct home *h, const char *conninfo, bool *ret, struct err *e) MUST_USE;

/* Rewinds data/pg, which no server uses, to where it parted from the server at conninfo. *ret_needed
 * false: it never parted, nothing was done. If it fails, the folder may be unusable: clone. */
int standby_rewind(const struct home *h, const char *conninfo, bool *ret_needed,
		   standby_progress_fn *progress, void *ctx, struct err *e) MUST_USE;

/* Marks a conninfo whose standby must be compared with its primary before it follows it again; libpq ignores it. */
#define STANDBY_COMPARED "fallback_application_name=compared"
/* Call before its server starts: a standby that was compared once follows nobody until it is
 * compared again. The same file keeps whom it followed (holdfast.follows). */
int standby_hold(const struct home *h, struct err *e) NONNULL MUST_USE;

/* Whom the standby in data/pg follows, or followed last, by its postgresql.auto.conf. ERR_NOT_FOUND: it does not say. */
int standby_follows(const struct home *h, char *ret_host, size_t room, int *ret_port,
		    struct err *e) NONNULL MUST_USE;
