/* SPDX-License-Identifier: Apache-2.0
 *
 * Compares the tables with the log, for whoever may read the log: a rebuild (ledger/rebuild.h) that goes on as long as
 * somebody asks for its progress. One at a time; one that nobody asks about any more is given up. Core thread of vaultd.
 */
#pragma once

#include "base/json_out.h"
#include "vault/vault.h"

#define AUDIT_TABLES_IDLE_MS 10000

/* Begins or continues the run of that id: {"done","good","events","applied","table","differences":[…],…}.
 * ERR_REFUSED where the tables are not written, and while another one is under way. */
int audit_tables(struct call *c, const struct uuid *run, struct json_out *out,
		 struct err *e) NONNULL MUST_USE;
/* Gives up a run that nobody has asked about for a while. */
void audit_tables_tidy(struct vault *v) NONNULL;
