/* SPDX-License-Identifier: Apache-2.0 */
#include "base/epoch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 18

int
epoch_cmp(const struct epoch *a, const struct epoch *b)
{
	if (a->counter != b->counter)
		return a->counter < b->counter ? -1 : 1;
	return memcmp(a->node.b, b->node.b, sizeof(a->node.b));
}

bool
epoch_is_later(const struct epoch *a, const struct epoch *b)
{
	return epoch_cmp(a, b) > 0;
}

bool
epoch_is_of(const struct epoch *e, const struct uuid *node)
{
	return e->counter > 0 && uuid_eq(&e->node, node);
}

void
epoch_text(const struct epoch *e, char ret[static EPOCH_TEXT_MAX])
{
	char node[UUID_STR_LEN];

	ret[0] = '\0';
	if (e->counter <= 0)
		return;
	uuid_str(&e->node, node);
	snprintf(ret, EPOCH_TEXT_MAX, "%" PRId64 ".%s", e->counter, node);
}

int
epoch_parse(const char *text, struct epoch *ret, struct err *e)
{
	size_t digits = strspn(text, "0123456789");
	struct epoch p = { 0 };

	if (digits < 1 || digits > DIGITS_MAX || text[0] == '0' || text[digits] != '.' ||
	    uuid_parse(text + digits + 1, &p.node))
		return err_set(e, ERR_BAD_FIELD, "an epoch is a number, a dot and a node's id");
	p.counter = strtoll(text, NULL, 10);
	*ret = p;
	return 0;
}
