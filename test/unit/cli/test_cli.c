/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/frame/cli.h"

static int
run_nothing(const struct cli *c, struct err *e)
{
	return CLI_GOOD;
}

static const struct cli_opt get_opts[] = {
	{
		.name = "field",
		.value = "NAME",
		.help = "Which field.",
	},
	{
		.name = "copy",
		.help = "To the clipboard.",
	},
	{
		.name = "most",
		.value = "N",
		.help = "How many.",
	},
	{
		.name = "url",
		.value = "TEXT",
		.help = "Of the resource.",
		.empty = true,
	},
	{ 0 },
};

static const struct cli_verb v_get = {
	.name = "get",
	.args = "RESOURCE/LOGIN",
	.min_args = 1,
	.max_args = 1,
	.opts = get_opts,
	.run = run_nothing,
	.help = "Gets a password.",
	.more = ".not a request\nback\\slash",
	.part = CLI_PASSWORDS,
};
static const struct cli_verb v_ls = {
	.name = "ls",
	.run = run_nothing,
	.help = "Lists.",
	.part = CLI_PASSWORDS,
};
static const struct cli_verb v_setup = {
	.name = "ha setup",
	.args = "PRIMARY SECONDARY",
	.min_args = 2,
	.max_args = 2,
	.run = run_nothing,
	.help = "Makes a pair.",
	.part = CLI_PAIR,
};
static const struct cli_verb v_status = {
	.name = "ha status",
	.run = run_nothing,
	.help = "Says.",
	.part = CLI_PAIR,
};
static const struct cli_verb v_hidden = {
	.name = "docs api",
	.run = run_nothing,
	.help = "Prints.",
	.part = CLI_HIDDEN,
};
static const struct cli_verb *const table[] = {
	&v_get, &v_ls, &v_setup, &v_status, &v_hidden, NULL
};

#define PARSE(c, help, e, ...)                                                                     \
	({                                                                                         \
		char *argv_[] = { "holdfast", __VA_ARGS__, NULL };                                 \
		cli_parse(table, (int)ARRAY_LEN(argv_) - 1, argv_, (c), (help), (e));              \
	})

struct parsed {
	struct cli c;
	bool help;
	struct err e;
};

static void
finds_verbs_of_one_and_two_words(void **state)
{
	struct parsed p = { 0 };
	assert_int_equal(PARSE(&p.c, &p.help, &p.e, "get", "site/root"), 0);
	assert_ptr_equal(p.c.verb, &v_get);
	assert_int_equal(p.c.nargs, 1);
	assert_string_equal(p.c.args[0], "site/root");
	assert_null(p.c.args[1]);
	assert_int_equal(PARSE(&p.c, &p.help, &p.e, "ha", "setup", "a", "b"), 0);
	assert_ptr_equal(p.c.verb, &v_setup);
	assert_int_equal(p.c.nargs, 2);
}

static void
takes_options_anywhere(void **state)
{
	struct parsed p = { 0 };
	assert_int_equal(PARSE(&p.c, &p.help, &p.e, "get", "--field=user", "x", "--copy", "--json",
			       "--field", "url"),
			 0);
	assert_string_equal(cli_get(&p.c, "field"), "url");
	assert_true(cli_has(&p.c, "copy"));
	assert_false(cli_has(&p.c, "most"));
	assert_true(p.c.json);
	assert_int_equal(p.c.nargs, 1);
}

static void
two_dashes_end_options(void **state)
{
	struct parsed p = { 0 };
	assert_int_equal(PARSE(&p.c, &p.help, &p.e, "get", "--", "--copy"), 0);
	assert_string_equal(p.c.args[0], "--copy");
	assert_false(cli_has(&p.c, "copy"));
	assert_int_equal(PARSE(&p.c, &p.help, &p.e, "get", "-"), 0);
	assert_string_equal(p.c.args[0], "-");
}

static void
refuses(const char *const *words, const char *why)
{
	struct parsed p = { 0 };
	char *argv[16] = { "holdfast" };
	int n = 1;
	for (; words[n - 1]; n++)
		argv[n] = UNCONST(char *, words[n - 1]);
	assert_int_equal(cli_parse(table, n, argv, &p.c, &p.help, &p.e), ERR_USAGE);
	if (!strstr(p.e.text, why))
		fail_msg("'%s' does not say '%s'", p.e.text, why);
}

static void
refusals_say_what_there_is(void **state)
{
	refuses((const char *[]){ "gett", "x", NULL }, "did you mean: get");
	refuses((const char *[]){ "ha", NULL }, "ha setup, ha status");
	refuses((const char *[]){ "ha", "statsu", NULL }, "did you mean: ha status?");
	refuses((const char *[]){ "ha", "quux", NULL }, "did you mean: ha setup, ha status?");
	refuses((const char *[]){ "quux", NULL }, "--help lists");
	refuses((const char *[]){ "get", NULL }, "holdfast get RESOURCE/LOGIN");
	refuses((const char *[]){ "ls", "x", NULL }, "'x' is too much");
	refuses((const char *[]){ "get", "x", "--feild", "y", NULL }, "did you mean --field");
	refuses((const char *[]){ "get", "x", "--zzzzzzzzzz", NULL }, "holdfast get --help");
	refuses((const char *[]){ "get", "x", "--field", NULL }, "--field NAME");
	refuses((const char *[]){ "get", "x", "--copy=1", NULL }, "takes no value");
	refuses((const char *[]){ "get", "-x", NULL }, "two dashes");
}

/* What an unset variable of a script leaves behind names nothing. */
static void
refuses_what_is_empty(void **state)
{
	struct parsed p = { 0 };

	refuses((const char *[]){ "get", "", NULL }, "argument 1 is empty");
	refuses((const char *[]){ "get", "--", "", NULL }, "argument 1 is empty");
	refuses((const char *[]){ "ha", "setup", "a", "", NULL }, "argument 2 is empty");
	refuses((const char *[]){ "get", "x", "--field", "", NULL }, "--field is empty");
	refuses((const char *[]){ "get", "x", "--field=", NULL }, "--field is empty");
	assert_int_equal(PARSE(&p.c, &p.help, &p.e, "get", "x", "--url", ""), 0);
	assert_string_equal(cli_get(&p.c, "url"), "");
}

static void
too_many_words_are_refused(void **state)
{
	char *argv[2 * CLI_OPTS_MAX + 8] = { "holdfast", "get", "x" };
	struct parsed p = { 0 };
	int n = 3;
	while (n < (int)ARRAY_LEN(argv) - 1)
		argv[n++] = "--copy";
	assert_int_equal(cli_parse(table, n, argv, &p.c, &p.help, &p.e), ERR_USAGE);
	for (int i = 2; i < n; i++)
		argv[i] = "x";
	assert_int_equal(cli_parse(table, n, argv, &p.c, &p.help, &p.e), ERR_USAGE);
}

static void
help_needs_no_arguments(void **state)
{
	struct parsed p = { 0 };
	assert_int_equal(PARSE(&p.c, &p.help, &p.e, "get", "--help"), 0);
	assert_true(p.help);
	assert_ptr_equal(p.c.verb, &v_get);
	assert_int_equal(PARSE(&p.c, &p.help, &p.e, "help", "ha", "setup"), 0);
	assert_true(p.help);
	assert_ptr_equal(p.c.verb, &v_setup);
	assert_int_equal(PARSE(&p.c, &p.help, &p.e, "--help"), 0);
	assert_true(p.help);
	assert_null(p.c.verb);
	assert_int_equal(PARSE(&p.c, &p.help, &p.e, "ls", "-h"), 0);
	assert_true(p.help);
}

static void
numbers_are_bounded(void **state)
{
	struct parsed p = { 0 };
	int64_t v = 0;
	static const char *const bad[] = { "0", "11", "x", "5x", " 5", "99999999999999999999" };
	assert_int_equal(PARSE(&p.c, &p.help, &p.e, "get", "x"), 0);
	assert_int_equal(cli_get_int(&p.c, "most", 1, 10, 7, &v, &p.e), 0);
	assert_int_equal(v, 7);
	assert_int_equal(PARSE(&p.c, &p.help, &p.e, "get", "x", "--most", "10"), 0);
	assert_int_equal(cli_get_int(&p.c, "most", 1, 10, 7, &v, &p.e), 0);
	assert_int_equal(v, 10);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(
			PARSE(&p.c, &p.help, &p.e, "get", "x", "--most", UNCONST(char *, bad[i])),
			0);
		assert_int_equal(cli_get_int(&p.c, "most", 1, 10, 7, &v, &p.e), ERR_USAGE);
	}
}

static void
a_number_is_whole_and_within_its_bounds(void **state)
{
	static const char *const bad[] = { "",
					   "-",
					   "+5",
					   " 5",
					   "5 ",
					   "5x",
					   "0x5",
					   "0",
					   "11",
					   "-1",
					   "99999999999999999999",
					   "55555555555555555555555555555" };
	int64_t v = -7;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (cli_number(bad[i], strlen(bad[i]), 1, 10, &v) || v != -7)
			fail_msg("'%s' is taken", bad[i]);
	assert_true(cli_number("10", 2, 1, 10, &v) && v == 10);
	assert_true(cli_number("7/x", 1, 1, 10, &v) && v == 7);
	assert_true(cli_number("-3", 2, -3, 10, &v) && v == -3);
	assert_true(cli_number("9223372036854775807", 19, 1, INT64_MAX, &v) && v == INT64_MAX);
}

static void
help_lists_all_but_hidden(void **state)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	cli_help(table, NULL, f);
	fclose(f);
	for (const struct cli_verb *const *v = table; *v; v++) {
		if ((*v)->part == CLI_HIDDEN)
			assert_null(strstr(text, (*v)->name));
		else
			assert_non_null(strstr(text, (*v)->name));
	}
	free(text);
}

/* What a text holds stays text: roff takes no request and no escape from it. */
static void
the_man_page_has_every_verb_and_its_options(void **state)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	cli_man(table, f);
	fclose(f);
	assert_non_null(strstr(text, ".SH PASSWORDS\n.TP\n\\fBget\\fR \\fIRESOURCE/LOGIN\\fR\n"));
	assert_non_null(
		strstr(text, ".TP\n\\fB\\-\\-\\fR\\fBfield\\fR \\fINAME\\fR\nWhich field.\n"));
	assert_non_null(strstr(text, ".IP\n\\&.not a request\n.br\nback\\eslash\n"));
	assert_non_null(strstr(text, "\\fBha setup\\fR"));
	assert_null(strstr(text, "docs"));
	free(text);
}

static void
help_of_a_verb_names_its_options(void **state)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	cli_help(table, &v_get, f);
	fclose(f);
	for (const struct cli_opt *o = get_opts; o->name; o++) {
		assert_non_null(strstr(text, o->name));
		assert_non_null(strstr(text, o->help));
	}
	assert_non_null(strstr(text, "--json"));
	free(text);
}

static void
exit_codes(void **state)
{
	assert_int_equal(cli_exit_of(ERR_USAGE), 2);
	assert_int_equal(cli_exit_of(ERR_UNREACHABLE), 3);
	assert_int_equal(cli_exit_of(ERR_FORBIDDEN), 1);
	assert_int_equal(cli_exit_of(0), 0);
	assert_int_equal(cli_exit_of(CLI_STATUS_FAILED), 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_verbs_of_one_and_two_words),
		cmocka_unit_test(takes_options_anywhere),
		cmocka_unit_test(two_dashes_end_options),
		cmocka_unit_test(refusals_say_what_there_is),
		cmocka_unit_test(refuses_what_is_empty),
		cmocka_unit_test(too_many_words_are_refused),
		cmocka_unit_test(help_needs_no_arguments),
		cmocka_unit_test(numbers_are_bounded),
		cmocka_unit_test(help_lists_all_but_hidden),
		cmocka_unit_test(a_number_is_whole_and_within_its_bounds),
		cmocka_unit_test(the_man_page_has_every_verb_and_its_options),
		cmocka_unit_test(help_of_a_verb_names_its_options),
		cmocka_unit_test(exit_codes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
