/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints the tables of verbs: --help and the man page.
 */
#include <ctype.h>
#include <string.h>
#include "cli/frame/cli_impl.h"

static const char *const titles[CLI_PARTS] = {
	[CLI_NODE] = "A node",
	[CLI_PAIR] = "The pair",
	[CLI_CARE] = "Backups, certificates, recovery",
	[CLI_SESSION] = "Your session",
	[CLI_PASSWORDS] = "Passwords",
	[CLI_SHARES] = "Sharing",
	[CLI_CONFLICTS] = "Conflicts, and changes made in emergency",
	[CLI_USERS] = "Users and policy",
	[CLI_LOG] = "The audit log",
};

/* ---- --help ---- */

/* Columns that UTF-8 text takes up on a terminal. */
static int
width_of(const char *s, size_t n)
{
	int w = 0;
	for (size_t i = 0; i < n; i++)
		w += ((unsigned char)s[i] & 0xC0) != 0x80;
	return w;
}

/* Breaks text into lines of at most 90 columns; what follows the first is indented. */
static void
print_wrapped(FILE *out, const char *text, int column, int indent)
{
	while (*text) {
		size_t n = strcspn(text, " \n");
		if (column > indent && column + 1 + width_of(text, n) > 90) {
			fprintf(out, "\n%*s", indent, "");
			column = indent;
		}
		bool gap = column > indent;
		fprintf(out, "%s%.*s", gap ? " " : "", (int)n, text);
		column += gap + width_of(text, n);
		text += n;
		if (*text == '\n') {
			fprintf(out, "\n%*s", indent, "");
			column = indent;
		}
		text += *text != '\0';
	}
	fputc('\n', out);
}

static void
print_opt(const struct cli_opt *o, FILE *out)
{
	int n = fprintf(out, "  --%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
	if (n > 26) {
		fputc('\n', out);
		n = 0;
	}
	fprintf(out, "%*s", 28 - n, "");
	print_wrapped(out, o->help, 28, 28);
}

static void
help_of_verb(const struct cli_verb *v, FILE *out)
{
	fprintf(out, "holdfast %s%s%s%s\n\n", v->name, v->args ? " " : "", v->args ? v->args : "",
		v->opts && v->opts->name ? " [OPTION …]" : "");
	print_wrapped(out, v->help, 0, 0);
	if (v->more) {
		fputc('\n', out);
		print_wrapped(out, v->more, 0, 0);
	}
	if (v->example)
		fprintf(out, "\nExample:\n  %s\n", v->example);
	fputs("\nOptions:\n", out);
	for (const struct cli_opt *o = v->opts; o && o->name; o++)
		print_opt(o, out);
	for (const struct cli_opt *o = cli_common_opts; o->name; o++)
		print_opt(o, out);
}

static void
help_row(const struct cli_verb *v, FILE *out)
{
	char head[128];
	snprintf(head, sizeof(head), "%s%s%s", v->name, v->args ? " " : "", v->args ? v->args : "");
	int n = width_of(head, strlen(head));
	fprintf(out, "  %s%s%*s", head, n > 30 ? "\n" : "", n > 30 ? 33 : 31 - n, "");
	print_wrapped(out, v->help, 33, 33);
}

static void
help_part(const struct cli_verb *const *table, enum cli_part part, FILE *out)
{
	fprintf(out, "\n%s:\n", titles[part]);
	for (; *table; table++)
		if ((*table)->part == part)
			help_row(*table, out);
}

/* "ha": the verbs that begin so. */
void
cli_help_group(const struct cli_verb *const *table, const char *group, FILE *out)
{
	fprintf(out, "holdfast %s VERB [ARGUMENT …] [OPTION …]     holdfast %s VERB --help\n\n",
		group, group);
	for (; *table; table++)
		if (cli_is_in_group(*table, group))
			help_row(*table, out);
}

/* Of "backup", which is a verb and the first word of others. */
static void
help_relatives(const struct cli_verb *const *table, const struct cli_verb *verb, FILE *out)
{
	bool found = false;
	for (; *table; table++) {
		if (!cli_is_in_group(*table, verb->name))
			continue;
		if (!found)
			fputs("\nSee also:\n", out);
		found = true;
		help_row(*table, out);
	}
}

void
cli_help(const struct cli_verb *const *table, const struct cli_verb *verb, FILE *out)
{
	if (verb) {
		help_of_verb(verb, out);
		help_relatives(table, verb, out);
		return;
	}
	fputs("holdfast: a password vault that stays open when its server does not.\n\n"
	      "  holdfast VERB [ARGUMENT …] [OPTION …]     holdfast VERB --help     holdfast "
	      "--version\n",
	      out);
	for (enum cli_part part = CLI_HIDDEN + 1; part < CLI_PARTS; part++)
		help_part(table, part, out);
	fputs("\nExit codes: 0 good, 1 refused, not allowed or failed, 2 not understood, 3 no node "
	      "answers.\n",
	      out);
}

/* ---- the man page ---- */

/* Text as roff takes it: on a line of its own, with nothing in it that is a request. */
static void
man_text(const char *text, FILE *out)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\n.br\n", out);
		else if (*text == '\\' || *text == '-')
			fprintf(out, *text == '-' ? "\\-" : "\\e");
		else
			fputc(*text, out);
	}
}

static void
man_line(const char *font, const char *text, FILE *out)
{
	fprintf(out, "\\f%s", font);
	man_text(text, out);
	fputs("\\fR", out);
}

static void
man_opt(const struct cli_opt *o, FILE *out)
{
	fputs(".TP\n\\fB\\-\\-\\fR", out);
	man_line("B", o->name, out);
	if (o->value) {
		fputc(' ', out);
		man_line("I", o->value, out);
	}
	fputc('\n', out);
	man_text(o->help, out);
	fputc('\n', out);
}

static void
man_verb(const struct cli_verb *v, FILE *out)
{
	fputs(".TP\n", out);
	man_line("B", v->name, out);
	if (v->args) {
		fputc(' ', out);
		man_line("I", v->args, out);
	}
	fputc('\n', out);
	man_text(v->help, out);
	if (v->more) {
		fputs("\n.IP\n", out);
		man_text(v->more, out);
	}
	if (v->example) {
		fputs("\n.IP\nExample:\n.br\n", out);
		man_text(v->example, out);
	}
	fputc('\n', out);
	if (!v->opts || !v->opts->name)
		return;
	fputs(".RS\n", out);
	for (const struct cli_opt *o = v->opts; o->name; o++)
		man_opt(o, out);
	fputs(".RE\n", out);
}

void
cli_man(const struct cli_verb *const *table, FILE *out)
{
	for (enum cli_part part = CLI_HIDDEN + 1; part < CLI_PARTS; part++) {
		fputs(".SH ", out);
		for (const char *p = titles[part]; *p; p++)
			fputc(toupper((unsigned char)*p), out);
		fputc('\n', out);
		for (const struct cli_verb *const *v = table; *v; v++)
			if ((*v)->part == part)
				man_verb(*v, out);
	}
}
