/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of pack/authority.h share: the files of the home and what is signed with them (authority.c), and the log that says what these are
 * to be (authority_log.c).
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
