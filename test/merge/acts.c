/* SPDX-License-Identifier: Apache-2.0
 *
 * What can be done, and how cases are drawn of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "test/merge/merge.h"

static const struct {
	const char *name;
	int kind;
	const char *query;
} acts[] = {
#define ACT(NAME, KIND, sql)                                                                       \
	{                                                                                          \
#NAME, KIND                                                                        \
		, sql                                                                              \
	}                                                                                          \
	,
#include "test/merge/act.def"
#undef ACT
};

const char *
act_name(enum act_name what)
{
	return acts[what].name;
}

int
act_kind(enum act_name what)
{
	return acts[what].kind;
}

/* ---- queries ---- */

/* The n-th of them there, counted round; the first ones are there from the beginning. */
static void
add_nth(struct buf *out, const char *table, unsigned n)
{
	buf_addf(out,
		 "(SELECT id FROM %s ORDER BY id OFFSET %u %% greatest(1, (SELECT count(*) FROM "
		 "%s)) LIMIT 1)",
		 table, n, table);
}

static void
add_word(struct buf *out, const char *word, const struct act *x, const char *node, const char *id,
	 int term)
{
	if (!strcmp(word, "user"))
		add_nth(out, "(SELECT id FROM principal WHERE role <> 'team') u", x->a);
	else if (!strcmp(word, "team"))
		add_nth(out, "(SELECT id FROM principal WHERE role = 'team') t", x->b);
	else if (!strcmp(word, "actor"))
		buf_addf(out, "'00000000-0000-7000-8000-00000000000%u'::uuid", 1 + x->a % 2u);
	else if (!strcmp(word, "resource"))
		add_nth(out, "resource", x->b);
	else if (!strcmp(word, "folder"))
		add_nth(out, "folder", x->b);
	else if (!strcmp(word, "other"))
		add_nth(out, "folder", x->b + 1u + x->c % 2u);
	else if (!strcmp(word, "account"))
		add_nth(out, "account", x->b);
	else if (!strcmp(word, "session"))
		add_nth(out, "session", x->b);
	else if (!strcmp(word, "c"))
		buf_addf(out, "%u", x->c);
	else if (!strcmp(word, "id"))
		buf_addf(out, "'%s'::uuid", id);
	else if (!strcmp(word, "node"))
		buf_addf(out, "'%s'::uuid", node);
	else if (!strcmp(word, "term"))
		buf_addf(out, "%d", term);
	else
		buf_addf(out, "{%s}", word);
}

char *
act_query(const struct act *x, const char *node, const char *id, int term)
{
	auto_buf out = BUF_INIT;

	for (const char *p = acts[x->what].query; *p;) {
		const char *end = *p == '{' ? strchr(p, '}') : NULL;
		char word[16];

		if (!end || (size_t)(end - p) > sizeof(word)) {
			buf_add(&out, p++, 1);
			continue;
		}
		snprintf(word, sizeof(word), "%.*s", (int)(end - p - 1), p + 1);
		add_word(&out, word, x, node, id, term);
		p = end + 1;
	}
	return buf_take_str(&out);
}

/* ---- by lot ---- */

/* splitmix64 */
static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

uint64_t
draw(uint64_t seed, uint64_t what, uint64_t of, uint64_t n)
{
	return mix(mix(mix(seed) ^ what) ^ of) % n;
}

/* The first one mostly; now and then one that was made meanwhile. */
static unsigned char
one_of_few(uint64_t seed, uint64_t what, uint64_t of)
{
	static const unsigned char few[] = { 0, 0, 0, 0, 0, 1, 1, 2 };

	return few[draw(seed, what, of, sizeof(few))];
}

static struct act
any_act(uint64_t seed, uint64_t i, unsigned who)
{
	return (struct act){ .who = (unsigned char)who,
			     .what = (unsigned char)(2 + draw(seed, 10, i, ACTS - 2)),
			     .a = one_of_few(seed, 5, i),
			     .b = one_of_few(seed, 6, i),
			     .c = (unsigned char)draw(seed, 7, i, 6) };
}

/* One side does something, and the other, once it knows of it, something else: which may be about what the first one made. */
static void
draw_upon_each_other(uint64_t seed, struct a_case *ret)
{
	ret->act[ret->n++] = (struct act){ B, CUT, 0, 0, 0 };
	ret->act[ret->n++] = any_act(seed, 0, B);
	ret->act[ret->n++] = (struct act){ B, HEAL, 0, 0, 0 };
	for (unsigned i = 1; i <= 1 + draw(seed, 2, 0, 3); i++)
		ret->act[ret->n++] = any_act(seed, i, A);
}

/* Most is about a few kinds and one or two things, so that it meets. */
static void
draw_any(uint64_t seed, unsigned nodes, struct a_case *ret)
{
	uint64_t themes = 1 + draw(seed, 1, 0, 4);

	ret->n = 5 + (unsigned)draw(seed, 2, 0, 9);
	for (unsigned i = 0; i < ret->n; i++) {
		struct act *x = &ret->act[i];
		uint64_t lot = draw(seed, 3, i, 100);

		*x = any_act(seed, i, (unsigned)draw(seed, 4, i, nodes));
		if (lot < 12 || i < nodes - 1)
			x->what = CUT;
		else if (lot < 20)
			x->what = HEAL;
		else if (lot < 24)
			x->what = PROMOTE;
		else if (lot < 84)
			x->what = (unsigned char)(2 + draw(seed, 8, draw(seed, 9, i, themes),
							   ACTS - 2));
		if (i < nodes - 1)
			x->who = (unsigned char)(i + 1);
	}
}

void
act_draw(uint64_t seed, unsigned nodes, struct a_case *ret)
{
	*ret = (struct a_case){ .nodes = nodes, .seed = seed };
	if (draw(seed, 11, 0, 4) == 0)
		draw_upon_each_other(seed, ret);
	else
		draw_any(seed, nodes, ret);
}
