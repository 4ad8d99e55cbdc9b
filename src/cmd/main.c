/* SPDX-License-Identifier: Apache-2.0
 *
 * The one program: a verb of the command line, or one of the node's processes (--process NAME,
 * which only the supervisor uses).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/agent.h"
#include "base/log.h"
#include "cli/frame/cli.h"
#include "http/json.h"
#include "keyd/keyd.h"
#include "node/node.h"
#include "vaultd/vaultd.h"

#define VERBS(file) extern const struct cli_verb verbs_##file[];
#include "cmd/verbs.def"
#undef VERBS

static const struct cli_verb *const tables[] = {
#define VERBS(file) verbs_##file,
#include "cmd/verbs.def"
#undef VERBS
	NULL,
};

static const struct process {
	const char *name;
	const char *comm; /* as ps and top show it; at most 15 bytes */
	int (*main)(const struct proc_args *a);
} processes[] = {
	{ "keyd", "hf-keyd", keyd_main },	   { "vaultd", "hf-vaultd", vaultd_main },
	{ "agent", "hf-agent", agent_main },	   { "prepare", "hf-prepare", prepare_main },
	{ "unpack", "hf-unpack", unpack_main },	   { "rejoin", "hf-rejoin", rejoin_main },
	{ "postgres", "postgres", postgres_main },
};

/* --process NAME --home DIR --began MS [--key-file PATH] [--without-pair yes] [--upgrade-alone yes]; anything else is no call of the supervisor's. */
static int
parse_process(int argc, char **argv, const struct process **ret, struct proc_args *a, struct err *e)
{
	const char *home = NULL, *key = "";
	for (int i = 1; i + 1 < argc; i += 2) {
		const char *value = argv[i + 1];
		if (strcmp(argv[i], "--home") == 0)
			home = value;
		else if (strcmp(argv[i], "--key-file") == 0)
			key = value;
		else if (strcmp(argv[i], "--upgrade-alone") == 0)
			a->upgrade_alone = true;
		else if (strcmp(argv[i], "--began") == 0)
			a->began_ms = strtoll(value, NULL, 10);
		else if (strcmp(argv[i], "--without-pair") == 0)
			a->without_pair = true;
		for (size_t k = 0; i == 1 && k < ARRAY_LEN(processes); k++)
			if (strcmp(value, processes[k].name) == 0)
				*ret = &processes[k];
	}
	if (!*ret || !home || argc % 2 == 0 || strlen(key) >= sizeof(a->key_file))
		return err_set(e, ERR_USAGE,
			       "--process is the supervisor's alone: use holdfast serve");
	snprintf(a->key_file, sizeof(a->key_file), "%s", key);
	return home_open(&a->home, home, e);
}

static int
run_process(int argc, char **argv)
{
	struct proc_args a = { 0 };
	struct err e = { 0 };
	const struct process *p = NULL;
	enum log_level level = LOG_LEVEL_INFO;
	const struct rlimit no_core = { 0 };
	char path[HOME_PATH_MAX];
	log_init("holdfast", level);
	int r = parse_process(argc, argv, &p, &a, &e);
	if (!r) {
		home_path(&a.home, HOME_CONF, path);
		r = settings_load(path, &a.settings, &e);
	}
	if (!r)
		r = log_level_parse(a.settings.log_level, &level);
	if (r) {
		log_err(LOG_LEVEL_ERROR, &e, "cannot start");
		return r == ERR_USAGE ? CLI_USAGE : PROC_EXIT_CONFIG;
	}
	log_init(p->name, level);
	prctl(PR_SET_NAME, p->comm);
	setrlimit(RLIMIT_CORE, &no_core);
	/* The memory of each is its own, even towards those of the same user; PostgreSQL's program begins anew. */
	prctl(PR_SET_DUMPABLE, 0);
	/* Ends with the supervisor; postgres_main asks for a gentler end. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return p->main(&a);
}

/* A closed standard descriptor would be taken by the next file opened. */
static void
hold_standard_fds(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int
main(int argc, char **argv)
{
	hold_standard_fds();
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	if (sodium_init() < 0) {
		fputs("holdfast: libsodium cannot be used on this machine\n", stderr);
		return CLI_FAILED;
	}
	if (argc > 1 && strcmp(argv[1], "--version") == 0)
		return puts("holdfast " HF_VERSION) < 0 || fflush(stdout) ? CLI_FAILED : CLI_GOOD;
	if (argc > 1 && strcmp(argv[1], "--process") == 0)
		return run_process(argc, argv);
	http_init();
	return cli_main(tables, argc, argv);
}
