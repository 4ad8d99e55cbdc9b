/* SPDX-License-Identifier: Apache-2.0
 *
 * What may happen while one authority follows another: a table of stories, then every view of up to three authorities and two nodes, held against
 * S1 to S4 of ha/succession.h (H3, H14).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "ha/succession.h"

/* Of two authorities: bit 0 the new one, bit 1 the old one. */
#define NEW 1u
#define OLD 2u

static void
the_steps_of_a_renewal(void **state)
{
	static const struct story {
		const char *what;
		struct succession_view v;
		struct succession expected;
	} stories[] = {
		{ "one, as always", { 1, 2, 0, { { 1, 1 }, { 1, 1 } } }, { 0, 1, 0, 0 } },
		{ "one, and a node has not said",
		  { 1, 2, 0, { { 1, 1 }, { 0, 0 } } },
		  { 0, 1, 0, 0 } },
		{ "one, and it has ended", { 1, 2, 1, { { 1, 1 }, { 1, 1 } } }, { -1, 1, 0, 0 } },
		{ "the log has a new one",
		  { 2, 2, 0, { { OLD, OLD }, { OLD, OLD } } },
		  { 1, NEW | OLD, 3, 0 } },
		{ "this node trusts it",
		  { 2, 2, 0, { { NEW | OLD, OLD }, { OLD, OLD } } },
		  { 1, NEW | OLD, 2, 0 } },
		{ "the other one does, and this one not",
		  { 2, 2, 0, { { OLD, OLD }, { NEW | OLD, OLD } } },
		  { 1, NEW | OLD, 1, 0 } },
		{ "a third node is down",
		  { 2, 3, 0, { { NEW | OLD, OLD }, { NEW | OLD, OLD }, { OLD, OLD } } },
		  { 1, NEW | OLD, 4, 0 } },
		{ "it was removed",
		  { 2, 2, 0, { { NEW | OLD, OLD }, { NEW | OLD, OLD } } },
		  { 0, NEW | OLD, 0, 3 } },
		{ "one shows the new one",
		  { 2, 2, 0, { { NEW | OLD, NEW }, { NEW | OLD, OLD } } },
		  { 0, NEW | OLD, 0, 2 } },
		{ "one has a web certificate of the old one still",
		  { 2, 2, 0, { { NEW | OLD, NEW }, { NEW | OLD, NEW | OLD } } },
		  { 0, NEW | OLD, 0, 2 } },
		{ "both show the new one",
		  { 2, 2, 0, { { NEW | OLD, NEW }, { NEW | OLD, NEW } } },
		  { 0, NEW, 0, 0 } },
		{ "the old one is gone",
		  { 2, 2, 0, { { NEW, NEW }, { NEW, NEW } } },
		  { 0, NEW, 0, 0 } },
		{ "a node of a pack from before it joins",
		  { 2, 3, 0, { { NEW | OLD, NEW }, { NEW | OLD, NEW }, { OLD, OLD } } },
		  { 1, NEW | OLD, 4, 0 } },
		{ "the old one has ended",
		  { 2, 2, OLD, { { NEW | OLD, OLD }, { OLD, OLD } } },
		  { 0, NEW, 2, 0 } },
		{ "the new one has ended, the old one not",
		  { 2, 2, NEW, { { NEW | OLD, OLD }, { NEW | OLD, OLD } } },
		  { 1, OLD, 0, 0 } },
		{ "three: the middle one is trusted by all",
		  { 3, 2, 0, { { 7, 4 }, { 6, 4 } } },
		  { 1, 7, 2, 3 } },
		{ "three: nothing shows the oldest",
		  { 3, 2, 0, { { 7, 2 }, { 6, 2 } } },
		  { 1, 3, 2, 0 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(stories); i++) {
		const struct succession *want = &stories[i].expected;
		struct succession got;

		succession_decide(&stories[i].v, &got);
		if (got.sign != want->sign || got.keep != want->keep ||
		    got.not_trust != want->not_trust || got.shows_old != want->shows_old)
			fail_msg("%s: signs %d, trusted %x, waits for %x and %x", stories[i].what,
				 got.sign, got.keep, got.not_trust, got.shows_old);
	}
}

/* Whoever of the table calls or is called is trusted by the other, now and once both have done what may be done. */
static void
check(const struct succession_view *v)
{
	uint32_t all = (1u << v->authorities_n) - 1, good = all & ~v->ended;
	struct succession s;

	succession_decide(v, &s);
	assert_true(s.keep != 0 && (s.keep & ~all) == 0);   /* S4 */
	assert_true(good == 0 || (s.keep & v->ended) == 0); /* S3 */
	assert_true((s.sign >= 0) == (good != 0));
	if (s.sign < 0)
		return;
	assert_false(v->ended & 1u << s.sign);
	assert_true(s.keep & 1u << s.sign);
	bool by_all = true;
	for (unsigned k = 0; k < v->nodes_n; k++) {
		const struct succession_node *n = &v->nodes[k];

		by_all &= (n->trusts & 1u << s.sign) != 0;
		assert_true((n->shows & good & ~s.keep) == 0); /* S2 */
		if (!n->trusts)
			assert_int_equal(s.keep, good);
	}
	/* S1: newer ones wait, and stay. */
	for (unsigned i = 0; i < (unsigned)s.sign; i++) {
		if (v->ended & 1u << i)
			continue;
		bool newer_by_all = true;
		for (unsigned k = 0; k < v->nodes_n; k++)
			newer_by_all &= (v->nodes[k].trusts & 1u << i) != 0;
		assert_false(newer_by_all);
		assert_true(s.keep & 1u << i);
	}
	if (!by_all)
		assert_true((good & ~((2u << s.sign) - 1)) == 0); /* the oldest */
}

static void
every_view_is_safe(void **state)
{
	unsigned views = 0;

	for (unsigned n = 1; n <= 3; n++) {
		unsigned all = 1u << n;
		for (unsigned bits = 0; bits < all * all * all * all * all; bits++, views++) {
			unsigned b = bits;
			struct succession_view v = { .authorities_n = n, .nodes_n = 2 };

			v.ended = b % all;
			v.nodes[0].trusts = (b /= all) % all;
			v.nodes[0].shows = (b /= all) % all;
			v.nodes[1].trusts = (b /= all) % all;
			v.nodes[1].shows = (b / all) % all;
			check(&v);
		}
	}
	assert_int_equal(views, 32 + 1024 + 32768);
}

/* From the event to the end by single moves, in any order of the nodes and with what each knows of the others coming late: at each moment each
 * node trusts what each of them shows. */
#define NODES 2
struct world {
	struct succession_node is[NODES];	   /* in truth */
	struct succession_node said[NODES][NODES]; /* [k][m]: what k knows of m */
};

static void
decide_at(const struct world *w, unsigned k, struct succession *ret)
{
	struct succession_view v = { .authorities_n = 2, .nodes_n = NODES };

	memcpy(v.nodes, w->said[k], sizeof(w->said[k]));
	v.nodes[k] = w->is[k];
	succession_decide(&v, ret);
}

/* Moves: node k follows what it knows; node 0, the primary, hears of k; k hears what the primary knows. */
static bool
move(struct world *w, unsigned k, unsigned kind)
{
	struct world before = *w;
	struct succession s;

	if (kind == 0) {
		decide_at(w, k, &s);
		w->is[k].trusts = s.keep;
		decide_at(w, k, &s);
		w->is[k].shows = 1u << s.sign;
	} else if (kind == 1) {
		w->said[0][k] = w->is[k];
	} else {
		memcpy(w->said[k], w->said[0], sizeof(w->said[0]));
	}
	return memcmp(&before, w, sizeof(before)) != 0;
}

static unsigned
explore(const struct world *w, struct world *seen, unsigned n, unsigned max)
{
	for (unsigned i = 0; i < n; i++)
		if (memcmp(&seen[i], w, sizeof(*w)) == 0)
			return n;
	assert_true(n < max);
	seen[n++] = *w;
	for (unsigned k = 0; k < NODES; k++)
		for (unsigned m = 0; m < NODES; m++)
			assert_true(w->is[k].trusts & w->is[m].shows);
	bool moved = false;
	for (unsigned k = 0; k < NODES; k++) {
		for (unsigned kind = 0; kind < 3; kind++) {
			struct world next = *w;

			if (!move(&next, k, kind))
				continue;
			moved = true;
			n = explore(&next, seen, n, max);
		}
	}
	if (!moved) /* it ends, and well */
		for (unsigned k = 0; k < NODES; k++)
			assert_true(w->is[k].trusts == NEW && w->is[k].shows == NEW);
	return n;
}

static void
no_order_of_the_steps_shuts_a_node_out(void **state)
{
	enum { MAX = 2000 };
	struct world *seen = mem_new(MAX * sizeof(*seen));
	struct world w = { 0 };

	for (unsigned k = 0; k < NODES; k++) {
		w.is[k] = (struct succession_node){ OLD, OLD };
		for (unsigned m = 0; m < NODES; m++)
			w.said[k][m] = w.is[k];
	}
	assert_true(explore(&w, seen, 0, MAX) > 10);
	free(seen);
}

#define PIN(digit) digit digit digit digit digit digit digit digit
#define ONE PIN("11111111")
#define TWO PIN("22222222")
#define THREE PIN("33333333")
static const struct succession_log three = {
	.n = 3,
	.pins = { ONE, TWO, THREE },
	.ends_us = { 300, 200, 100 },
};

static void
fingerprints_and_bits(void **state)
{
	char text[SUCCESSION_PINS_MAX];

	for (uint32_t bits = 0; bits < 8; bits++) {
		succession_pins(&three, bits, text);
		assert_int_equal(succession_bits(&three, text), bits);
	}
	assert_int_equal(succession_bits(&three, "4444"), 0);
}

/* What has ended at this moment, and each node in its turn: what it trusts, and what either of its certificates comes from. */
static void
a_view_is_built_from_texts(void **state)
{
	static const struct succession_said said[] = {
		{ ONE "," TWO, TWO, ONE },
		{ "", "", THREE },
		{ THREE, PIN("44444444"), "" },
	};
	struct succession_view v = { .ended = 7, .nodes_n = 5 };

	succession_begin(&v, &three, 99);
	assert_int_equal(v.ended, 0);
	succession_begin(&v, &three, 200);
	assert_int_equal(v.ended, 6);
	assert_int_equal(v.authorities_n, 3);
	assert_int_equal(v.nodes_n, 0);
	for (size_t i = 0; i < ARRAY_LEN(said); i++)
		succession_add(&v, &three, &said[i]);
	assert_int_equal(v.nodes_n, 3);
	assert_int_equal(v.nodes[0].trusts, 3);
	assert_int_equal(v.nodes[0].shows, 3);
	assert_int_equal(v.nodes[1].trusts, 0);
	assert_int_equal(v.nodes[1].shows, 4);
	assert_int_equal(v.nodes[2].trusts, 4);
	assert_int_equal(v.nodes[2].shows, 0);
}

/* Good is what signs, and what will: not what is older, what nobody knows, or none at all. While nothing can sign, nothing is made anew. */
static void
a_certificate_of_an_older_one_is_stale(void **state)
{
	struct succession s = { .sign = 1 };

	assert_false(succession_is_stale(&s, &three, ONE));
	assert_false(succession_is_stale(&s, &three, TWO));
	assert_true(succession_is_stale(&s, &three, THREE));
	assert_true(succession_is_stale(&s, &three, PIN("44444444")));
	assert_true(succession_is_stale(&s, &three, ""));
	s.sign = -1;
	assert_false(succession_is_stale(&s, &three, THREE));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_steps_of_a_renewal),
		cmocka_unit_test(every_view_is_safe),
		cmocka_unit_test(no_order_of_the_steps_shuts_a_node_out),
		cmocka_unit_test(fingerprints_and_bits),
		cmocka_unit_test(a_view_is_built_from_texts),
		cmocka_unit_test(a_certificate_of_an_older_one_is_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
