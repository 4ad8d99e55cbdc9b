/* SPDX-License-Identifier: Apache-2.0
 *
 * Searches for resources by a part of their texts or of their accounts'. The best come first: what has
 * the name, whose name begins so, where a word does, and where it is somewhere; what fits alike, by name.
 */
#pragma once

#include "vault/resource.h"

/* The ids (COL_RESOURCE_IDS_ID) of the page of q->q that the caller may see, and one more where another page follows; *ret
 * stays NULL when there is nothing where the page begins. Freed with rows_free. */
int search_resources(struct call *c, const struct resource_query *q, struct rows **ret,
		     struct err *e) NONNULL MUST_USE;
