/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether the tables of a cluster that runs are what its log says (ledger/rebuild.h): what `holdfast audit verify --tables`
 * asks of a node that serves, for one that does not.
 */
#pragma once

#include <uv.h>
#include "base/home.h"
#include "ledger/rebuild.h"

/* percent: of the log; -1: the tables are being compared. */
typedef void tables_progress_fn(void *ctx, int percent);

/* ERR_BAD_PACK: they are not; the text names the first rows that differ. In a fiber of the loop. progress may be NULL. */
int tables_check(uv_loop_t *loop, const struct home *h, struct fiber *f,
		 tables_progress_fn *progress, void *ctx, struct err *e) MUST_USE;
