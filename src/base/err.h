/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors: a negative code from err.def, and struct err, which carries what a person needs to know.
 * Functions that touch the world return 0 or a negative code and take `struct err *e` last; e may
 * be NULL. Libraries do not log; whoever handles an error logs it, once. No secret enters an err.
 */
#pragma once

#include "base/attr.h"

enum err_code {
#define ERR(name, code, number, http, text) ERR_##name = -(number),
#include "base/err.def"
#undef ERR
};

struct err {
	int code;	  /* enum err_code, 0 when empty */
	int sys;	  /* errno, or 0 */
	char sqlstate[6]; /* five characters, or "" */
	const char *file; /* where it was raised */
	int line;
	char text[512]; /* what was tried, what stood in the way, what to do */
};

/* One row of the table made from err.def. */
struct err_info {
	int code;
	int http;	  /* HTTP status */
	const char *name; /* API code: lower case */
	const char *text; /* public text */
};

/* The row of a code, or of ERR_INTERNAL for a code that is not in the list. Never NULL. */
const struct err_info *err_info(int code);

/* All rows, in the order of err.def; *ret_n is their number. */
const struct err_info *err_table(size_t *ret_n);

/* Fills e (which may be NULL) and returns code. Use the macros below. */
int err_set_at(struct err *e, const char *file, int line, int code, int sys, const char *fmt, ...)
	PRINTF(6, 7);

/* Prepends a prefix ("cannot open the journal: ") to the text in e. Returns e->code. */
int err_prefix(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* The text that the API may show: e->text if texts of this code are written for the caller (HTTP
 * status < 500), otherwise the public text of the list. Borrowed from e or the list. */
const char *err_public(const struct err *e);

/* return err_set(e, ERR_IO, "cannot read %s", path); */
#define err_set(e, code, ...) err_set_at((e), __FILE__, __LINE__, (code), 0, __VA_ARGS__)

/* The same with errno: its text is appended as ": No such file or directory". */
#define err_errno(e, code, ...) err_set_at((e), __FILE__, __LINE__, (code), errno, __VA_ARGS__)
