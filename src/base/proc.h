/* SPDX-License-Identifier: Apache-2.0
 *
 * How the supervisor starts the other processes: the same binary as `holdfast --process NAME
 * --home DIR …`, with these file descriptors.
 *   fd 3  keyd: control socket (crypto/keyproto.h) · vaultd, agent, prepare, unpack: connection to keyd
 *   fd 4  vaultd, agent: link to the supervisor. The child writes 'R' once it is ready
 *         (agent: 'J' to have replication/rejoin.conf carried out, 'P' to have PostgreSQL start anew). The supervisor writes
 *         'k' with a new keyd connection as SCM_RIGHTS after keyd was restarted, and when the child asks
 *         for one by 'K' because its own broke. End of file: exit at once.
 *   fd 5  vaultd: where it asks for files of the home (base/homefile.h)
 * SIGTERM: stop cleanly. SIGHUP: read the settings again. Children set PR_SET_PDEATHSIG(SIGKILL).
 * Exit code 0 after SIGTERM; 78 (EX_CONFIG) for what no restart can fix (stderr says what): the supervisor
 * then stops the node with exit code 1; anything else: restart.
 */
#pragma once

#include <stdbool.h>
#include "base/home.h"
#include "base/settings.h"

#define PROC_FD_KEYS 3
#define PROC_FD_LINK 4
#define PROC_FD_FILES 5
#define PROC_EXIT_CONFIG 78

struct proc_args {
	struct home home;
	struct settings settings;     /* as read at the start */
	char key_file[HOME_PATH_MAX]; /* --key-file, or ""; keyd only */
	int64_t began_ms;	      /* monotonic: when this run of the node began; 0 not known */
	bool without_pair; /* --without-pair: an operator knows that the pair's certificates are lost */
	bool upgrade_alone; /* --upgrade-alone: the schema is changed without asking the other nodes */
};

#define PROC_RUN_MAX 80

/* What no other run of any node is named: the machine's boot and the moment the run began. "" when it is not known. */
void proc_run(const struct proc_args *a, char ret[static PROC_RUN_MAX]) NONNULL;
