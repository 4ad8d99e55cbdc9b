/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/term.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "base/secret.h"

void
term_print_text(const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c < 0x20 || c == 0x7f)
			printf("\\x%02x", c);
		else
			putchar(c);
	}
}

void
term_print_json(const json_t *o)
{
	json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
}

/* One line, without its end; a byte at a time, so that what follows stays for the next reader. */
static int
read_line(int fd, size_t max, struct buf *ret, struct err *e)
{
	for (;;) {
		char c;
		ssize_t n = read(fd, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_IO, "cannot read the answer");
		if (n == 0 && ret->len == 0)
			return err_set(e, ERR_USAGE, "nothing was given on standard input");
		if (n == 0 || c == '\n')
			return 0;
		if (ret->len == max)
			return err_set(e, ERR_TOO_LARGE, "the line is longer than %zu bytes", max);
		buf_addc(ret, c);
		secret_wipe(&c, 1);
	}
}

static int
read_hidden(int fd, const char *prompt, size_t max, struct buf *ret, struct err *e)
{
	struct termios old, hidden;

	if (tcgetattr(fd, &old) < 0)
		return err_errno(e, ERR_IO, "cannot hide what is typed");
	hidden = old;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	dprintf(fd, "%s: ", prompt);
	tcsetattr(fd, TCSAFLUSH, &hidden);
	int rc = read_line(fd, max, ret, e);
	tcsetattr(fd, TCSAFLUSH, &old);
	dprintf(fd, "\n");
	return rc;
}

int
term_read_secret(const char *prompt, bool confirm, size_t max, struct buf *ret, struct err *e)
{
	if (!isatty(STDIN_FILENO))
		return read_line(STDIN_FILENO, max, ret, e);
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_errno(e, ERR_IO, "cannot open the terminal");
	int rc = read_hidden(fd, prompt, max, ret, e);
	if (rc == 0 && confirm) {
		auto_buf again = BUF_INIT;
		rc = read_hidden(fd, "The same again", max, &again, e);
		if (rc == 0 &&
		    (again.len != ret->len || memcmp(buf_str(&again), buf_str(ret), ret->len) != 0))
			rc = err_set(e, ERR_USAGE, "the two are not the same; nothing was changed");
	}
	close(fd);
	return rc;
}

void
term_table_row(struct term_table *t, ...)
{
	va_list ap;

	if (t->rows == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 32;
		t->cells = realloc(t->cells, t->cap * t->columns * sizeof(*t->cells));
		if (!t->cells)
			abort();
	}
	va_start(ap, t);
	for (size_t c = 0; c < t->columns; c++) {
		const char *s = va_arg(ap, const char *);
		char *p = strdup(s ? s : "");
		if (!p)
			abort();
		t->cells[t->rows * t->columns + c] = p;
	}
	va_end(ap);
	t->rows++;
}

/* Columns on a terminal: UTF-8 continuation bytes take no room. */
static size_t
width(const char *s)
{
	size_t n = 0;
	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void
print_line(const struct term_table *t, const char *const *cells, const size_t *widths)
{
	for (size_t c = 0; c < t->columns; c++) {
		term_print_text(cells[c]);
		if (c + 1 < t->columns)
			printf("%*s", (int)(widths[c] - width(cells[c]) + 2), "");
	}
	putchar('\n');
}

void
term_table_print(struct term_table *t)
{
	size_t widths[8] = { 0 };

	for (size_t c = 0; c < t->columns; c++) {
		widths[c] = width(t->head[c]);
		for (size_t r = 0; r < t->rows; r++) {
			size_t w = width(t->cells[r * t->columns + c]);
			widths[c] = w > widths[c] ? w : widths[c];
		}
	}
	print_line(t, t->head, widths);
	for (size_t r = 0; r < t->rows; r++)
		print_line(t, (const char *const *)&t->cells[r * t->columns], widths);
	for (size_t i = 0; i < t->rows * t->columns; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->rows = t->cap = 0;
}

void
term_note_mode(const struct remote *r)
{
	if (strcmp(remote_mode(r), "emergency") == 0)
		fprintf(stderr,
			"note: the primary is not reachable; this is emergency access at the "
			"secondary, as of %s\n",
			remote_as_of(r));
}
