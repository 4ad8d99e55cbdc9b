/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads an exported log (docs/audit.md has the format) without any key of the vault: line by line,
 * each bounded and checked, every checkpoint's signature verified. What a call returns is proven
 * only once the reader has reached the end without an error. One thread.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "crypto/keys.h"

#define AUDITFILE_FIRST "holdfast-audit-export 1"
#define AUDITFILE_NODES_MAX 512
#define AUDITFILE_LINE_MAX (512u << 10)
#define AUDITFILE_KEY_BYTES KEYS_SIGN_KEY_BYTES
#define AUDITFILE_ACCEPTED_MAX 256

struct auditfile;

struct auditfile_event {
	struct uuid node;
	int64_t seq;
	uint8_t hash[KEYS_HASH_BYTES];
};

/* A break of a chain that an administrator of the vault accepted: an earlier export may have other events from … to. */
struct auditfile_accepted {
	struct uuid node;
	int64_t from, to, next; /* next: the event with which the file goes on */
	struct uuid node_by;	/* the event that accepts it, in the same file */
	int64_t seq_by;
};

/* What auditfile_verify found. */
struct auditfile_result {
	int64_t events; /* of the later one */
	int64_t lost; /* events of the earlier one that are missing or differ in the later one, as accepted */
};

/* Reads and verifies the head. f is borrowed, name too (it begins every error). */
int auditfile_open(FILE *f, const char *name, struct auditfile **ret,
		   struct err *e) NONNULL MUST_USE;
void auditfile_free(struct auditfile *a); /* takes NULL */

/* The public key that signed it, when it was made, and the ends of the chains: what the head says. */
const uint8_t *auditfile_key(const struct auditfile *a) NONNULL;
const char *auditfile_at(const struct auditfile *a) NONNULL;
unsigned auditfile_heads(const struct auditfile *a, const struct auditfile_event **ret) NONNULL;

/* The accepted breaks that were read so far. */
unsigned auditfile_accepted(const struct auditfile *a,
			    const struct auditfile_accepted **ret) NONNULL;

/* Reads `later` to its end, and `earlier` too unless it is NULL; both fresh from auditfile_open.
 * Every event of the earlier one must be in the later one with the same hash, except those whose
 * loss was accepted, as the later one says. ERR_CHAIN_BROKEN. */
int auditfile_verify(struct auditfile *later, struct auditfile *earlier,
		     struct auditfile_result *ret, struct err *e) MUST_USE;

static inline void
auditfile_guard(struct auditfile **p)
{
	auditfile_free(*p);
}
#define auto_auditfile FREE_WITH(auditfile_guard) struct auditfile *
