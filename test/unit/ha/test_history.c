/* SPDX-License-Identifier: Apache-2.0
 *
 * H13: histories are compared by the hashes of common events, never by numbers or lengths.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/home.h"
#include "ha/history.h"
#include "ha/history_kept.h"
#include "store/journal.h"

/* A log: of chain c the first `shared` events are everybody's, the rest are its own. The chain of a capital is a further one of the
 * node of the small letter. */
struct chain {
	uint8_t c;
	int64_t shared, end;
	uint8_t own;
};

static struct uuid
id(uint8_t c)
{
	return (struct uuid){ .b = { c } };
}

static struct history_head
event(const struct chain *l, int64_t seq)
{
	struct history_head h = { .chain = id(l->c), .node = id(l->c | 0x20), .seq = seq };

	memset(h.hash, (int)(seq & 0x3f), sizeof(h.hash));
	h.hash[0] = l->c;
	h.hash[1] = seq > l->shared ? l->own : 0;
	return h;
}

/* What a log answers when it is asked for its ends, and for places. */
static void
ends(const struct chain *log, struct history_heads *ret)
{
	for (const struct chain *l = log; l->c; l++)
		ret->v[ret->n++] = event(l, l->end);
}

static void
places(const struct chain *log, const struct history_heads *at, struct history_heads *ret)
{
	for (unsigned i = 0; i < at->n; i++) {
		for (const struct chain *l = log; l->c; l++) {
			if (l->c == at->v[i].chain.b[0] && at->v[i].seq <= l->end)
				ret->v[ret->n++] = event(l, at->v[i].seq);
		}
	}
}

/* This node's chain is 'a', the other's is 'b'. */
static struct history_verdict
judge(const struct chain *ours, const struct chain *theirs)
{
	struct history_sides *s = calloc(1, sizeof(*s));
	struct uuid self = id('a'), other = id('b');
	struct history_verdict v;

	ends(ours, &s->ours);
	ends(theirs, &s->theirs);
	places(ours, &s->theirs, &s->ours_there);
	places(theirs, &s->ours, &s->theirs_there);
	history_judge(s, &self, &other, &v);
	free(s);
	return v;
}

#define LOG(...) ((const struct chain[]){ __VA_ARGS__, { 0 } })

static void
the_same_log_is_equal(void **ctx)
{
	struct history_verdict v = judge(LOG({ 'a', 9, 9, 0 }, { 'b', 4, 4, 0 }),
					 LOG({ 'a', 9, 9, 0 }, { 'b', 4, 4, 0 }));

	assert_int_equal(v.all, HISTORY_EQUAL);
	assert_int_equal(v.self.relation, HISTORY_EQUAL);
	assert_int_equal(v.other.relation, HISTORY_EQUAL);
}

static void
who_goes_on_has_more(void **ctx)
{
	struct history_verdict v = judge(LOG({ 'a', 9, 9, 0 }), LOG({ 'a', 9, 7, 0 }));

	assert_int_equal(v.all, HISTORY_OURS_MORE);
	v = judge(LOG({ 'a', 9, 7, 0 }), LOG({ 'a', 9, 9, 0 }, { 'b', 1, 1, 0 }));
	assert_int_equal(v.all, HISTORY_THEIRS_MORE);
	assert_int_equal(v.self.relation, HISTORY_THEIRS_MORE);
	assert_int_equal(v.other.relation, HISTORY_THEIRS_MORE);
	assert_int_equal(v.self.ours, 7);
	assert_int_equal(v.self.theirs, 9);
}

/* Put back, and gone on from there: longer, as long or shorter than what was there before. */
static void
a_length_says_nothing(void **ctx)
{
	for (int64_t end = 8; end <= 12; end++) {
		struct history_verdict v = judge(LOG({ 'a', 5, end, 1 }), LOG({ 'a', 5, 10, 2 }));

		assert_int_equal(v.self.relation, HISTORY_PARTED);
		assert_int_equal(v.all, HISTORY_PARTED);
		assert_int_equal(v.self.ours, end);
		assert_int_equal(v.self.theirs, 10);
	}
}

/* Each has what the other has not, in different chains: both can have all of it. */
static void
chains_stand_for_themselves(void **ctx)
{
	struct history_verdict v = judge(LOG({ 'a', 9, 9, 0 }, { 'b', 4, 4, 0 }, { 'c', 2, 2, 0 }),
					 LOG({ 'a', 9, 6, 0 }, { 'b', 8, 8, 0 }));

	assert_int_equal(v.all, HISTORY_PARTED);
	assert_int_equal(v.self.relation, HISTORY_OURS_MORE);
	assert_int_equal(v.other.relation, HISTORY_THEIRS_MORE);
	assert_int_equal(v.self.ours, 9);
	assert_int_equal(v.self.theirs, 6);
	assert_int_equal(v.other.ours, 4);
	assert_int_equal(v.other.theirs, 8);
}

/* A third node's chain parted: nobody's own is wrong, and the whole still is. */
static void
a_third_chain_counts(void **ctx)
{
	struct history_verdict v = judge(LOG({ 'a', 9, 9, 0 }, { 'c', 3, 5, 1 }),
					 LOG({ 'a', 9, 9, 0 }, { 'c', 3, 5, 2 }));

	assert_int_equal(v.all, HISTORY_PARTED);
	assert_int_equal(v.self.relation, HISTORY_EQUAL);
}

/* What a node wrote beside its chain is its own too; of which of them it lacks something is said. */
static void
a_further_chain_is_the_nodes_own(void **ctx)
{
	struct history_verdict v =
		judge(LOG({ 'a', 9, 7, 0 }, { 'A', 0, 3, 1 }), LOG({ 'a', 9, 9, 0 }));

	assert_int_equal(v.self.relation, HISTORY_PARTED);
	assert_int_equal(v.self.one, HISTORY_THEIRS_MORE);
	assert_int_equal(v.self.ours, 7);
	assert_int_equal(v.self.theirs, 9);
	assert_int_equal(v.self.chain.b[0], 'a');
	v = judge(LOG({ 'a', 9, 9, 0 }), LOG({ 'a', 9, 9, 0 }, { 'A', 0, 3, 1 }));
	assert_int_equal(v.self.chain.b[0], 'A');
	v = judge(LOG({ 'b', 9, 9, 0 }), LOG({ 'b', 9, 7, 0 }, { 'B', 0, 3, 1 }));
	assert_int_equal(v.other.relation, HISTORY_PARTED);
	assert_int_equal(v.other.one, HISTORY_OURS_MORE);
	assert_int_equal(v.other.ours, 9);
	assert_int_equal(v.other.theirs, 7);
	v = judge(LOG({ 'a', 9, 9, 0 }), LOG({ 'a', 9, 9, 0 }, { 'A', 2, 2, 0 }));
	assert_int_equal(v.self.relation, HISTORY_THEIRS_MORE);
	assert_int_equal(v.self.one, HISTORY_THEIRS_MORE);
	assert_int_equal(v.self.ours, 0);
	assert_int_equal(v.self.theirs, 2);
}

static void
fill(const struct home *h, const char *file, uint8_t chain, int64_t from, int64_t to)
{
	char path[HOME_PATH_MAX];
	struct uuid u = id(chain);
	struct journal *j;
	struct err e = { 0 };

	home_path(h, HOME_JOURNAL, path);
	strcpy(strrchr(path, '/') + 1, file);
	assert_int_equal(journal_open(path, &u, &j, &e), 0);
	if (from > 1)
		assert_int_equal(journal_set_head(j, from - 1, (uint8_t[32]){ 1 }, &e), 0);
	for (int64_t seq = from; seq <= to; seq++) {
		const struct chain l = { chain, to, to, 0 };
		struct history_head head = event(&l, seq);
		struct journal_row row = { .seq = seq, .event = "x", .len = 1 };

		memcpy(row.hash, head.hash, sizeof(row.hash));
		assert_int_equal(journal_append(j, &row, 1, &e), 0);
	}
	journal_free(j);
}

static struct history_own
judge_with(const struct home *h, const struct chain *ours, const struct chain *theirs)
{
	struct history_sides *s = calloc(1, sizeof(*s));
	struct uuid self = id('a'), other = id('b');
	struct history_verdict v;

	ends(ours, &s->ours);
	ends(theirs, &s->theirs);
	places(ours, &s->theirs, &s->ours_there);
	places(theirs, &s->ours, &s->theirs_there);
	history_look_kept(h, &self, s);
	history_judge(s, &self, &other, &v);
	free(s);
	return v.self;
}

/* What was deposited there and waits in a journal here is not lost; what the journal has not, or has otherwise, is. */
static void
a_journal_has_it_too(void **ctx)
{
	char dir[] = "/tmp/hf-kept-XXXXXX", data[HOME_PATH_MAX];
	struct history_own v;
	struct home h;
	struct err e = { 0 };

	assert_non_null(mkdtemp(dir));
	strcpy(h.dir, dir);
	snprintf(data, sizeof(data), "%s/data", dir);
	assert_int_equal(home_mkdirs(data, 0700, &e), 0);
	v = judge_with(&h, LOG({ 'a', 9, 5, 0 }), LOG({ 'a', 9, 9, 0 }));
	assert_int_equal(v.relation, HISTORY_THEIRS_MORE);
	fill(&h, "journal.db", 'a', 6, 9);
	v = judge_with(&h, LOG({ 'a', 9, 5, 0 }), LOG({ 'a', 9, 9, 0 }));
	assert_int_equal(v.relation, HISTORY_EQUAL);
	v = judge_with(&h, LOG({ 'a', 9, 5, 0 }), LOG({ 'a', 9, 8, 0 }));
	assert_int_equal(v.relation, HISTORY_EQUAL);
	v = judge_with(&h, LOG({ 'a', 9, 4, 0 }), LOG({ 'a', 9, 9, 0 })); /* 5 is nowhere */
	assert_int_equal(v.relation, HISTORY_THEIRS_MORE);
	v = judge_with(&h, LOG({ 'a', 9, 5, 0 }), LOG({ 'a', 9, 10, 0 })); /* nor is 10 */
	assert_int_equal(v.relation, HISTORY_THEIRS_MORE);
	v = judge_with(&h, LOG({ 'a', 9, 5, 0 }), LOG({ 'a', 5, 9, 7 })); /* another 9 */
	assert_int_equal(v.relation, HISTORY_THEIRS_MORE);
	v = judge_with(&h, LOG({ 'a', 4, 5, 1 }), LOG({ 'a', 9, 9, 0 })); /* another 5 */
	assert_int_equal(v.relation, HISTORY_PARTED);
	fill(&h, "journal-41000000-0000-0000-0000-000000000000.db", 'A', 1, 2);
	v = judge_with(&h, LOG({ 'a', 9, 9, 0 }), LOG({ 'a', 9, 9, 0 }, { 'A', 2, 2, 0 }));
	assert_int_equal(v.relation, HISTORY_EQUAL);
	v = judge_with(&h, LOG({ 'b', 9, 5, 0 }),
		       LOG({ 'b', 9, 9, 0 })); /* is no chain of its own */
	assert_int_equal(v.relation, HISTORY_EQUAL);
	assert_int_equal(home_remove_tree(dir, &e), 0);
}

static void
an_empty_log_has_nothing(void **ctx)
{
	struct history_verdict v = judge(LOG({ 0 }), LOG({ 'a', 3, 3, 0 }));

	assert_int_equal(v.all, HISTORY_THEIRS_MORE);
	v = judge(LOG({ 0 }), LOG({ 0 }));
	assert_int_equal(v.all, HISTORY_EQUAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_log_is_equal),
		cmocka_unit_test(who_goes_on_has_more),
		cmocka_unit_test(a_length_says_nothing),
		cmocka_unit_test(chains_stand_for_themselves),
		cmocka_unit_test(a_third_chain_counts),
		cmocka_unit_test(a_further_chain_is_the_nodes_own),
		cmocka_unit_test(a_journal_has_it_too),
		cmocka_unit_test(an_empty_log_has_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
