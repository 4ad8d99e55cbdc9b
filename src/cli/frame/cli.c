/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/frame/cli_impl.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/json_out.h"
#include "cli/frame/term.h"

#define WORD_MAX 64

const struct cli_opt cli_common_opts[] = {
	{
		.name = "json",
		.help = "Prints one JSON object (or array) instead of text.",
	},
	{
		.name = "help",
		.help = "Prints this help.",
	},
	{ 0 },
};

const char *
cli_get(const struct cli *c, const char *name)
{
	for (size_t k = c->nset; k-- > 0;)
		if (strcmp(c->set[k].opt->name, name) == 0)
			return c->set[k].value;
	return NULL;
}

bool
cli_has(const struct cli *c, const char *name)
{
	return cli_get(c, name) != NULL;
}

bool
cli_number(const char *text, size_t n, int64_t lo, int64_t hi, int64_t *ret)
{
	char digits[24], *end = NULL;
	size_t sign = n > 0 && text[0] == '-';

	if (n == sign || n >= sizeof(digits) || strspn(text + sign, "0123456789") < n - sign)
		return false;
	snprintf(digits, sizeof(digits), "%.*s", (int)n, text);
	errno = 0;
	long long v = strtoll(digits, &end, 10);
	if (errno || *end || v < lo || v > hi)
		return false;
	*ret = v;
	return true;
}

int
cli_get_int(const struct cli *c, const char *name, int64_t lo, int64_t hi, int64_t otherwise,
	    int64_t *ret, struct err *e)
{
	const char *text = cli_get(c, name);
	if (!text) {
		*ret = otherwise;
		return 0;
	}
	if (!cli_number(text, strlen(text), lo, hi, ret))
		return err_set(e, ERR_USAGE, "--%s takes a number from %lld to %lld, not '%s'",
			       name, (long long)lo, (long long)hi, text);
	return 0;
}

struct home_word {
	const char *dir;
	bool by_option, by_variable; /* neither: the service's home */
};

/* Nothing there, or something else: it is to be named, or made. */
static int
no_home(const struct home_word *w, const char *what, bool may_be_made, struct err *e)
{
	bool named = w->by_option || w->by_variable;

	return err_set(e, ERR_PRECONDITION,
		       "%s%s %s%s: name the node's home with --home DIR%s, or make a node %s: "
		       "holdfast init --home %s",
		       w->dir, w->by_variable ? " (from HOLDFAST_HOME)" : "", what,
		       named ? "" : ", and --home was not given", named ? "" : " or HOLDFAST_HOME",
		       may_be_made ? "there" : "in a new folder", may_be_made ? w->dir : "DIR");
}

static struct home_word
find_home_word(const struct cli *c)
{
	const char *given = cli_get(c, "home"), *variable = getenv("HOLDFAST_HOME");

	if (given && *given)
		return (struct home_word){ .dir = given, .by_option = true };
	if (!given && variable && *variable)
		return (struct home_word){ .dir = variable, .by_variable = true };
	return (struct home_word){ .dir = HOME_DEFAULT };
}

int
cli_home(const struct cli *c, struct home *ret, struct err *e)
{
	struct home_word w = find_home_word(c);
	char node[HOME_PATH_MAX];
	struct err why = { 0 };

	int r = home_open(ret, w.dir, &why);
	if (r && why.sys == ENOENT)
		return no_home(&w, "does not exist", true, e);
	if (r && why.sys == ENOTDIR)
		return no_home(&w, "is not a folder", false, e);
	if (r) {
		*e = why;
		if (w.by_option)
			return r;
		return err_prefix(e,
				  "%s: ", w.by_variable ? "HOLDFAST_HOME" : "--home was not given");
	}
	home_path(ret, HOME_NODE, node);
	if (access(node, F_OK) < 0 && errno == ENOENT) {
		w.dir = ret->dir;
		return no_home(&w, "is not the home of a node", true, e);
	}
	return 0;
}

const char *
cli_paint(const struct cli *c, enum cli_paint p)
{
	static const char *const codes[] = {
		[CLI_PLAIN] = "\033[0m", [CLI_BOLD] = "\033[1m",    [CLI_GREEN] = "\033[32m",
		[CLI_RED] = "\033[31m",	 [CLI_YELLOW] = "\033[33m", [CLI_FAINT] = "\033[2m",
	};
	return c->colour ? codes[p] : "";
}

int
cli_exit_of(int code)
{
	switch (code) {
	case ERR_USAGE:
		return CLI_USAGE;
	case ERR_UNREACHABLE:
		return CLI_UNREACHABLE;
	default:
		return code < 0 ? CLI_FAILED : code;
	}
}

/* How many letters must be changed to make b of a; both are cut at WORD_MAX. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1], na = strnlen(a, WORD_MAX), nb = strnlen(b, WORD_MAX);
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[nb];
}

static bool
resembles(const char *name, const char *word)
{
	size_t n = strlen(word), allowed = n <= 3 ? 1 : n <= 6 ? 2 : 3;
	return (n >= 2 && strncmp(name, word, n) == 0) || distance(name, word) <= allowed;
}

/* Words of the command line that a verb's name takes up; 0: it is not this verb. */
static int
words_of(const char *name, int argc, char **argv)
{
	int n = 0;
	while (*name) {
		size_t len = strcspn(name, " ");
		if (n >= argc || strlen(argv[n]) != len || strncmp(argv[n], name, len) != 0)
			return 0;
		n++;
		name += len + (name[len] == ' ');
	}
	return n;
}

bool
cli_is_in_group(const struct cli_verb *v, const char *group)
{
	size_t n = strlen(group);
	return v->part != CLI_HIDDEN && strncmp(v->name, group, n) == 0 && v->name[n] == ' ';
}

/* Adds "; did you mean: x, y?": the verbs that resemble what was typed; where none does, those of
 * the group that its first word names. */
static void
add_suggestions(const struct cli_verb *const *table, int argc, char **argv, struct buf *out)
{
	char typed[2 * WORD_MAX];
	snprintf(typed, sizeof(typed), "%s%s%s", argv[0], argc > 1 && argv[1][0] != '-' ? " " : "",
		 argc > 1 && argv[1][0] != '-' ? argv[1] : "");
	int found = 0;
	for (int far = 0; far <= 1 && !found; far++)
		for (const struct cli_verb *const *v = table; *v; v++) {
			const char *name = (*v)->name;
			bool grouped = cli_is_in_group(*v, argv[0]);
			bool near =
				resembles(name, typed) || (!grouped && resembles(name, argv[0]));
			if ((*v)->part == CLI_HIDDEN || !(far ? grouped : near))
				continue;
			buf_adds(out, found++ ? ", " : "; did you mean: ");
			buf_adds(out, name);
		}
	buf_adds(out, found ? "?" : "; holdfast --help lists what there is");
}

static int
find_verb(const struct cli_verb *const *table, int argc, char **argv, const struct cli_verb **ret,
	  int *ret_words, struct err *e)
{
	int best = 0;
	for (const struct cli_verb *const *v = table; *v; v++) {
		int n = words_of((*v)->name, argc, argv);
		if (n > best) {
			best = n;
			*ret = *v;
		}
	}
	*ret_words = best;
	if (best)
		return 0;
	auto_buf more = BUF_INIT;
	bool group = false;
	for (const struct cli_verb *const *v = table; *v; v++)
		group |= cli_is_in_group(*v, argv[0]);
	add_suggestions(table, argc, argv, &more);
	if (group && argc == 1)
		return err_set(e, ERR_USAGE, "'%s' alone says too little%s (holdfast %s --help)",
			       argv[0], buf_str(&more), argv[0]);
	return err_set(e, ERR_USAGE, "there is no '%s%s%s'%s", argv[0], group ? " " : "",
		       group ? argv[1] : "", buf_str(&more));
}

/* "ha --help", "help ha": of a first word that is no verb by itself. */
static bool
asks_for_group(const struct cli_verb *const *table, bool help, int argc, char **argv)
{
	bool found = false;
	for (int i = 1; i < argc; i++)
		help |= strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
	if (!help || (argc > 1 && argv[1][0] != '-'))
		return false;
	for (; *table; table++) {
		if (strcmp((*table)->name, argv[0]) == 0)
			return false;
		found |= cli_is_in_group(*table, argv[0]);
	}
	return found;
}

static const struct cli_opt *
find_in(const struct cli_opt *o, const char *name, size_t n)
{
	for (; o && o->name; o++)
		if (strlen(o->name) == n && strncmp(o->name, name, n) == 0)
			return o;
	return NULL;
}

static int
unknown_opt(const struct cli_verb *verb, const char *given, size_t n, struct err *e)
{
	char name[WORD_MAX];
	snprintf(name, sizeof(name), "%.*s", (int)n, given);
	for (const struct cli_opt *o = verb->opts; o && o->name; o++)
		if (resembles(o->name, name))
			return err_set(e, ERR_USAGE, "there is no --%s; did you mean --%s?", name,
				       o->name);
	return err_set(e, ERR_USAGE, "there is no --%s; holdfast %s --help lists what there is",
		       name, verb->name);
}

/* One "--name", "--name=value" or "--name value", word being argv[*i]; moves *i to its last word. */
static int
take_opt(struct cli *c, const char *word, int argc, char **argv, int *i, struct err *e)
{
	const char *name = word + 2;
	size_t n = strcspn(name, "=");
	const struct cli_opt *o = find_in(c->verb->opts, name, n);
	if (!o)
		o = find_in(cli_common_opts, name, n);
	if (!o)
		return unknown_opt(c->verb, name, n, e);
	const char *value = "";
	if (!o->value && name[n] == '=')
		return err_set(e, ERR_USAGE, "--%s takes no value", o->name);
	if (o->value && name[n] == '=')
		value = name + n + 1;
	else if (o->value && *i + 1 < argc)
		value = argv[++*i];
	else if (o->value)
		return err_set(e, ERR_USAGE, "--%s needs a value: --%s %s", o->name, o->name,
			       o->value);
	if (o->value && !*value && !o->empty)
		return err_set(e, ERR_USAGE,
			       "the value of --%s is empty; leave --%s out if it is not meant",
			       o->name, o->name);
	if (c->nset == CLI_OPTS_MAX)
		return err_set(e, ERR_USAGE, "more than %d options", CLI_OPTS_MAX);
	c->set[c->nset].opt = o;
	c->set[c->nset++].value = value;
	return 0;
}

static int
take_words(struct cli *c, int argc, char **argv, struct err *e)
{
	bool only_args = false;
	for (int i = 0; i < argc; i++) {
		const char *w = !only_args && strcmp(argv[i], "-h") == 0 ? "--help" : argv[i];
		if (!only_args && strcmp(w, "--") == 0) {
			only_args = true;
		} else if (!only_args && strncmp(w, "--", 2) == 0) {
			int r = take_opt(c, w, argc, argv, &i, e);
			if (r)
				return r;
		} else if (!only_args && w[0] == '-' && w[1]) {
			return err_set(e, ERR_USAGE, "options begin with two dashes: '%s'", w);
		} else if (c->nargs == CLI_ARGS_MAX) {
			return err_set(e, ERR_USAGE, "more than %d arguments", CLI_ARGS_MAX);
		} else {
			c->args[c->nargs++] = w;
		}
	}
	return 0;
}

static int
check_args(const struct cli *c, struct err *e)
{
	const struct cli_verb *v = c->verb;
	const char *gap = v->args ? " " : "", *args = v->args ? v->args : "";
	for (int i = 0; i < c->nargs; i++)
		if (!*c->args[i])
			return err_set(e, ERR_USAGE,
				       "argument %d is empty (an unset variable?): holdfast %s %s",
				       i + 1, v->name, args);
	if (c->nargs >= v->min_args && c->nargs <= v->max_args)
		return 0;
	if (c->nargs < v->min_args)
		return err_set(e, ERR_USAGE, "something is missing: holdfast %s%s%s", v->name, gap,
			       args);
	return err_set(e, ERR_USAGE, "'%s' is too much: holdfast %s%s%s", c->args[v->max_args],
		       v->name, gap, args);
}

int
cli_parse(const struct cli_verb *const *table, int argc, char **argv, struct cli *ret,
	  bool *ret_help, struct err *e)
{
	struct cli c = { .verbs = table };
	const char *dumb = getenv("TERM"), *no_colour = getenv("NO_COLOR");
	c.out_tty = isatty(STDOUT_FILENO);
	c.err_tty = isatty(STDERR_FILENO);
	c.colour = c.out_tty && !(no_colour && *no_colour) && !(dumb && strcmp(dumb, "dumb") == 0);
	*ret = c;
	*ret_help = argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
		    strcmp(argv[1], "help") == 0;
	if (*ret_help && argc < 3)
		return 0;
	int skip = *ret_help ? 2 : 1, words = 0; /* "holdfast help VERB" too */
	for (int i = skip; i < argc; i++) /* so that even an unknown verb is answered in JSON */
		ret->json |= strcmp(argv[i], "--json") == 0;
	if (asks_for_group(table, *ret_help, argc - skip, argv + skip)) {
		ret->group = argv[skip];
		*ret_help = true;
		return 0;
	}
	int r = find_verb(table, argc - skip, argv + skip, &c.verb, &words, e);
	if (r)
		return r;
	ret->verb = c.verb;
	if (!*ret_help)
		r = take_words(&c, argc - skip - words, argv + skip + words, e);
	if (r)
		return r;
	*ret_help |= cli_has(&c, "help");
	c.json = cli_has(&c, "json");
	*ret = c;
	return *ret_help ? 0 : check_args(&c, e);
}

static void
print_error(const struct cli *c, const struct err *e)
{
	if (!c->json) {
		fprintf(stderr, "holdfast%s%s: ", c->verb ? " " : "", c->verb ? c->verb->name : "");
		/* Words of a node, and names that others chose, may be in it. */
		term_write_text(e->text[0] ? e->text : err_info(e->code)->text, true, stderr);
		fputc('\n', stderr);
		return;
	}
	auto_buf out = BUF_INIT;
	struct json_out w;
	json_out_init(&w, &out);
	json_out_object(&w, NULL);
	json_out_object(&w, "error");
	json_out_text(&w, "code", err_info(e->code)->name);
	json_out_text(&w, "message", e->text[0] ? e->text : err_info(e->code)->text);
	json_out_end_object(&w);
	json_out_end_object(&w);
	puts(buf_str(&out));
}

/* Whether the reader of this pipe has closed it. */
static bool
nobody_reads(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

/* One list of what the tables hold. */
static void
flatten(const struct cli_verb *const *tables, const struct cli_verb *ret[static CLI_VERBS_MAX + 1])
{
	size_t n = 0;

	for (; *tables; tables++)
		for (const struct cli_verb *v = *tables; v->name; v++) {
			assert(n < CLI_VERBS_MAX && v->part > 0 && v->part < CLI_PARTS);
			ret[n++] = v;
		}
	ret[n] = NULL;
}

int
cli_main(const struct cli_verb *const *tables, int argc, char **argv)
{
	const struct cli_verb *table[CLI_VERBS_MAX + 1];
	struct err e = { 0 };
	struct cli c;
	bool help = false;
	flatten(tables, table);
	int code = cli_parse(table, argc, argv, &c, &help, &e);
	if (!code && help && c.group)
		cli_help_group(table, c.group, stdout);
	else if (!code && help)
		cli_help(table, c.verb, argc < 2 ? stderr : stdout);
	else if (!code)
		code = c.verb->run(&c, &e);
	if (code < 0) {
		e.code = code;
		print_error(&c, &e);
	}
	bool unwritten = fflush(stdout) != 0 || ferror(stdout);
	if (unwritten && nobody_reads(STDOUT_FILENO)) { /* `| head`: as any filter ends */
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	if (unwritten && code >= 0) {
		fprintf(stderr, "holdfast: cannot write the output: %s\n", strerror(errno));
		code = CLI_FAILED;
	}
	return argc < 2 ? CLI_USAGE : cli_exit_of(code);
}
