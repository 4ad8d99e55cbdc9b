/* SPDX-License-Identifier: Apache-2.0
 *
 * The node's home folder: the one place that knows where things lie in it, and small file helpers.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"

#define HOME_PATH_MAX 512
#define HOME_DEFAULT "/var/lib/holdfast" /* the service's; the unit names it too */
#define HOME_START_MAX (HOME_PATH_MAX + 32)

/* X(name, path below the home) → home_path(h, HOME_CONF, …) */
#define HOME_PATHS(X)                                                                                    \
	X(CONF, "conf/holdfast.conf")                                                                    \
	X(CONF_BACKUP, "conf/holdfast.conf.backup") /* the settings a restored backup had */             \
	X(KEY_CONF, "conf/manage_key.conf")	    /* one line: where the master key file is */         \
	X(NODE, "conf/node.conf") /* id and name of this node: [node] id=, name= */                      \
	X(PAIR, "conf/pair.conf") /* what the pack said of the pair; written on a secondary */           \
	X(TLS, "conf/tls")                                                                               \
	X(WEB_CERT, "conf/tls/web.crt")                                                                  \
	X(WEB_KEY, "conf/tls/web.key")                                                                   \
	X(TLS_MAKING,                                                                                    \
	  "conf/tls/making")	       /* files that fit together, being written (base/place.h) */       \
	X(TLS_NEW, "conf/tls/new")     /* the same, whole: they go into their places */                  \
	X(TRUSTED, "conf/tls/trusted") /* *.pem that cert import brought */                              \
	X(PAIR_CA, "conf/tls/pair-ca.crt")                                                               \
	X(PAIR_CA_KEY, "conf/tls/pair-ca.key.sealed")                                                    \
	X(PAIR_CERT, "conf/tls/pair.crt")                                                                \
	X(PAIR_KEY, "conf/tls/pair.key")                                                                 \
	X(PG, "data/pg")                                                                                 \
	X(PG_AUTO_CONF, "data/pg/postgresql.auto.conf")                                                  \
	X(PG_STANDBY, "data/pg/standby.signal") /* there: the database follows another */                \
	X(JOURNAL, "data/journal.db")                                                                    \
	X(ANCHOR,                                                                                        \
	  "data/anchor") /* head of the own chain, beside the database: a cut tail is noticed */         \
	X(CHAIN_MEMORY,                                                                                  \
	  "data/witness") /* ends of all nodes' chains, as this node saw them (ha/chain_memory.h) */     \
	X(REPLICATION, "replication")                                                                    \
	X(REJOIN,                                                                                        \
	  "replication/rejoin.conf") /* whom this node's database is to follow from its next start on */ \
	X(COPYING,                                                                                       \
	  "replication/copying") /* a fresh copy of the primary was begun and is not in place yet */     \
	X(EMERGENCY,                                                                                     \
	  "replication/emergency.conf") /* whether an operator orders emergency access */                \
	X(MAINTENANCE,                                                                                   \
	  "replication/maintenance.conf") /* until when this node's alerts are silent, and why */        \
	X(OUTBOX, "data/outbox.db")	  /* alerts that wait (store/outbox.h) */                        \
	X(PACK, "pack")			  /* an unpacked HAPack waits here for serve */                  \
	X(PACK_MANIFEST, "pack/manifest.json")                                                           \
	X(RUN, "run")                                                                                    \
	X(STATE, "run/state") /* the shared state page (base/statepage.h) */                             \
	X(PRIMARY_TRUST,                                                                                 \
	  "run/primary.pem") /* what the agent trusts the primary's service by, for forwarding */        \
	X(AGENT_SOCK, "run/agent.sock")                                                                  \
	X(PROGRESS, "run/progress") /* how far a rejoin is, for the status */                            \
	X(PID, "run/holdfast.pid")  /* of the supervisor; locked while it lives */

enum home_path {
#define X(name, path) HOME_##name,
	HOME_PATHS(X)
#undef X
};

struct home {
	char dir[HOME_PATH_MAX - 64]; /* absolute, canonical */
};

/* Resolves dir (must exist). ERR_FORBIDDEN when this user may not look into it. */
int home_open(struct home *ret, const char *dir, struct err *e) NONNULL MUST_USE;
/* What a person types to start the node of this home: the service where it is installed and serves this home, else the program. */
void home_start_command(const char *dir, char ret[static HOME_START_MAX]) NONNULL;
void home_path(const struct home *h, enum home_path p, char ret[static HOME_PATH_MAX]) NONNULL;

/* Identity: conf/node.conf. */
struct home_node {
	struct uuid id;
	char name[256];
};
int home_node_read(const struct home *h, struct home_node *ret, struct err *e) NONNULL MUST_USE;
int home_node_write(const struct home *h, const struct home_node *n,
		    struct err *e) NONNULL MUST_USE;

/* Reads a whole file of at most max bytes (appended). ERR_IO, ERR_TOO_LARGE. */
int home_read_file(const char *path, size_t max, struct buf *ret, struct err *e) NONNULL MUST_USE;
/* Writes atomically: temporary file beside it, fsync, rename, fsync of the folder. */
int home_write_file(const char *path, const void *data, size_t n, mode_t mode,
		    struct err *e) NONNULL MUST_USE;
/* Makes the name of a file that was made or renamed as durable as the file: fsync of its folder. */
int home_sync_name(const char *path, struct err *e) NONNULL MUST_USE;
int home_mkdirs(const char *path, mode_t mode, struct err *e) NONNULL MUST_USE;
int home_remove_tree(const char *path, struct err *e) NONNULL MUST_USE;
/* Reads the key location from conf/manage_key.conf. ERR_BAD_KEY with what to do when it is not said. */
int home_key_path(const struct home *h, char ret[static HOME_PATH_MAX],
		  struct err *e) NONNULL MUST_USE;
