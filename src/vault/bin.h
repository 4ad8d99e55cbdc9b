/* SPDX-License-Identifier: Apache-2.0
 *
 * The bin: removed resources and accounts, until bin_keep has passed. Whoever could manage a thing
 * sees it here and can bring it back; administrators see no more than that. Rights stay as they
 * were, because removal takes nothing away but the thing itself. Nothing in the bin can be read.
 * Core thread of vaultd only.
 *
 *   B1  A removed resource takes its accounts with it and brings those back; what was removed before on its own stays.
 *   B2  The bin is emptied by events of the primary, which name every version: what anybody adds apart from that stays.
 *   B3  Bringing back and emptying pass one lock: nobody is told that something is back whose secrets are just going.
 */
#pragma once

#include "vault/policy.h"

/* The last removed first: {"removed":[…],"next"}. after: cursor of the page before, or NULL; rows: 1 … POLICY_PAGE_MAX.
 * ERR_BAD_FIELD for a cursor that is none. */
int bin_list(struct call *c, const char *after, int rows, struct json_out *out,
	     struct err *e) MUST_USE;

/* name, login: another one than it had, NULL: the same. ERR_CONFLICT when that is taken, when it is not in the bin, or when
 * an account's resource is in there too; ERR_NOT_FOUND says when the bin was emptied of it. */
int bin_restore_resource(struct call *c, const struct uuid *id, const char *name,
			 struct err *e) MUST_USE;
int bin_restore_account(struct call *c, const struct uuid *id, const char *login,
			struct err *e) MUST_USE;

/* Empties the bin of what has been there for longer than bin_keep. On a timer of the primary; cheap when nothing is due. */
int bin_empty(struct vault *v, struct fiber *f, struct err *e) NONNULL MUST_USE;
