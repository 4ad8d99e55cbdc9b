/* SPDX-License-Identifier: Apache-2.0
 *
 * The things people name on the command line, looked up at the node: accounts, resources, users.
 */
#pragma once

#include "cli/remote.h"

/* Percent-encodes s for a query or a path segment. */
void lookup_escape(struct buf *out, const char *s) NONNULL;

/* An account by "RESOURCE/LOGIN", "RESOURCE" (when it has one account) or id. id has 37 bytes.
 * ERR_NOT_FOUND says what there is instead. */
int lookup_account(struct remote *r, const char *spec, char id[static 37],
		   struct err *e) NONNULL MUST_USE;
/* A resource by name or id. */
int lookup_resource(struct remote *r, const char *spec, char id[static 37],
		    struct err *e) NONNULL MUST_USE;
/* A user by name or id. */
int lookup_user(struct remote *r, const char *spec, char id[static 37],
		struct err *e) NONNULL MUST_USE;

/* A node of the pair by name or id. */
int lookup_node(struct remote *r, const char *spec, char id[static 37],
		struct err *e) NONNULL MUST_USE;

/* Text of a member, "" when it is missing. Borrowed from o. */
const char *lookup_text(const json_t *o, const char *name) NONNULL;
