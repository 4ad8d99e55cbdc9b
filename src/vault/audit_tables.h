/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables held against the log, for whoever may read the log: a rebuild (ledger/rebuild.h) that goes on as long as somebody asks
 * how far it is. One at a time; one that nobody asks for any more is given up. Core thread of vaultd.
 */
#pragma once

#include "base/json_out.h"
#include "vault/vault.h"

#define AUDIT_TABLES_IDLE_MS 10000

/* Begins or goes on with the run of that id: {"done","good","events","applied","table","differences":[…],…}. ERR_REFUSED where
 * the tables are not written, and while another one is under way. */
int audit_tables(struct call *c, const struct uuid *run, struct json_out *out,
		 struct err *e) NONNULL MUST_USE;
/* Gives up what nobody has asked for in a while. */
void audit_tables_tidy(struct vault *v) NONNULL;
