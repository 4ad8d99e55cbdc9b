/* SPDX-License-Identifier: Apache-2.0
 *
 * The private PostgreSQL cluster: finds PostgreSQL's programs, makes the cluster, writes its
 * configuration, starts and stops it for set-up. In normal service the supervisor runs `postgres`
 * itself. Database "holdfast", superuser "holdfast" (peer, unix socket in the run folder, mode
 * 0700), vaultd's role "hf_vault". Blocking; any process.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/home.h"
#include "base/settings.h"

/* Finds e.g. /usr/lib/postgresql/15/bin: the newest major ≥ 15, or that of an existing data folder
 * (major > 0). HOLDFAST_PG_BIN overrides. ret_major may be NULL. ERR_PRECONDITION with what to
 * install. */
int cluster_find_bin(int major, char ret[static HOME_PATH_MAX], int *ret_major,
		     struct err *e) MUST_USE;

/* The full path of one of PostgreSQL's programs: that of the home's data folder's major, or the
 * newest while there is none. Everything that starts one (pg/program.h) asks here. */
#define CLUSTER_PROGRAM_MAX (HOME_PATH_MAX + 32)
int cluster_program(const struct home *h, const char *name, char ret[static CLUSTER_PROGRAM_MAX],
		    struct err *e) NONNULL MUST_USE;

/* initdb with data checksums, UTF-8, C locale; writes the configuration (no pair); makes the empty
 * database. */
int cluster_create(const struct home *h, const struct settings *s, struct err *e) NONNULL MUST_USE;

/* (Re)writes holdfast.conf, pg_hba.conf and pg_ident.conf in the data folder from the settings:
 * tuned small, unix socket only unless `pair` (then pair_listen, TLS 1.3, pair certificates).
 * Idempotent. */
int cluster_configure(const struct home *h, const struct settings *s, bool pair,
		      struct err *e) NONNULL MUST_USE;

/* Whether it was last written for a pair: there is one, or was. */
bool cluster_has_channel(const struct home *h) NONNULL;

/* Limits the pair's channel to the certificates of these nodes, by host name; cluster_configure keeps that. Until the first
 * call it accepts any certificate of the pair's authority. *ret_changed: the server must read it again (pg_reload_conf). */
int cluster_map_pair(const struct home *h, const char *const *names, size_t n, bool *ret_changed,
		     struct err *e) NONNULL MUST_USE;

/* Whether the path of PostgreSQL's socket in the run folder is short enough for the system. */
int cluster_socket_check(const struct home *h, const struct settings *s,
			 struct err *e) NONNULL MUST_USE;

/* Major of an existing data folder, 0 when there is none. */
int cluster_major(const struct home *h, int *ret_major, struct err *e) NONNULL MUST_USE;
bool cluster_is_standby(const struct home *h) NONNULL; /* standby.signal is there */

/* The process that runs this data folder, by postmaster.pid and by where it works; 0 none. */
pid_t cluster_pid(const struct home *h) NONNULL;

/* Call before starting PostgreSQL on the data folder: removes the lock files of a crash of the machine, which
 * would keep it from starting: the process id in them is now another program's, or nobody's. Logs that. */
void cluster_release(const struct home *h) NONNULL;

/* Starts it as a child that ends with this process and waits until it answers / stops it fast; for
 * init and unpack. The log of a failed start stays in run/postgres-start.log. */
int cluster_start(const struct home *h, struct err *e) NONNULL MUST_USE;
int cluster_stop(const struct home *h, struct err *e) NONNULL MUST_USE;

/* Starts, as cluster_start does, the server of a fresh copy in `dir` (standby.signal is in it), beside the one of data/pg: it
 * follows nobody, and has replayed what the copy needs when it answers. ERR_IO with what PostgreSQL says: the copy is of no
 * use here. Ends within half an hour; whatever it said, call cluster_try_end before the copy is touched. */
int cluster_try(const struct home *h, const char *dir, struct err *e) NONNULL MUST_USE;
void cluster_try_conninfo(const struct home *h, const char *role, struct buf *ret) NONNULL;
int cluster_try_end(const char *dir, struct err *e) NONNULL MUST_USE;

/* libpq conninfo for a local connection as `role` ("holdfast", "hf_vault"). */
void cluster_conninfo(const struct home *h, const char *role, struct buf *ret) NONNULL;
int cluster_port(const struct settings *s) NONNULL; /* of pair_listen: also names the socket */
