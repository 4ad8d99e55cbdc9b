/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/buf.h"

static const struct err_info rows[] = {
#define ERR(name, code, number, http, text) { -(number), http, #code, text },
#include "base/err.def"
#undef ERR
};

const struct err_info *
err_info(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].code == code)
			return &rows[i];
	}
	return err_info(ERR_INTERNAL);
}

const struct err_info *
err_table(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(rows);
	return rows;
}

static void
append_sys(struct err *e)
{
	char text[128], before[sizeof(e->text)];
	memcpy(before, e->text, sizeof(before));
	text_fit(e->text, sizeof(e->text), "%s: %s", before,
		 strerror_r(e->sys, text, sizeof(text)));
}

int
err_set_at(struct err *e, const char *file, int line, int code, int sys, const char *fmt, ...)
{
	if (!e)
		return code;
	*e = (struct err){ .code = code, .sys = sys, .file = file, .line = line };
	va_list ap;
	va_start(ap, fmt);
	text_fitv(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	if (sys)
		append_sys(e);
	return code;
}

int
err_prefix(struct err *e, const char *fmt, ...)
{
	if (!e)
		return ERR_INTERNAL;
	char old[sizeof(e->text)];
	memcpy(old, e->text, sizeof(old));
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	char before[sizeof(e->text)];
	memcpy(before, e->text, sizeof(before));
	text_fit(e->text, sizeof(e->text), "%s%s", before, old);
	return e->code;
}

const char *
err_public(const struct err *e)
{
	const struct err_info *info = err_info(e ? e->code : ERR_INTERNAL);
	return e && info->http < 500 && e->text[0] ? e->text : info->text;
}
