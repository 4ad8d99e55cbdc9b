/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes a node from a backup or, to verify one, a scratch node that is removed afterwards. All or
 * nothing, like create_node. Blocking; no other threads may run.
 */
#pragma once

#include "admin/create.h"
#include "vault/verify.h"

struct restore_options {
	const char *file; /* absolute */
	const char *home; /* may not exist yet, or be an empty folder */
	const char *key_file, *name, *listen, *pair_listen, *user;
	bool verify; /* check only: begin no term, leave nothing */
	void (*progress)(void *ctx, const char *text, int percent); /* called in a child */
	void *ctx;
};

struct restore_result {
	struct create_result made;
	struct verify_result log;
	char names[VERIFY_NODES_MAX][256]; /* of log's nodes */
	char of[256], made_at[64];
	int64_t term; /* of the backup when verified, the new one when restored */
};

int restore_run(const struct restore_options *o, struct restore_result *ret,
		struct err *e) NONNULL MUST_USE;
