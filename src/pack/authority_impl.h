/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of pack/authority.h share: signing with the files of the home (authority.c), the log that says what
 * these should be (authority_log.c), making them so (authority_files.c), and making a new authority (authority_next.c).
 */
#pragma once

#include "pack/authority.h"

int authority_ask(struct db *db, enum stmt s, struct rows **ret, struct err *e) MUST_USE;
/* Opens the local database as its superuser; NULL: e says why. */
struct db *authority_open_db(const struct home *h, struct err *e) NONNULL MUST_USE;
int authority_read(const struct home *h, enum home_path which, struct buf *ret,
		   struct err *e) NONNULL MUST_USE;
/* ERR_PRECONDITION: there is none for that use here. */
int authority_check_there(const struct home *h, enum authority_use use,
			  struct err *e) NONNULL MUST_USE;

/* Makes a new one and stores it nowhere. */
int authority_new(struct keys *keys, struct fiber *f, uint32_t data_key, const char *name,
		  const struct authority_names *scopes, struct buf *ret_cert,
		  struct buf *ret_sealed, struct err *e) MUST_USE;
/* This node's names: those of its web certificate, or its own alone. */
int authority_names_of(const struct home *h, enum authority_use use, const char *also,
		       struct authority_names *ret, struct err *e) MUST_USE;
/* The scopes of an authority for a vault that had none with constraints: every name that it has. */
int authority_late_scopes(const struct home *h, struct db *db, const char *node,
			  struct home_node *ret_self, struct authority_names *ret,
			  struct err *e) MUST_USE;
int authority_renew_channel(const struct home *h, struct keys *keys, struct db *db,
			    struct err *e) NONNULL MUST_USE;

/* ---- authority_log.c ---- */

/* The log beside this node's files, and what follows from both; the caller sets h, keys and db, and frees the rows. */
struct authority_log {
	const struct home *h;
	struct keys *keys;
	struct db *db;
	struct rows *rows; /* authority_list */
	struct succession_log log;
	struct authority_shown shown;
	struct succession next;
};

/* Rereads both. */
int authority_log_read(struct authority_log *x, struct err *e) NONNULL MUST_USE;
/* The i-th one's: borrowed until the next reading; key: appended, nothing if there is none. */
const char *authority_log_cert(const struct authority_log *x, unsigned i) NONNULL;
void authority_log_key(const struct authority_log *x, unsigned i, struct buf *ret) NONNULL;
/* ERR_CRYPTO: one of those that this node should trust but does not yet is, according to keyd, not the vault's. */
int authority_log_prove(const struct authority_log *x, struct err *e) NONNULL MUST_USE;
/* *ret_generation is 0 if the log has none; otherwise appends its certificate. */
int authority_log_newest(struct db *db, int *ret_generation, struct buf *ret_cert,
			 struct err *e) NONNULL MUST_USE;
/* Waits until the vault's writer has put it into the log. */
int authority_log_add(const struct home *h, struct db *db, const char *cert,
		      const struct buf *sealed, int generation, struct err *e) NONNULL MUST_USE;

/* ---- authority_files.c ---- */

/* authority_follow on an existing connection. */
int authority_follow_log(const struct home *h, struct keys *keys, struct db *db,
			 struct authority_followed *ret, struct err *e) NONNULL MUST_USE;
