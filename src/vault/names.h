/* SPDX-License-Identifier: Apache-2.0
 *
 * Names that several hold: both sides of a cut made something under one name, and the merge kept both. Each holder is reached by its id, or by the
 * name with a suffix (base/name.h), until all but one have another name. Core thread of vaultd only.
 */
#pragma once

#include "vault/policy.h"

/* The holders that the caller may see, those of one name together. {"names":[…],"next"} */
int names_conflicts(struct call *c, const struct policy_page *page, struct json_out *out,
		    struct err *e) NONNULL MUST_USE;
