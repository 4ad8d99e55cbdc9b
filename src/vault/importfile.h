/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the files of other password managers into entries. The input is untrusted: every bound is
 * checked. A fault in one entry is reported with that entry (bad); one that makes the rest
 * unreadable refuses the file. Values come through byte for byte. Pure, any thread; the texts live
 * in the arena that is passed in, which nobody else may use meanwhile.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "vault/account.h"

#define IMPORTFILE_ENTRIES_MAX 100000
#define IMPORTFILE_LOST_MAX 100

struct importformat;

/* No text is NULL unless it says so. */
struct importfile_entry {
	unsigned line; /* of the file, from 1 */
	const char *resource, *login, *url, *description, *type, *address;
	struct account_field *field; /* the secret fields */
	size_t nfields;
	const char *named; /* it has no title: what the resource is named by; NULL: it has one */
	const char *bad;   /* why it cannot be stored; NULL: it can */
	bool removed;	   /* it was in a recycle bin */
};

/* What has no place here, and how many entries had something in it. */
struct importfile_lost {
	const char *name;
	unsigned values;
};

struct importfile {
	struct arena *a;
	const struct importformat *format;
	struct importfile_entry *entry;
	size_t n, cap;
	struct importfile_lost lost[IMPORTFILE_LOST_MAX];
	size_t nlost;
};

/* format: a name of vault/importformat.h, or NULL: told by what is in the file. ERR_BAD_FIELD with
 * the line ("line 17: …"), ERR_TOO_LARGE. The bytes are borrowed until it returns. */
int importfile_read(struct arena *a, const char *text, size_t n, const char *format,
		    struct importfile *ret, struct err *e) MUST_USE;
void importfile_done(struct importfile *file) NONNULL; /* not the texts: they are the arena's */
