/* SPDX-License-Identifier: Apache-2.0
 *
 * The last step before the postmaster: asks the kernel for a fast shutdown should the supervisor
 * die, so that no postmaster is orphaned, and becomes PostgreSQL's own program.
 */
#include "node/node.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include "base/log.h"
#include "pg/cluster.h"
#include "pg/program.h"
#include "pg/standby.h"

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
	prctl(PR_SET_PDEATHSIG, SIGINT);
	program_become(argv);
	log_error("cannot run %s: %s", program, strerror(errno));
	return 1;
}
