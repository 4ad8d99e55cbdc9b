/* SPDX-License-Identifier: Apache-2.0
 *
 * The supervisor's internals (node/supervisor.c), shared by its three files: what it knows of
 * itself and of each child. Everything runs in its one thread.
 */
#pragma once

#include <uv.h>
#include "node/node.h"
#include "node/pglog.h"

#define SUPERVISOR_RESTARTS 10

enum child_id { KEYD, UNPACK, REJOIN, POSTGRES, PREPARE, VAULTD, AGENT, CHILDREN };

struct sup;

struct child {
	struct sup *sup;
	enum child_id id;
	bool running, ready;
	uv_process_t process;
	uv_timer_t timer; /* pause before the next start */
	uv_poll_t link;	  /* our end of fd 4 (keyd: of the control socket) */
	int link_fd;	  /* -1: none */
	uv_poll_t files;  /* our end of fd 5 */
	int files_fd;	  /* -1: none */
	int64_t began_ms;
	int64_t falls[SUPERVISOR_RESTARTS]; /* when it fell, a ring */
	unsigned nfalls;
	int64_t pause_ms;
};

struct pg_pipe;

struct sup {
	const struct proc_args *args;
	struct settings settings; /* in force now: what may change at run time follows SIGHUP */
	uv_loop_t loop;
	uv_signal_t signals[3];
	uv_timer_t stop_timer, watchdog, patience;
	struct child children[CHILDREN];
	struct pglog pglog;
	struct pg_pipe *pg_pipe; /* of the newest postmaster; NULL once it is at its end */
	int lock_fd;
	int64_t began_ms;
	bool rejoining;	   /* postgres is to stay down until rejoin is done */
	int64_t said_ms;   /* when it was last said what the start waits for; 0: never */
	bool serving;	   /* vaultd and agent were started once */
	unsigned stopping; /* signals received so far, or 1 after a failure */
	size_t stop_at;	   /* the group that is being stopped */
	unsigned overdue;  /* how often its time was over: hard, then for good */
	int exit_code;
};

/* ---- supervisor.c ---- */

/* Stops the node with this exit code: child by child, in order. */
void supervisor_begin_stop(struct sup *s, int exit_code);
/* One step of the stop; called again at each exit, signal and deadline. */
void supervisor_stop_step(struct sup *s);

/* ---- supervisor_start.c ---- */

const char *supervisor_name(enum child_id id);
/* Starts the node as soon as everything that a start needs is there. */
void supervisor_begin(struct sup *s);
/* Does nothing if it runs or the node is stopping. */
void supervisor_start(struct sup *s, enum child_id id);
void supervisor_start_later(struct child *c, int64_t ms);
/* Gives a running child a connection to the restarted keyd. */
void supervisor_reconnect(struct sup *s, struct child *c);
void supervisor_close_links(struct child *c);
/* Reads what PostgreSQL wrote before it ended, which is still in the pipe and says why. */
void supervisor_read_last_words(struct sup *s);
/* Moves certificates that a killed command left beside their places, before anybody reads them. */
void supervisor_settle_files(const struct sup *s);
/* Before every start of PostgreSQL: a pair may have been set up, and a copied data folder still has
 * its origin's configuration. */
bool supervisor_configure_postgres(struct sup *s);

/* ---- supervisor_watch.c ---- */

void supervisor_on_link(uv_poll_t *p, int status, int events);
void supervisor_on_exit(uv_process_t *p, int64_t status, int signal);
/* PostgreSQL has ended, or could not be configured. */
void supervisor_postgres_fell(struct child *c);
