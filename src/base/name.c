/* SPDX-License-Identifier: Apache-2.0 */
#include "base/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>
#include <unictype.h>

static bool
is_utf8(const char *s)
{
	return !u8_check((const uint8_t *)s, strlen(s));
}

void
name_nfc(const char *s, struct buf *out)
{
	size_t n;
	uint8_t *nfc = is_utf8(s)
			       ? u8_normalize(UNINORM_NFC, (const uint8_t *)s, strlen(s), NULL, &n)
			       : NULL;

	if (nfc)
		buf_add(out, nfc, n);
	else
		buf_adds(out, s);
	free(nfc);
}

bool
name_same(const char *a, const char *b)
{
	int order;

	if (!is_utf8(a) || !is_utf8(b) ||
	    u8_casecmp((const uint8_t *)a, strlen(a), (const uint8_t *)b, strlen(b), NULL,
		       UNINORM_NFC, &order) < 0)
		return strcmp(a, b) == 0;
	return order == 0;
}

size_t
name_char(const char *s, uint32_t *ret_char, bool *ret_unseen)
{
	ucs4_t c;
	int n = u8_mbtoucr(&c, (const uint8_t *)s, strnlen(s, 4));

	if (n <= 0) {
		*ret_char = (unsigned char)*s;
		*ret_unseen = true;
		return 1;
	}
	*ret_char = c;
	*ret_unseen = uc_is_general_category_withtable(
			      c, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Cf | UC_CATEGORY_MASK_Zl |
					 UC_CATEGORY_MASK_Zp) ||
		      uc_is_property_default_ignorable_code_point(c);
	return (size_t)n;
}

bool
name_unseen(const char *s, uint32_t *ret_char)
{
	bool unseen = false;

	while (*s && !unseen)
		s += name_char(s, ret_char, &unseen);
	return unseen;
}

int
name_check(const char *text, const char *what, struct err *e)
{
	size_t n = strlen(text);
	if (n == 0)
		return err_set(e, ERR_BAD_FIELD, "%s may not be empty", what);
	if (text[0] == ' ' || text[n - 1] == ' ')
		return err_set(e, ERR_BAD_FIELD, "%s may not begin or end with a blank", what);
	uint32_t c;
	if (name_unseen(text, &c))
		return err_set(e, ERR_BAD_FIELD,
			       "%s may have nothing in it that cannot be seen (control "
			       "characters, marks of direction or of no width): U+%04X",
			       what, (unsigned)c);
	return 0;
}

#define TAIL_MIN 4
#define TAIL_MAX 12 /* behind the last hyphen of an id */

void
name_suffix(const struct uuid *id, char ret[static NAME_SUFFIX_LEN])
{
	char text[UUID_STR_LEN];

	uuid_str(id, text);
	snprintf(ret, NAME_SUFFIX_LEN, "~%s", text + UUID_STR_LEN - 1 - TAIL_MIN);
}

const char *
name_find_suffix(const char *text)
{
	const char *mark = strrchr(text, '~');
	size_t n = mark ? strlen(mark + 1) : 0;

	if (!mark || mark == text || n < TAIL_MIN || n > TAIL_MAX)
		return NULL;
	return strspn(mark + 1, "0123456789abcdefABCDEF") == n ? mark : NULL;
}

bool
name_means(const char *word, const char *name, const char *id)
{
	const char *suffix = name_find_suffix(word);
	size_t len = strlen(id), n = suffix ? strlen(suffix + 1) : 0;
	auto_buf plain = BUF_INIT;

	if (name_same(word, name))
		return true;
	if (!suffix || n > len || strcasecmp(id + len - n, suffix + 1) != 0)
		return false;
	buf_add(&plain, word, (size_t)(suffix - word));
	return name_same(buf_str(&plain), name);
}
