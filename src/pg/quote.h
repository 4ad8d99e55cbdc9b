/* SPDX-License-Identifier: Apache-2.0
 *
 * PostgreSQL's two quoting rules outside SQL.
 */
#pragma once

#include "base/buf.h"

/* " name='value'" of a conninfo (libpq, "Connection Strings"): a backslash before quotes and backslashes. */
void quote_conninfo(struct buf *out, const char *name, const char *value) NONNULL;
/* "name = 'value'\n" of a configuration file ("Setting Parameters"): doubles quotes and backslashes. */
void quote_setting(struct buf *out, const char *name, const char *value) NONNULL;
