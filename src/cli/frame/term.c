/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/frame/term.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>
#include "base/json_out.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/secret.h"

/* How a character that nobody sees, or that steers the terminal, is shown; its length. */
static int
escape(uint32_t c, char ret[static 12])
{
	return snprintf(ret, 12, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
}

void
term_write_text(const char *s, bool lines, FILE *out)
{
	while (*s) {
		uint32_t c;
		bool unseen;
		char shown[12];
		size_t n = name_char(s, &c, &unseen);

		if (!unseen || (lines && (c == '\n' || c == '\t')))
			fwrite(s, 1, n, out);
		else
			fwrite(shown, 1, (size_t)escape(c, shown), out);
		s += n;
	}
}

void
term_say(FILE *out, const char *format, ...)
{
	auto_buf text = BUF_INIT;
	va_list ap;

	va_start(ap, format);
	buf_addv(&text, format, ap);
	va_end(ap);
	term_write_text(buf_str(&text), true, out);
}

void
term_print_text(const char *s)
{
	term_write_text(s, false, stdout);
}

/* The same JSON with what nobody sees as \u…: controls below U+0020 are so already. */
void
term_write_json(const json_t *o)
{
	auto_buf text = BUF_INIT;

	remote_json_text(o, JSON_INDENT(2) | JSON_PRESERVE_ORDER, &text);
	for (const char *s = buf_str(&text); *s;) {
		uint32_t c;
		bool unseen;
		size_t n = name_char(s, &c, &unseen);

		if (!unseen || c < 0x20)
			fwrite(s, 1, n, stdout);
		else if (c < 0x10000)
			printf("\\u%04x", c);
		else
			printf("\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
			       0xdc00 + ((c - 0x10000) & 0x3ff));
		s += n;
	}
}

void
term_print_json(const json_t *o)
{
	term_write_json(o);
	putchar('\n');
}

bool
term_said_json(bool json, const json_t *o)
{
	if (json)
		term_print_json(o);
	return json;
}

/* One line, without its end; a byte at a time, so that what follows stays for the next reader.
 * ERR_REFUSED when it ends in `interrupt`. */
static int
read_line(int fd, size_t max, char interrupt, struct buf *ret, struct err *e)
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
		if (c == interrupt)
			return err_set(e, ERR_REFUSED, "interrupted");
		if (ret->len == max)
			return err_set(e, ERR_TOO_LARGE, "the line is longer than %zu bytes", max);
		buf_addc(ret, c);
		secret_wipe(&c, 1);
	}
}

/* Ctrl-C would leave the terminal without its echo. So it ends the line instead, as a character,
 * and takes its effect when all is as it was. */
static int
read_hidden(int fd, const char *prompt, size_t max, struct buf *ret, struct err *e)
{
	struct termios old, hidden;

	if (tcgetattr(fd, &old) < 0)
		return err_errno(e, ERR_IO, "cannot hide what is typed");
	const char interrupt = (char)old.c_cc[VINTR];
	hidden = old;
	hidden.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	hidden.c_cc[VEOL] = old.c_cc[VINTR];
	/* Hidden first: whoever sees the prompt may type at once. */
	if (tcsetattr(fd, TCSAFLUSH, &hidden) < 0)
		return err_errno(e, ERR_IO, "cannot hide what is typed");
	dprintf(fd, "%s: ", prompt);
	int rc = read_line(fd, max, interrupt, ret, e);
	tcsetattr(fd, TCSAFLUSH, &old);
	dprintf(fd, "\n");
	if (rc == ERR_REFUSED)
		raise(SIGINT);
	return rc;
}

/* JSON carries UTF-8 and C strings no NUL. A secret is stored as given, or not at all. */
static int
check_secret(const struct buf *b, struct err *e)
{
	if (b->len == 0)
		return err_set(e, ERR_USAGE, "nothing was given");
	if (memchr(b->data, '\0', b->len) || !json_out_is_utf8(b->data, b->len))
		return err_set(
			e, ERR_USAGE,
			"what was given is binary: not text in UTF-8, or with a NUL character; "
			"nothing was sent (base64 makes text of it)");
	return 0;
}

static int
read_at_terminal(const char *prompt, bool confirm, size_t max, struct buf *ret, struct err *e)
{
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

int
term_read_secret(const char *prompt, bool confirm, size_t max, struct buf *ret, struct err *e)
{
	int rc = isatty(STDIN_FILENO) ? read_at_terminal(prompt, confirm, max, ret, e)
				      : read_line(STDIN_FILENO, max, '\n', ret, e);
	return rc == 0 ? check_secret(ret, e) : rc;
}

/* All that fd has; one byte more than max tells that it is too much. */
static int
read_all(int fd, size_t max, struct buf *ret, struct err *e)
{
	for (;;) {
		buf_reserve(ret, 4096);
		ssize_t n = read(fd, ret->data + ret->len, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_IO, "cannot read the value");
		if (n == 0)
			return 0;
		ret->len += (size_t)n;
		ret->data[ret->len] = '\0';
		if (ret->len > max)
			return err_set(e, ERR_TOO_LARGE,
				       "the value is longer than %zu bytes; nothing was sent", max);
	}
}

/* What a shell's echo or an editor puts behind a single line is not part of it. */
static void
drop_line_end(struct buf *b)
{
	const char *end = memchr(b->data, '\n', b->len);

	if (!end || end != b->data + b->len - 1)
		return;
	b->data[--b->len] = '\0';
	if (b->len && b->data[b->len - 1] == '\r')
		b->data[--b->len] = '\0';
}

int
term_read_value(const char *prompt, const char *file, size_t max, struct buf *ret, struct err *e)
{
	if (!file && isatty(STDIN_FILENO))
		return term_read_secret(prompt, true, max, ret, e);
	int fd = file && strcmp(file, "-") != 0 ? open(file, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (fd < 0)
		return err_errno(e, ERR_IO, "cannot open %s", file);
	int rc = read_all(fd, max + 2, ret, e); /* its line end is not counted */
	if (fd != STDIN_FILENO)
		close(fd);
	if (rc == 0 && ret->len)
		drop_line_end(ret);
	if (rc == 0 && ret->len > max)
		rc = err_set(e, ERR_TOO_LARGE,
			     "the value is longer than %zu bytes; nothing was sent", max);
	return rc == 0 ? check_secret(ret, e) : rc;
}

int
term_no_more(const char *what, struct err *e)
{
	char c;
	ssize_t n = 0;

	if (isatty(STDIN_FILENO))
		return 0;
	while ((n = read(STDIN_FILENO, &c, 1)) < 0 && errno == EINTR)
		;
	if (n <= 0)
		return 0;
	secret_wipe(&c, 1);
	return err_set(e, ERR_USAGE,
		       "standard input has more than %s, each on one line; nothing was changed",
		       what);
}

int
term_confirm(const char *question, struct err *e)
{
	char answer[16];

	for (;;) {
		term_write_text(question, true, stderr);
		fprintf(stderr, " [yes/no] ");
		if (!fgets(answer, sizeof(answer), stdin))
			return err_set(e, ERR_REFUSED, "no answer; nothing was changed");
		answer[strcspn(answer, "\n")] = '\0';
		if (strcasecmp(answer, "yes") == 0 || strcasecmp(answer, "y") == 0)
			return 0;
		if (!answer[0] || strcasecmp(answer, "no") == 0 || strcasecmp(answer, "n") == 0)
			return err_set(e, ERR_REFUSED, "not confirmed; nothing was changed");
	}
}

void
term_quote(struct buf *out, const char *s)
{
	bool plain = *s;

	for (const char *p = s; *p && plain; p++)
		plain = isalnum((unsigned char)*p) || strchr("-._/@:+=%", *p);
	if (plain && *s != '-') {
		buf_adds(out, s);
		return;
	}
	buf_addc(out, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			buf_adds(out, "'\\''");
		else
			buf_addc(out, *s);
	}
	buf_addc(out, '\'');
}

void
term_table_row(struct term_table *t, ...)
{
	va_list ap;

	if (t->rows == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 32;
		t->cells = mem_grow(t->cells, t->cap * t->columns, sizeof(*t->cells));
	}
	va_start(ap, t);
	for (size_t c = 0; c < t->columns; c++) {
		const char *s = va_arg(ap, const char *);
		char *p = mem_dup(s ? s : "");
		t->cells[t->rows * t->columns + c] = p;
	}
	va_end(ap);
	t->rows++;
}

/* Columns that term_print_text takes up. */
static size_t
width(const char *s)
{
	size_t n = 0;

	while (*s) {
		uint32_t c;
		bool unseen;
		char shown[12];

		s += name_char(s, &c, &unseen);
		n += unseen ? (size_t)escape(c, shown) : 1;
	}
	return n;
}

static void
print_line(const struct term_table *t, const char *const *cells)
{
	for (size_t c = 0; c < t->columns; c++) {
		term_print_text(cells[c]);
		if (c + 1 < t->columns) {
			size_t w = width(cells[c]);
			printf("%*s", w < t->widths[c] ? (int)(t->widths[c] - w) + 2 : 2, "");
		}
	}
	putchar('\n');
}

static void
begin_table(struct term_table *t)
{
	for (size_t c = 0; c < t->columns; c++) {
		t->widths[c] = width(t->head[c]);
		for (size_t r = 0; r < t->rows; r++) {
			size_t w = width(t->cells[r * t->columns + c]);
			t->widths[c] = w > t->widths[c] ? w : t->widths[c];
		}
	}
	print_line(t, t->head);
	t->begun = true;
}

void
term_table_print(struct term_table *t)
{
	if (!t->begun)
		begin_table(t);
	for (size_t r = 0; r < t->rows; r++)
		print_line(t, (const char *const *)&t->cells[r * t->columns]);
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

void
term_step(void *step, const char *text, int percent)
{
	struct term_step *s = step;

	if (s->tty && percent >= 0)
		fprintf(stderr, "\r\033[K%s … %d %%", text, percent);
	else if (strcmp(s->shown, text) != 0)
		fprintf(stderr, s->tty ? "\r\033[K%s …" : "%s …\n", text);
	snprintf(s->shown, sizeof(s->shown), "%s", text);
	fflush(stderr);
}

void
term_step_end(const struct term_step *s)
{
	if (s->tty)
		fprintf(stderr, "\r\033[K");
}
