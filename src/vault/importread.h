/* SPDX-License-Identifier: Apache-2.0
 *
 * What the readers of import's formats share: begin an entry, give it its texts, and end it, which
 * names it and checks it against the vault's rules. The texts stay in the file's arena.
 */
#pragma once

#include "vault/importfile.h"
#include "vault/importformat.h"

struct importread_draft {
	struct importfile *file;
	struct importfile_entry entry;
	const char *group, *title; /* "" none */
	size_t cap;		   /* of entry.field */
};

void importread_begin(struct importread_draft *d, struct importfile *file, unsigned line) NONNULL;
/* name, value: in the file's arena. A second one of the same name gets a number. */
void importread_field(struct importread_draft *d, const char *name, const char *value,
		      size_t value_len) NONNULL;
/* Ends the entry: the file has it then. ERR_TOO_LARGE. */
int importread_end(struct importread_draft *d, struct err *e) NONNULL MUST_USE;
/* Counts a value that has no place here, under the name of what it was in. */
void importread_lost(struct importfile *file, const char *name) NONNULL;

/* Without the blanks at its ends; in the arena. */
const char *importread_trim(struct arena *a, const char *text) NONNULL;

importformat_read importread_csv, importread_json, importread_xml;
/* Recognises a table's format by its header. ERR_BAD_FIELD if it has none, or no header. */
int importread_csv_format(const char *text, size_t n, const struct importformat **ret,
			  struct err *e) MUST_USE;
