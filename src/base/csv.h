/* SPDX-License-Identifier: Apache-2.0
 *
 * Parses CSV (RFC 4180) in memory, record by record, with line numbers. The input is untrusted:
 * every bound is checked, nothing is repaired. The whole text is refused once the end of a field is
 * in doubt: NUL, invalid UTF-8, anything but a separator after a closing quote, an unclosed quote.
 * A fault within one record (a quote inside an unquoted field, too many or too long fields) is
 * reported with that record (fault), and parsing goes on with the next one. Lines end with CRLF, LF
 * or CR; a byte order mark and empty lines are skipped.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define CSV_FIELDS_MAX 64
#define CSV_FIELD_BYTES (64u << 10)

struct csv {
	const char *p, *end;
	char separator;	 /* ',' unless the caller says otherwise */
	bool backslash;	 /* in quotes \" is a quote and \\ a backslash, as KeePass 1 writes them */
	unsigned line;	 /* of p, from 1 */
	unsigned record; /* line on which the last record begins */
	unsigned n;	 /* fields of the last record */
	const char *fault; /* what is wrong with the last record; NULL: nothing */
	size_t off[CSV_FIELDS_MAX], len[CSV_FIELDS_MAX]; /* into text */
	struct buf text; /* the last record's fields, each with a NUL; wiped by csv_done */
};

/* The bytes are borrowed until csv_done. */
void csv_init(struct csv *c, const char *data, size_t n);
void csv_done(struct csv *c) NONNULL;

/* Guesses the separator: whichever of comma, semicolon and tab the first record has most of. */
char csv_guess_separator(const char *data, size_t n);

/* Reads the next record: 1, 0 at the end, or ERR_BAD_FIELD with the line ("line 17: …"). */
int csv_next(struct csv *c, struct err *e) MUST_USE;

/* Field i of the last record; "" past its last. Borrowed until the next csv_next. */
const char *csv_field(const struct csv *c, unsigned i) NONNULL;
size_t csv_field_len(const struct csv *c, unsigned i) NONNULL;
