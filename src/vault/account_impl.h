/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the accounts share; nobody else includes this.
 *   account.c           what a user may know of an account; creating, changing and deleting one
 *   account_combine.c   two accounts become one
 *   account_retrieve.c  the secret fields of a version, with the event that says so
 *   account_version.c   the versions: their list, and a new one
 *   account_settle.c    accounts in conflict, and how a conflict is settled
 */
#pragma once

#include "base/uuid.h"
#include "vault/account.h"
#include "vault/journal_overlay.h"

/* ---- account.c ---- */

/* An account as the caller may see it; the texts live as long as the call. */
struct account_seen {
	int level, current_n, top_n;
	struct uuid resource;
	const char *resource_name, *url, *login, *description;
	bool conflict, resource_shared, login_shared; /* shared: others hold the name too */
	struct uuid current;			      /* the current version; nil: none */
	struct journal_overlay_list laid;	      /* versions that only the journal has */
};

/* Reads it, with the journal's versions; refuses (with its event) below `need`. */
int account_read_right(struct call *c, const struct uuid *id, int need, const char *what,
		       struct account_seen *ret, struct err *e) NONNULL MUST_USE;
/* What the next version is based on. */
struct account_base account_base_of(const struct account_seen *a) NONNULL;

/* ---- account_version.c ---- */

/* As account_version_body, of fields that were sealed before and are open now. */
int account_sealed_body(struct call *c, const struct uuid *account, const struct buf *plain,
			const struct account_base *base, struct uuid *ret_id, struct buf *ret_body,
			struct err *e) NONNULL MUST_USE;

/* ---- account_retrieve.c ---- */

/* What a retrieval gives, wherever it was found; the texts live as long as the call. */
struct account_opened {
	struct uuid version, resource;
	const char *resource_name, *login;
	int n, current;
	bool conflict;
	int64_t created_us;
	struct buf sealed;
};

void account_opened_done(struct account_opened *x) NONNULL;
/* Version n, from the tables alone. */
int account_read_open(struct call *c, const struct uuid *id, int n, struct account_opened *ret,
		      struct err *e) NONNULL MUST_USE;
int account_open_fields(struct call *c, const struct uuid *id, const struct account_opened *x,
			struct buf *ret, struct err *e) NONNULL MUST_USE;

/* ---- account_version.c ---- */

void account_associated_data(const struct uuid *version, const struct uuid *account,
			     uint8_t ret[static ACCOUNT_AD_LEN]) NONNULL;

/* ---- account_settle.c ---- */

/* What a settlement looks at: version n, the current one, and the siblings. */
int account_read_choice(struct call *c, const struct uuid *id, int n, struct rows **ret,
			struct err *e) NONNULL MUST_USE;
bool account_find_choice(const struct rows *r, int n, struct uuid *ret) NONNULL MUST_USE;
/* The body of CONFLICT_SETTLED: what is chosen, over which current version, and the known siblings,
 * which it settles too. */
void account_write_settled(struct buf *body, const struct rows *r, const struct uuid *chosen,
			   int n) NONNULL;
