/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of the API, page by page: each page is printed before the next is asked for. --most is a
 * hard limit, and closing the pipe ends the listing. A verb that lists has one constant that
 * describes its list, and PAGING_OPT_MOST among its options.
 */
#pragma once

#include "cli/frame/cli.h"
#include "cli/frame/remote.h"
#include "cli/frame/term.h"

#define PAGING_OPT_MOST(what)                                                                      \
	{                                                                                          \
		.name = "most", .value = "N", .help = "At most N " what ".",                       \
	}

struct paging {
	const char *array;  /* the member of an answer that has the rows */
	const char *cursor; /* the parameter that takes an answer's "next" */
	const char
		*none; /* what is said when there is nothing; NULL: the head of the table alone */
	const char *
		whole; /* what --json calls the list, as a member of an object; NULL: it is an array */
	int64_t most; /* rows unless --most says otherwise; 0: all */
	void (*row)(struct term_table *t, const json_t *row); /* adds its lines to the table */
	/* Reads what the answer left out of a row; NULL: nothing ever is. */
	int (*complete)(struct remote *r, json_t *row, struct err *e);
	size_t columns;
	const char *head[TERM_COLUMNS_MAX];
};

/* Checks --most and opens the session. */
int paging_open(const struct cli *c, const struct paging *list, struct remote **ret,
		struct err *e) NONNULL MUST_USE;
/* Prints what path (it may have a query) lists; widths of columns fit the first page. CLI_GOOD. */
int paging_print(const struct cli *c, struct remote *r, const struct paging *list, const char *path,
		 struct err *e) NONNULL MUST_USE;

/* Gives every row to fn, until it says that it has enough (false). */
typedef bool paging_fn(void *arg, json_t *row);
int paging_each(struct remote *r, const struct paging *list, const char *path, paging_fn *fn,
		void *arg, struct err *e) MUST_USE;
