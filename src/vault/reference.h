/* SPDX-License-Identifier: Apache-2.0
 *
 * What a person's word for an account may mean. Names may hold slashes, and before a resource's name may stand where it stands (a path of folders, or how that ends),
 * so "a/b/c" may be the login "c" of "a/b", or of "b" in the folder "a", or "b/c" of "a": everything that the caller sees and that reads so is returned, and
 * nothing that merely resembles it. A word that ends in a suffix (base/name.h) means the holder of the
 * name whose id ends so, or a name that is written like this. The client decides what to make of it.
 * Core thread of vaultd only.
 */
#pragma once

#include "vault/policy.h"

/* The longest reference: a name, a slash and a login. */
#define REFERENCE_MAX 401

/* {"accounts":[…],"resources":[…]}: the accounts that read as `reference`, and the resources of
 * exactly that name. */
int reference_read(struct call *c, const char *reference, struct json_out *out,
		   struct err *e) NONNULL MUST_USE;
/* The same of two words: the account of exactly this resource and login (NULL: of none), and the
 * resource. */
int reference_read_words(struct call *c, const char *resource, const char *login,
			 struct json_out *out, struct err *e) MUST_USE;
