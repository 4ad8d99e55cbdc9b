/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node remembers of the chains: which histories are an alarm, which are not, and what the file keeps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ha/chain_memory.h"

#define LATER (CHAIN_MEMORY_PATIENCE_MS + 1)

/* The remembered event is there with hash h (0: it is not), the chain ends at `head` with hash hh. */
static struct chain_memory_found
found(int h, int64_t head, int hh)
{
	struct chain_memory_found f = { .there = h != 0, .head_seq = head };

	memset(f.hash, h, sizeof(f.hash));
	memset(f.head_hash, hh, sizeof(f.head_hash));
	return f;
}

static struct chain_memory_head
remembering(int64_t seq, int hash)
{
	struct chain_memory_head c = { 0 };
	struct chain_memory_found f = found(0, seq, hash);

	assert_int_equal(chain_memory_note(&c, &f, true, 1), CHAIN_MEMORY_MOVED);
	assert_int_equal(c.seq, seq);
	return c;
}

/* One look at a time: the turn. */
static enum chain_memory_turn
see(struct chain_memory_head *c, struct chain_memory_found f, bool home, int64_t at)
{
	return chain_memory_note(c, &f, home, at);
}

static void
a_growing_chain_is_followed(void **ctx)
{
	struct chain_memory_head c = remembering(5, 'e');

	assert_int_equal(see(&c, found('e', 5, 'e'), true, 10), CHAIN_MEMORY_SAME);
	assert_int_equal(see(&c, found('e', 9, 'i'), false, 20), CHAIN_MEMORY_MOVED);
	assert_int_equal(c.seq, 9);
	assert_int_equal(c.hash[0], 'i');
	assert_int_equal(c.alarm, CHAIN_MEMORY_FINE);
}

static void
a_chain_that_shrank_is_an_alarm(void **ctx)
{
	struct chain_memory_head c = remembering(5, 'e');

	assert_int_equal(see(&c, found(0, 3, 'c'), true, 10), CHAIN_MEMORY_SAME);
	assert_int_equal(see(&c, found(0, 3, 'c'), true, 10 + LATER), CHAIN_MEMORY_RAISED);
	assert_int_equal(c.alarm, CHAIN_MEMORY_SHRUNK);
	assert_int_equal(c.seq, 5); /* it is not forgotten */
	/* It goes on over the gap, and time passes: said once. */
	assert_int_equal(see(&c, found(0, 9, 'x'), true, 10 + 2 * LATER), CHAIN_MEMORY_SAME);
	assert_int_equal(c.alarm, CHAIN_MEMORY_SHRUNK);
}

static void
a_chain_that_forked_is_an_alarm(void **ctx)
{
	struct chain_memory_head c = remembering(5, 'e');

	assert_int_equal(see(&c, found('E', 7, 'x'), true, 10), CHAIN_MEMORY_SAME);
	assert_int_equal(see(&c, found('E', 7, 'x'), true, 10 + LATER), CHAIN_MEMORY_RAISED);
	assert_int_equal(c.alarm, CHAIN_MEMORY_FORKED);
	assert_int_equal(c.found[0], 'E');
	assert_int_equal(c.hash[0], 'e');
}

/* A former primary was rewound: what it had alone is in its journal, and comes home as it was. */
static void
what_is_on_its_way_is_no_alarm(void **ctx)
{
	struct chain_memory_head c = remembering(5, 'e');

	for (int64_t at = 10; at < 10 + 5 * LATER; at += LATER)
		assert_int_equal(see(&c, found(0, 3, 'c'), false, at), CHAIN_MEMORY_SAME);
	assert_int_equal(see(&c, found('e', 6, 'f'), true, 10 + 6 * LATER), CHAIN_MEMORY_MOVED);
	assert_int_equal(c.alarm, CHAIN_MEMORY_FINE);
	/* The patience begins when all is home, not before. */
	c = remembering(5, 'e');
	assert_int_equal(see(&c, found(0, 3, 'c'), true, 10), CHAIN_MEMORY_SAME);
	assert_int_equal(see(&c, found(0, 3, 'c'), false, 10 + LATER), CHAIN_MEMORY_SAME);
	assert_int_equal(see(&c, found(0, 3, 'c'), true, 20 + LATER), CHAIN_MEMORY_SAME);
	assert_int_equal(see(&c, found(0, 3, 'c'), true, 20 + 2 * LATER), CHAIN_MEMORY_RAISED);
}

static void
an_acceptance_after_it_ends_an_alarm(void **ctx)
{
	struct chain_memory_head c = remembering(5, 'e');
	struct chain_memory_found f = found(0, 3, 'c');

	f.accepts = 7; /* of earlier troubles */
	assert_int_equal(chain_memory_note(&c, &f, true, 10), CHAIN_MEMORY_SAME);
	assert_int_equal(chain_memory_note(&c, &f, true, 10 + LATER), CHAIN_MEMORY_RAISED);
	assert_int_equal(chain_memory_note(&c, &f, true, 10 + 2 * LATER), CHAIN_MEMORY_SAME);
	f.accepts = 8;
	assert_int_equal(chain_memory_note(&c, &f, true, 10 + 3 * LATER), CHAIN_MEMORY_ENDED);
	assert_int_equal(c.alarm, CHAIN_MEMORY_FINE);
	assert_int_equal(c.seq, 3);
	/* And the next one is an alarm again. */
	f = found(0, 2, 'b');
	f.accepts = 8;
	assert_int_equal(chain_memory_note(&c, &f, true, 10 + 4 * LATER), CHAIN_MEMORY_SAME);
	assert_int_equal(chain_memory_note(&c, &f, true, 10 + 5 * LATER), CHAIN_MEMORY_RAISED);
}

static void
an_event_that_is_back_ends_an_alarm(void **ctx)
{
	struct chain_memory_head c = remembering(5, 'e');

	assert_int_equal(see(&c, found(0, 3, 'c'), true, 10), CHAIN_MEMORY_SAME);
	assert_int_equal(see(&c, found(0, 3, 'c'), true, 10 + LATER), CHAIN_MEMORY_RAISED);
	assert_int_equal(see(&c, found('e', 5, 'e'), true, 10 + 2 * LATER), CHAIN_MEMORY_ENDED);
	assert_int_equal(c.alarm, CHAIN_MEMORY_FINE);
}

static void
a_chain_that_is_gone_altogether(void **ctx)
{
	struct chain_memory_head c = remembering(5, 'e');

	assert_int_equal(see(&c, found(0, 0, 0), true, 10), CHAIN_MEMORY_SAME);
	assert_int_equal(see(&c, found(0, 0, 0), true, 10 + LATER), CHAIN_MEMORY_RAISED);
}

/* ---- the file ---- */

static void
the_file_keeps_what_counts(void **ctx)
{
	char path[] = "/tmp/holdfast-witness-XXXXXX";
	struct chain_memory_heads m = { .n = 2 }, back;
	struct err e = { 0 };
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	uuid_new(&m.chains[0].node);
	m.chains[0].seq = 123456789012;
	memset(m.chains[0].hash, 0xab, 32);
	uuid_new(&m.chains[1].node);
	m.chains[1] = remembering(5, 'e');
	uuid_new(&m.chains[1].node);
	m.chains[1].alarm = CHAIN_MEMORY_FORKED;
	memset(m.chains[1].found, 'E', 32);
	m.chains[1].accepts = 3;
	m.chains[1].told = true;
	assert_int_equal(chain_memory_write(path, &m, &e), 0);
	assert_int_equal(chain_memory_read(path, &back, &e), 0);
	assert_int_equal(back.n, 2);
	for (int i = 0; i < 2; i++) {
		assert_true(uuid_eq(&back.chains[i].node, &m.chains[i].node));
		assert_int_equal(back.chains[i].seq, m.chains[i].seq);
		assert_memory_equal(back.chains[i].hash, m.chains[i].hash, 32);
		assert_memory_equal(back.chains[i].found, m.chains[i].found, 32);
		assert_int_equal(back.chains[i].alarm, m.chains[i].alarm);
		assert_int_equal(back.chains[i].accepts, m.chains[i].accepts);
		assert_int_equal(back.chains[i].told, m.chains[i].told);
	}
	unlink(path);
	assert_int_equal(chain_memory_read(path, &back, &e), ERR_NOT_FOUND);
}

static void
a_damaged_file_is_said(void **ctx)
{
	static const char *const bad[] = {
		"",
		"holdfast-witness 2\n",
		"holdfast-witness 1\nchain x\n",
		"holdfast-witness 1\nchain 01890000-0000-7000-8000-000000000001 5 abcd 0 00 0 0\n",
		"holdfast-witness 1\nrubbish",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char path[] = "/tmp/holdfast-witness-XXXXXX";
		struct chain_memory_heads m;
		struct err e = { 0 };
		int fd = mkstemp(path);

		assert_true(fd >= 0);
		assert_int_equal(write(fd, bad[i], strlen(bad[i])), strlen(bad[i]));
		close(fd);
		assert_int_equal(chain_memory_read(path, &m, &e), ERR_IO);
		unlink(path);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_growing_chain_is_followed),
		cmocka_unit_test(a_chain_that_shrank_is_an_alarm),
		cmocka_unit_test(a_chain_that_forked_is_an_alarm),
		cmocka_unit_test(what_is_on_its_way_is_no_alarm),
		cmocka_unit_test(an_acceptance_after_it_ends_an_alarm),
		cmocka_unit_test(an_event_that_is_back_ends_an_alarm),
		cmocka_unit_test(a_chain_that_is_gone_altogether),
		cmocka_unit_test(the_file_keeps_what_counts),
		cmocka_unit_test(a_damaged_file_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
