/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of pack/authority.h share: what is signed with the files of the home (authority.c), the log that says what these are to be
 * (authority_log.c), how they become so (authority_files.c), and how a new authority is made (authority_next.c).
 */
#pragma once

#include "pack/authority.h"

int authority_ask(struct db *db, enum stmt s, struct rows **ret, struct err *e) MUST_USE;
/* Of the local database, as its superuser; NULL: e says why. */
struct db *authority_open_db(const struct home *h, struct err *e) NONNULL MUST_USE;
int authority_read(const struct home *h, enum home_path which, struct buf *ret,
		   struct err *e) NONNULL MUST_USE;
/* ERR_PRECONDITION: there is nothing of that use here. */
int authority_check_there(const struct home *h, enum authority_use use,
			  struct err *e) NONNULL MUST_USE;

/* A new one, nowhere yet. */
int authority_new(struct keys *keys, struct fiber *f, uint32_t data_key, const char *name,
		  const struct authority_names *scopes, struct buf *ret_cert,
		  struct buf *ret_sealed, struct err *e) MUST_USE;
/* Names of this node: of its certificate for the web, or its own alone. */
int authority_names_of(const struct home *h, enum authority_use use, const char *also,
		       struct authority_names *ret, struct err *e) MUST_USE;
/* What one is for whose vault had none with constraints: every name that it has. */
int authority_late_scopes(const struct home *h, struct db *db, const char *node,
			  struct home_node *ret_self, struct authority_names *ret,
			  struct err *e) MUST_USE;
int authority_renew_channel(const struct home *h, struct keys *keys, struct db *db,
			    struct err *e) NONNULL MUST_USE;

/* ---- authority_log.c ---- */

/* The log beside the files of this node, and what is to be done by both; whoever makes one says h, keys and db, and frees the rows. */
struct authority_log {
	const struct home *h;
	struct keys *keys;
	struct db *db;
	struct rows *rows; /* authority_list */
	struct succession_log log;
	struct authority_shown shown;
	struct succession next;
};

/* Reads both anew. */
int authority_log_read(struct authority_log *x, struct err *e) NONNULL MUST_USE;
/* Of the i-th: borrowed until the next reading; key: appended, nothing when there is none. */
const char *authority_log_cert(const struct authority_log *x, unsigned i) NONNULL;
void authority_log_key(const struct authority_log *x, unsigned i, struct buf *ret) NONNULL;
/* ERR_CRYPTO: of those that this node does not trust yet but is to trust, one is not the vault's, by what keyd knows. */
int authority_log_prove(const struct authority_log *x, struct err *e) NONNULL MUST_USE;
/* *ret_generation is 0 when the log has none; else its certificate is appended. */
int authority_log_newest(struct db *db, int *ret_generation, struct buf *ret_cert,
			 struct err *e) NONNULL MUST_USE;
/* Waits until the vault's writer has put it into the log. */
int authority_log_add(const struct home *h, struct db *db, const char *cert,
		      const struct buf *sealed, int generation, struct err *e) NONNULL MUST_USE;

/* ---- authority_files.c ---- */

/* authority_follow with a connection that there is. */
int authority_follow_log(const struct home *h, struct keys *keys, struct db *db,
			 struct authority_followed *ret, struct err *e) NONNULL MUST_USE;
