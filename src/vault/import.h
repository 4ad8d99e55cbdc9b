/* SPDX-License-Identifier: Apache-2.0
 *
 * Import of a CSV file: all of it, or nothing. KeePassXC's own export
 * ("Group","Title","Username","Password","URL", "Notes","TOTP","Icon","Last Modified","Created"; a
 * resource is named by its group below the root and its title), or a plain file with a header:
 * resource, login, password, url, description, notes; every other column becomes a field. One
 * ledger unit. Core thread of vaultd only.
 */
#pragma once

#include "vault/policy.h"

#define IMPORT_BYTES_MAX (32u << 20)
#define IMPORT_LINES_MAX 100000

enum import_format { IMPORT_BY_HEADER, IMPORT_KEEPASSXC, IMPORT_PLAIN };

/* ERR_BAD_FIELD or ERR_CONFLICT with the line that does not fit ("line 17: …").
 * {"accounts","resources","dry_run"} */
int import_csv(struct call *c, const char *text, size_t n, enum import_format format, bool dry_run,
	       struct jw *out, struct err *e) NONNULL MUST_USE;
/* ERR_BAD_FIELD */
int import_format_parse(const char *name, enum import_format *ret, struct err *e) NONNULL MUST_USE;
