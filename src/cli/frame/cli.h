/* SPDX-License-Identifier: Apache-2.0
 *
 * The frame of the command line. Each file of cli/client/ and cli/node/ carries its verbs as one
 * table, `verbs_<file>`; the build collects the tables of all files that it is given
 * (cmd/verbs.def). A verb's row yields its parser, its --help, its part of the man page, its
 * completion, and the checks of its arguments: no argument may be empty, nor an option's value
 * unless the option says so, since an unset variable in a script leaves an empty one behind. --json
 * and --help are every verb's. One thread.
 *
 *   static const struct cli_opt opts[] = {
 *           CLI_OPT_HOME,
 *           {
 *                   .name = "wait",
 *                   .value = "SECONDS",
 *                   .help = "How long to wait (default 10).",
 *           },
 *           { 0 },
 *   };
 *   const struct cli_verb verbs_ha_status[] = {
 *           {
 *                   .name = "ha status",
 *                   .opts = opts,
 *                   .run = run,
 *                   .help = "Says …",
 *                   .part = CLI_PAIR,
 *           },
 *           { 0 },
 *   };
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include "base/err.h"
#include "base/home.h"

#define CLI_ARGS_MAX 64
#define CLI_OPTS_MAX 64
#define CLI_VERBS_MAX 200

enum cli_exit {
	CLI_GOOD = 0,
	CLI_FAILED = 1,	     /* refused or failed */
	CLI_USAGE = 2,	     /* not understood */
	CLI_UNREACHABLE = 3, /* no node answers */
	CLI_STATUS_FAILED = 4,
	CLI_NOT_CONFIGURED = 5,
};

struct cli;

/* The exit code, or a negative error code: then the frame prints e ("holdfast VERB: text" on
 * stderr; with --json {"error":{"code","message"}} on stdout) and exits with cli_exit_of(code). */
typedef int cli_fn(const struct cli *c, struct err *e);

struct cli_opt {
	const char *name;  /* without "--" */
	const char *value; /* what stands for the value in the help; NULL: a flag */
	const char *help;  /* one sentence */
	bool empty;	   /* its value may be empty */
};

#define CLI_OPT_HOME                                                                               \
	{                                                                                          \
		.name = "home", .value = "DIR",                                                    \
		.help = "The node's home folder (default: $HOLDFAST_HOME, else "                   \
			"/var/lib/holdfast).",                                                     \
	}

/* The parts of the list of verbs, in its order; their titles are cli.c's. */
enum cli_part {
	CLI_HIDDEN = 1, /* not in the list */
	CLI_NODE,
	CLI_PAIR,
	CLI_CARE,
	CLI_SESSION,
	CLI_PASSWORDS,
	CLI_SHARES,
	CLI_CONFLICTS,
	CLI_USERS,
	CLI_LOG,
	CLI_PARTS
};

struct cli_verb {
	const char *name; /* "get", "ha setup" */
	const char *args; /* synopsis of the arguments: "RESOURCE/LOGIN"; NULL none */
	int min_args, max_args;
	const struct cli_opt *opts; /* ended by a row without name; NULL none */
	cli_fn *run;
	const char *help;    /* one line for the list */
	const char *more;    /* further paragraphs for --help, or NULL */
	const char *example; /* a whole command, from "holdfast" on; NULL none */
	enum cli_part part;
};

/* One parsed command line. Everything is borrowed from argv and the tables. */
struct cli {
	const struct cli_verb *verb;
	const struct cli_verb *const *verbs; /* all of them, ended by NULL */
	const char
		*group; /* help was asked for of all verbs that begin with this word; else NULL */
	bool json;
	bool out_tty, err_tty; /* stdout, stderr is a terminal */
	bool colour;	       /* out_tty, no NO_COLOR, no TERM=dumb */
	int nargs;
	const char *args[CLI_ARGS_MAX + 1]; /* NULL-ended */
	size_t nset;
	struct {
		const struct cli_opt *opt;
		const char *value; /* "" of a flag */
	} set[CLI_OPTS_MAX];	   /* in the order given */
};

/* Value of an option (the last one given), NULL when it was not given. The name must be in the
 * verb's table. */
const char *cli_get(const struct cli *c, const char *name) NONNULL;
bool cli_has(const struct cli *c, const char *name) NONNULL;
/* A number of lo..hi; `otherwise` when it was not given. ERR_USAGE. */
int cli_get_int(const struct cli *c, const char *name, int64_t lo, int64_t hi, int64_t otherwise,
		int64_t *ret, struct err *e) NONNULL MUST_USE;
/* Is text[0..n) a whole number of lo..hi? Digits, with a minus where lo is below 0. */
bool cli_number(const char *text, size_t n, int64_t lo, int64_t hi, int64_t *ret) NONNULL MUST_USE;
/* Opens the home that --home, $HOLDFAST_HOME or the default names. */
int cli_home(const struct cli *c, struct home *ret, struct err *e) NONNULL MUST_USE;

enum cli_paint { CLI_PLAIN, CLI_BOLD, CLI_GREEN, CLI_RED, CLI_YELLOW, CLI_FAINT };
/* The escape sequence for stdout, "" without colours. */
const char *cli_paint(const struct cli *c, enum cli_paint p) NONNULL;

int cli_exit_of(int code);

/* Finds the verb, parses, runs. tables: of verbs, each ended by a row without name; ended by NULL. The
 * result is the exit code. */
int cli_main(const struct cli_verb *const *tables, int argc, char **argv) NONNULL;
/* Parsing alone; table: of all verbs, ended by NULL. ERR_USAGE with what is wrong and what there is
 * instead. *ret_help: only help was asked for (ret->verb may then be NULL: of ret->group, or of the
 * program). */
int cli_parse(const struct cli_verb *const *table, int argc, char **argv, struct cli *ret,
	      bool *ret_help, struct err *e) NONNULL MUST_USE;
void cli_help(const struct cli_verb *const *table, const struct cli_verb *verb, FILE *out);
/* The verbs as the man page has them: a section for each part. */
void cli_man(const struct cli_verb *const *table, FILE *out) NONNULL;
