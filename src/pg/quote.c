/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/quote.h"

void
quote_conninfo(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, " %s='", name);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *value);
	}
	buf_addc(out, '\'');
}

void
quote_setting(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, "%s = '", name);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			buf_addc(out, *value);
		buf_addc(out, *value);
	}
	buf_adds(out, "'\n");
}
