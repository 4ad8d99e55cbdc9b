/* SPDX-License-Identifier: Apache-2.0
 *
 * Imports what other programs export (vault/importfile.h). What can be stored is stored as one
 * unit, under an id; the rest is reported by line. A repeated request with the same id gets the
 * outcome and stores nothing twice. Nothing reveals what the caller may not see: the name of
 * somebody else's resource is taken, just as when creating one. Core thread of vaultd only; the
 * file is read on a thread of the pool.
 */
#pragma once

#include "vault/policy.h"

#define IMPORT_BYTES_MAX (32u << 20)
#define IMPORT_LINES_MAX 10000 /* reported in a reply */

struct import_running; /* imports that are under way; of the vault */

/* What to do with a login that exists already, in the vault or earlier in the file. */
enum import_duplicates {
	IMPORT_SKIP,   /* leave it as it is */
	IMPORT_UPDATE, /* a new version, if something differs */
	IMPORT_NEW,    /* another one, of a resource with a number after its name */
};

struct import_request {
	struct uuid id; /* nil: one is made */
	const char *text;
	size_t n;
	const char *format; /* of vault/importformat.h; NULL: told by the file */
	enum import_duplicates duplicates;
	bool dry_run, all_or_nothing;
};

/* ERR_BAD_FIELD with the line that makes the file unreadable, or (all_or_nothing) that cannot be
 * stored ("line 17: …"); ERR_CONFLICT when it was stopped.
 * {"id","state","format","dry_run","entries","accounts",…,"lost":[…],"lines":[…]} */
int import_run(struct call *c, const struct import_request *rq, struct json_out *out,
	       struct err *e) NONNULL MUST_USE;
/* The outcome of the caller's import. {"id","state",…}: stored, stopped, running, unknown. */
int import_outcome(struct call *c, const struct uuid *id, struct json_out *out,
		   struct err *e) NONNULL MUST_USE;
/* Stops it unless it is stored; nothing will be stored under this id any more. The same answer. */
int import_stop(struct call *c, const struct uuid *id, struct json_out *out,
		struct err *e) NONNULL MUST_USE;

/* ERR_BAD_FIELD */
int import_duplicates_parse(const char *name, enum import_duplicates *ret,
			    struct err *e) NONNULL MUST_USE;
int import_format_check(const char *name, struct err *e) NONNULL MUST_USE;
