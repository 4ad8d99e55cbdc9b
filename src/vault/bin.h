/* SPDX-License-Identifier: Apache-2.0
 *
 * The bin: removed resources and accounts, until bin_keep has passed. Whoever could manage a thing
 * sees it here and can bring it back; administrators see no more than that. Removal takes away only
 * the thing itself, so rights stay as they were. Nothing in the bin can be read. Core thread of
 * vaultd only.
 *
 *   B1  A removed resource takes its accounts with it and brings them back; those removed on their own before stay.
 *   B2  The primary empties the bin by events that name every version: whatever is added elsewhere meanwhile stays.
 *   B3  Bringing back and emptying share a lock: nothing is said to be back while its secrets are being deleted.
 */
#pragma once

#include "vault/policy.h"

/* Last removed first: {"removed":[…],"next"}. after: cursor of the page before, or NULL; rows: 1 …
 * POLICY_PAGE_MAX. ERR_BAD_FIELD for an invalid cursor. */
int bin_list(struct call *c, const char *after, int rows, struct json_out *out,
	     struct err *e) MUST_USE;

/* name, login: a new one; NULL: the old one. ERR_CONFLICT if that is taken, if the thing is not in the
 * bin, or if an account's resource is in there too; ERR_NOT_FOUND says when it was deleted for good. */
int bin_restore_resource(struct call *c, const struct uuid *id, const char *name,
			 struct err *e) MUST_USE;
int bin_restore_account(struct call *c, const struct uuid *id, const char *login,
			struct err *e) MUST_USE;

/* Deletes for good what has been here for longer than bin_keep. On a timer of the primary; cheap
 * when nothing is due. */
int bin_empty(struct vault *v, struct fiber *f, struct err *e) NONNULL MUST_USE;
