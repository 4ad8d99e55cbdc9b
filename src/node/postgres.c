/* SPDX-License-Identifier: Apache-2.0
 *
 * The last step before the postmaster: asks the kernel for a fast shutdown should the supervisor
 * die, so that no postmaster is orphaned, and becomes PostgreSQL's own program, held to its own files.
 */
#include "node/node.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include "base/confine.h"
#include "base/log.h"
#include "pg/cluster.h"
#include "pg/program.h"
#include "pg/standby.h"

#define ALL_RIGHTS (CONFINE_LIST | CONFINE_READ | CONFINE_WRITE | CONFINE_CHANGE)
#define LOOKS (CONFINE_LIST | CONFINE_READ)

/* The folder two above a program: where its own files may lie, if that is not /usr. */
static void
find_prefix(const char *program, char ret[static PATH_MAX])
{
	char *slash;

	if (!realpath(program, ret))
		ret[0] = '\0';
	for (int i = 0; i < 2 && (slash = strrchr(ret, '/')); i++)
		*slash = '\0';
}

/* The program that loads programs: what has loaded this one loads PostgreSQL too. */
static const char *
loader(void)
{
	Dl_info found = { 0 };

	return dladdr((const void *)(uintptr_t)getauxval(AT_BASE), &found) && found.dli_fname
		       ? found.dli_fname
		       : "/lib64";
}

/* Whoever is its superuser can have it read and write files and start programs. So it starts none but itself, and has no
 * files but the cluster, the certificates, the folder of its socket and the system's. */
static int
confine(const struct home *h, const char *program, struct err *e)
{
	char data[HOME_PATH_MAX], wal[HOME_PATH_MAX + 8], tls[HOME_PATH_MAX], run[HOME_PATH_MAX];
	char prefix[PATH_MAX], key[HOME_PATH_MAX];
	struct err unsaid = { 0 };
	bool held;
	const struct confine_path paths[] = {
		{ data, ALL_RIGHTS },
		{ wal, ALL_RIGHTS }, /* may be a link to another disk */
		{ run, ALL_RIGHTS },
		{ tls, LOOKS },
		{ program, CONFINE_READ | CONFINE_EXECUTE },
		{ prefix, LOOKS },
		{ "/dev/null", CONFINE_READ | CONFINE_WRITE },
		{ "/dev/random", CONFINE_READ },
		{ "/dev/shm", ALL_RIGHTS },
		{ "/dev/urandom", CONFINE_READ },
		{ "/dev/zero", CONFINE_READ | CONFINE_WRITE },
		{ "/etc", LOOKS },
		{ "/lib", LOOKS },
		{ "/lib64", LOOKS },
		{ loader(), CONFINE_READ | CONFINE_EXECUTE },
		{ "/proc", LOOKS },
		{ "/run/systemd/resolve", LOOKS },
		{ "/run/NetworkManager", LOOKS },
		{ "/run/resolvconf", LOOKS },
		{ "/sys/devices/system", LOOKS },
		{ "/usr", LOOKS },
	};

	home_path(h, HOME_PG, data);
	text_fit(wal, sizeof(wal), "%s/pg_wal", data);
	home_path(h, HOME_TLS, tls);
	home_path(h, HOME_RUN, run);
	find_prefix(program, prefix);
	bool has_key = home_key_path(h, key, &unsaid) == 0;
	int rc = confine_files(paths, ARRAY_LEN(paths), false, &held, e);
	if (!rc && !held)
		log_notice("this kernel has no Landlock, or it is not switched on: the database's "
			   "superuser can open every file of its user");
	if (!rc && held && has_key)
		confine_check_key(key, "PostgreSQL");
	return rc;
}

int
postgres_main(const struct proc_args *a)
{
	char program[CLUSTER_PROGRAM_MAX], data[HOME_PATH_MAX];
	const char *argv[] = { program, "-D", data, NULL };
	struct err e = { 0 };

	if (cluster_program(&a->home, "postgres", program, &e) < 0) {
		log_err(LOG_LEVEL_ERROR, &e, "cannot start PostgreSQL");
		return PROC_EXIT_CONFIG;
	}
	bool pair = home_has(&a->home, HOME_PAIR_CERT);
	if (cluster_configure(&a->home, &a->settings, pair, &e) < 0) {
		log_err(LOG_LEVEL_ERROR, &e, "cannot write PostgreSQL's configuration");
		return e.code == ERR_IO ? 1 : PROC_EXIT_CONFIG;
	}
	if (cluster_is_standby(&a->home) && standby_hold(&a->home, &e))
		log_err(LOG_LEVEL_WARNING, &e,
			"this node follows its primary at once, before histories are compared");
	cluster_release(&a->home);
	home_path(&a->home, HOME_PG, data);
	if (confine(&a->home, program, &e)) {
		log_err(LOG_LEVEL_ERROR, &e, "cannot start PostgreSQL");
		return PROC_EXIT_CONFIG;
	}
	prctl(PR_SET_PDEATHSIG, SIGINT);
	program_become(argv);
	log_error("cannot run %s: %s", program, strerror(errno));
	return 1;
}
