/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/search.h"

#include <ctype.h>
#include <string.h>
#include "vault/lists.h"

#define TRIGRAM 3 /* letters that an index needs to find a part (pg_trgm) */

/* Up to so many are put in order one by one; of more, or of who may see more, only as many are looked at as are shown. */
#define FEW 500

struct texts {
	const char *pattern, *exact, *words;
};

/* Where the page begins. */
struct begin {
	int rank, plain_rank;
	const char *place;
};

static struct texts
texts_of(struct arena *a, const char *q)
{
	const char *text = policy_nfc(a, q);
	char *exact = arena_strdup(a, text), *words = arena_strdup(a, text);

	for (char *p = exact; *p; p++)
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
	for (size_t i = 0; exact[i]; i++) {
		unsigned char u = (unsigned char)exact[i];
		words[i] = u >= 0x80 || isalnum(u) ? exact[i] : ' ';
	}
	return (struct texts){ policy_pattern(a, text), exact, words };
}

/* ret->place NULL: it is gone. */
static int
find_begin(struct call *c, const struct texts *t, const struct policy_page *page, struct begin *ret,
	   struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;

	*ret = (struct begin){ .place = "" };
	if (uuid_is_nil(&page->after))
		return 0;
	bind_uuid(&b, &page->after);
	bind_uuid(&b, &c->who.user);
	bind_text(&b, t->pattern);
	bind_text(&b, t->exact);
	bind_text(&b, t->words);
	int rc = lists_ask(c, STMT_SEARCH_PLACE, &b, &r, e);
	if (rc)
		return rc;
	*ret = (struct begin){ 0 };
	if (rows_count(r))
		*ret = (struct begin){ row_int(r, 0, COL_SEARCH_PLACE_RANK),
				       row_int(r, 0, COL_SEARCH_PLACE_PLAIN_RANK),
				       arena_strdup(c->a, row_text(r, 0, COL_SEARCH_PLACE_PLACE)) };
	return 0;
}

/* How many letters stand together at most. */
static size_t
longest_word(const char *words)
{
	size_t longest = 0, n;

	for (; *words; words += n + (words[n] == ' ')) {
		n = strcspn(words, " ");
		longest = n > longest ? n : longest;
	}
	return longest;
}

static int
are_few(struct call *c, const struct texts *t, bool *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;

	*ret = false;
	if (longest_word(t->words) < TRIGRAM)
		return 0;
	bind_text(&b, t->words);
	bind_int(&b, FEW);
	int rc = lists_ask(c, STMT_SEARCH_HITS, &b, &r, e);
	*ret = !rc && row_int(r, 0, COL_SEARCH_HITS_N) < FEW;
	return rc;
}

static int
choose(struct call *c, const struct texts *t, enum stmt *ret, struct err *e)
{
	bool wide = false, few = false;
	int rc = resource_sees_much(c, true, &wide, e);

	if (!rc && wide)
		rc = are_few(c, t, &few, e);
	*ret = !wide ? STMT_SEARCH_OWN : few ? STMT_SEARCH_FEW : STMT_SEARCH_MANY;
	return rc;
}

int
search_resources(struct call *c, const struct resource_query *q, struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	struct texts t = texts_of(c->a, q->q);
	struct begin begin;
	enum stmt s;
	int rc = find_begin(c, &t, &q->page, &begin, e);

	if (rc || !begin.place)
		return rc;
	rc = choose(c, &t, &s, e);
	if (rc)
		return rc;
	bind_uuid(&b, &c->who.user);
	bind_text(&b, t.pattern);
	bind_text(&b, t.exact);
	if (s != STMT_SEARCH_MANY)
		bind_text(&b, t.words);
	bind_int(&b, s == STMT_SEARCH_MANY ? begin.plain_rank : begin.rank);
	policy_bind_page(&b, begin.place, &q->page);
	return lists_ask(c, s, &b, ret, e);
}
