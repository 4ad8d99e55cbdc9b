/* SPDX-License-Identifier: Apache-2.0
 *
 * What import knows of other programs: one row per format. A text table is recognised by the names
 * of its columns, JSON and XML by how they begin. A test compares docs/import.md with this list.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "base/attr.h"
#include "base/err.h"

struct importfile;

/* What a column is for. */
enum importformat_use {
	IMPORTFORMAT_TITLE,
	IMPORTFORMAT_GROUP, /* the path above the title */
	IMPORTFORMAT_LOGIN,
	IMPORTFORMAT_URL,
	IMPORTFORMAT_DESCRIPTION,
	IMPORTFORMAT_TYPE,
	IMPORTFORMAT_ADDRESS,
	IMPORTFORMAT_FIELD,  /* a secret field */
	IMPORTFORMAT_FIELDS, /* several: "name: value", one a line */
	IMPORTFORMAT_NOTHING,
};

struct importformat_column {
	const char *header; /* any case */
	enum importformat_use use;
	const char *field; /* IMPORTFORMAT_FIELD: its name */
};

enum importformat_flags {
	IMPORTFORMAT_ROOT = 1, /* a group's path begins with the root group, which says nothing */
	IMPORTFORMAT_BACKSLASH = 2, /* a quote in quotes is \" instead of "" */
	IMPORTFORMAT_KEEP = 4,	    /* columns that are not known become secret fields */
	IMPORTFORMAT_NO_TITLE = 8,  /* there is no title: naming by the URL need not be reported */
};

typedef int importformat_read(struct importfile *file, const char *text, size_t n, struct err *e);

#define IMPORTFORMAT_NEEDS_MAX 6

struct importformat {
	const char *name;			       /* "bitwarden-csv" */
	const char *title;			       /* "Bitwarden (CSV)" */
	importformat_read *read;		       /* what parses it */
	const char *first;			       /* its first column; NULL: any */
	const char *needs[IMPORTFORMAT_NEEDS_MAX + 1]; /* columns that must be there */
	const struct importformat_column *columns;     /* ended by a row without header */
	char path;				       /* what separates groups: '/' or '\\' */
	unsigned flags;
};

/* All formats. The first that fits a header counts; the last takes what no other knows. */
const struct importformat *importformat_all(size_t *ret_n) NONNULL;
/* NULL: there is none of this name. */
const struct importformat *importformat_find(const char *name) NONNULL;
/* Whether a group of this name, directly below the root, is a recycle bin. */
bool importformat_is_bin(const char *group) NONNULL;
