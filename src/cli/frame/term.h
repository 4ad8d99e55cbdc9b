/* SPDX-License-Identifier: Apache-2.0
 *
 * The terminal: reads secrets without echo, prints tables, and makes text from the server
 * harmless.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include "cli/frame/remote.h"

/* Reads a secret: from the terminal without echo under `prompt` (twice when `confirm`), or one line
 * of standard input if that is not a terminal. 1 to max bytes of UTF-8 without NUL: what would not
 * come back as it was given is refused. Wiped by buf_done. */
int term_read_secret(const char *prompt, bool confirm, size_t max, struct buf *ret,
		     struct err *e) NONNULL MUST_USE;

/* Reads a value for the vault: as above at a terminal; else all of standard input, or of `file` ("-"
 * is standard input), to its end. The line end after a single line is dropped. 1 to max bytes. */
int term_read_value(const char *prompt, const char *file, size_t max, struct buf *ret,
		    struct err *e) MUST_USE;
/* Refuses unread input on a standard input that is not a terminal: it was meant for something other
 * than `what`. */
int term_no_more(const char *what, struct err *e) NONNULL MUST_USE;

/* Asks "QUESTION [yes/no] " on the terminal until the answer is yes, y, no, n, or nothing, which
 * means no. ERR_REFUSED: no. */
int term_confirm(const char *question, struct err *e) NONNULL MUST_USE;
/* Appends text as one word of the shell, so that the command shown can be pasted. */
void term_quote(struct buf *out, const char *s) NONNULL;

/* Prints the JSON text of o and a newline. */
void term_print_json(const json_t *o) NONNULL;
/* The same if --json was given; then true, and there is nothing more to say. */
bool term_said_json(bool json, const json_t *o) MUST_USE;
void term_write_json(const json_t *o) NONNULL; /* without the newline */
/* Prints text from the server with control characters made visible. */
void term_print_text(const char *s) NONNULL;
/* The same, to `out`; line ends stay when `lines`. */
void term_write_text(const char *s, bool lines, FILE *out) NONNULL;
/* fprintf for a sentence with names from the server in it; its own line ends and tabs stay. */
void term_say(FILE *out, const char *format, ...) PRINTF(2, 3);

#define TERM_COLUMNS_MAX 9

/* A table. Printed in parts, its widths fit the first of them, which alone has the head. */
struct term_table {
	const char *head[TERM_COLUMNS_MAX];
	size_t columns, rows, cap;
	char **cells;
	bool begun;
	size_t widths[TERM_COLUMNS_MAX];
};
void term_table_row(struct term_table *t, ...)
	__attribute__((nonnull(1)));		     /* `columns` texts; NULL is "" */
void term_table_print(struct term_table *t) NONNULL; /* prints the rows and frees them */

/* Says on stderr, once, that the answer came in emergency and how old it may be. */
void term_note_mode(const struct remote *r) NONNULL;

/* Shows the steps of something long on stderr: on a terminal as one line that moves, elsewhere each
 * step once. Begin with { .tty = … }; percent -1: not known. */
struct term_step {
	bool tty;
	char shown[128]; /* the step that is on the line now */
};
void term_step(void *step, const char *text, int percent) NONNULL;
void term_step_end(const struct term_step *s) NONNULL; /* clears the line */
