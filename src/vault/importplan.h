/* SPDX-License-Identifier: Apache-2.0
 *
 * What an import would do with each entry of the file, given what exists and what the caller may
 * do. Stores nothing. Core thread of vaultd only.
 */
#pragma once

#include "vault/import.h"
#include "vault/importfile.h"

/* X(NAME, name): what becomes of an entry, and what the reply and the event count it under. */
#define IMPORTPLAN_FATES(X)                                                                        \
	X(NEW, accounts)	/* a new account */                                                \
	X(UPDATED, updated)	/* a new version of one that is there, or is above in the file */  \
	X(UNCHANGED, unchanged) /* like UPDATED, but nothing differs */                            \
	X(SKIPPED, skipped)	/* is there already */                                             \
	X(REFUSED, refused)	/* cannot be stored */                                             \
	X(LEFT_OUT, left_out)	/* was in a recycle bin */

enum importplan_fate {
#define X(NAME, name) IMPORTPLAN_##NAME,
	IMPORTPLAN_FATES(X)
#undef X
		IMPORTPLAN_FATES_N,
};

struct importplan_line {
	const struct importfile_entry *entry;
	enum importplan_fate fate;
	const char *why;      /* what there is to say of it; NULL: nothing */
	const char *resource; /* under which name it comes */
	unsigned number;      /* after the resource's name; 0: none */
	bool unsettled;	      /* nobody has asked yet whether this name is free */
	unsigned first, pair; /* the first line with this resource; with this login there, too */
	bool has_resource, has_account; /* that are in the vault */
	bool several;			/* there are more than one, as far as the caller sees */
	int level, account_level;
	struct uuid resource_id, account_id;
	const char *url; /* the resource's, in the vault */
	bool brings_resource;
	struct importplan_line *next; /* the next version of the same account, of this file */
};

struct importplan {
	const struct importfile *file;
	enum import_duplicates duplicates;
	struct importplan_line *line; /* one per entry, in the call's arena */
	size_t n;
};

/* Makes the plan as the vault stands now. */
int importplan_make(struct call *c, const struct importfile *file,
		    enum import_duplicates duplicates, struct importplan *ret,
		    struct err *e) NONNULL MUST_USE;
/* Ids of the resources and accounts in the vault that it would add to or change; in order, each
 * once, in the call's arena. */
const struct uuid *importplan_touches(const struct call *c, const struct importplan *plan,
				      size_t *ret_n) NONNULL;
/* The account's secret fields: the entry's, and its URL where the resource has another one. */
struct account_fields importplan_fields(const struct call *c, const struct importplan *plan,
					const struct importplan_line *l) NONNULL;
