/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes a data folder follow another server: a copy of that server over the wire (pg_basebackup)
 * or, when the two were one until recently, only what differs (pg_rewind). Blocking; the programs
 * end with the process that started them.
 */
#pragma once

#include <stdbool.h>
#include "base/err.h"
#include "base/home.h"

/* percent: 0 … 99, or -1 when it is not known. */
typedef void standby_progress_fn(void *ctx, const char *text, int percent);

/* Copies the server at conninfo (a role that may replicate) into the folder `dir`, which is removed first. The WAL that the
 * copy will need next must be kept there by a slot that exists already. A copy that was interrupted is begun anew. */
int standby_clone(const struct home *h, const char *conninfo, const char *dir,
		  standby_progress_fn *progress, void *ctx, struct err *e) MUST_USE;

/* Whether data/pg, which no server uses, has what the server at conninfo has not: that would be lost by a rewind. True as well
 * when it was not stopped in order, so that it is not known. Changes nothing. */
int standby_parted(const struct home *h, const char *conninfo, bool *ret, struct err *e) MUST_USE;

/* Rewinds data/pg, which no server uses, to where it parted from the server at conninfo. *ret_needed false: it never
 * parted, nothing was done. When it fails the folder may be unusable: clone. */
int standby_rewind(const struct home *h, const char *conninfo, bool *ret_needed,
		   standby_progress_fn *progress, void *ctx, struct err *e) MUST_USE;

/* What a conninfo says whose standby is compared with its primary before it follows it again; libpq makes nothing of it. */
#define STANDBY_COMPARED "fallback_application_name=compared"
/* Before its server starts: a standby that was compared once follows nobody until it is compared again. Whom it followed stays written
 * in the same file (holdfast.follows). */
int standby_hold(const struct home *h, struct err *e) NONNULL MUST_USE;

/* Whom the standby in data/pg follows, or followed last, by its postgresql.auto.conf. ERR_NOT_FOUND: it does not say. */
int standby_follows(const struct home *h, char *ret_host, size_t room, int *ret_port,
		    struct err *e) NONNULL MUST_USE;
