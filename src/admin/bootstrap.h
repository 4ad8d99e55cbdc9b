/* SPDX-License-Identifier: Apache-2.0
 *
 * The first events of a new vault, written by `holdfast init` while the cluster runs and a keyd serves: the node, the
 * first data key, the first administrator. Blocking; runs a loop of its own.
 */
#pragma once

#include "admin/tables_check.h"
#include "base/home.h"
#include "base/settings.h"
#include "crypto/token.h"
#include "pack/authority.h"
#include "pack/backup.h"
#include "vault/verify.h"

#define BOOTSTRAP_ADMIN "admin"
#define BOOTSTRAP_SETUP_HOURS 24

/* The scopes of the vault's authority, and the names of the node's web certificate. */
struct bootstrap_names {
	struct authority_names scopes, web;
};

/* Takes over keyd_fd, a connection to keyd. ret_setup_token: the administrator's one-time token;
 * only its keyed hash is stored: show it once and wipe it. */
int vaultd_bootstrap(const struct home *h, const struct settings *s, int keyd_fd,
		     const struct home_node *n, const struct bootstrap_names *names,
		     char ret_setup_token[static TOKEN_STR_LEN], struct err *e) MUST_USE;

/* What `holdfast restore` and `backup verify` do once the copied cluster runs. */
struct bootstrap_restore {
	const struct backup_manifest *m;
	bool begin_term; /* write RESTORED and become the primary of a new term; else compare the tables with the log */
	tables_progress_fn *progress;	   /* of that comparison */
	void *ctx;			   /* its */
	struct verify_result result;	   /* of the whole log, before anything is written */
	char names[VERIFY_NODES_MAX][256]; /* of its nodes; the id of one that has none any more */
	int64_t term;			   /* the new one */
};

/* Verifies every chain and compares it with the manifest's heads; ERR_CHAIN_BROKEN with the first break, ERR_BAD_PACK with the
 * first rows that the log does not explain.
 * n is a node with a new id: its chain begins here, so that no old chain continues in two places. */
int vaultd_restored(const struct home *h, const struct settings *s, int keyd_fd,
		    const struct home_node *n, struct bootstrap_restore *r,
		    struct err *e) NONNULL MUST_USE;
