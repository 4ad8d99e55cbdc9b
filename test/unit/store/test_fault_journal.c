/* SPDX-License-Identifier: Apache-2.0
 *
 * H6 with every call of the journal failing once: what was acknowledged is there, what was refused is not, and the next
 * try goes well.
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
#include "../sweep.h"
#include "store/journal.h"

static const struct uuid node = { { 1, 2, 3 } };
static char path[64];

static void
remove_files(void)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char name[96];

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
}

static struct journal *
open_journal(void)
{
	struct journal *j = NULL;
	struct err e = { 0 };

	SWEEP_AGAIN(journal_open(path, &node, &j, &e));
	return j;
}

static void
expect(struct journal *j, int64_t count, int64_t seq)
{
	int64_t has = -1, head = -1;
	uint8_t hash[32], wanted[32];
	struct err e = { 0 };

	SWEEP_AGAIN(journal_head(j, &has, &head, hash, &e));
	memset(wanted, (int)(seq & 0xff), sizeof(wanted));
	assert_int_equal(has, count);
	assert_int_equal(head, seq);
	assert_memory_equal(hash, wanted, 32);
}

/* Rows from..to, in one transaction; *count grows. */
static void
append(struct journal *j, int64_t from, int64_t to, int64_t *count)
{
	struct journal_row rows[8] = { 0 };
	char text[8][16];
	size_t n = 0;
	struct err e = { 0 };

	for (int64_t seq = from; seq <= to; seq++, n++) {
		rows[n].seq = seq;
		rows[n].event = text[n];
		rows[n].len = (size_t)snprintf(text[n], sizeof(text[n]), "event %d", (int)seq);
		memset(rows[n].hash, (int)seq, 32);
	}
	if (journal_append(j, rows, n, &e) != 0) {
		assert_true(fault_fired());
		assert_true(e.text[0]);
		expect(j, *count, from - 1);
		assert_int_equal(journal_append(j, rows, n, &e), 0);
	}
	*count += (int64_t)n;
	expect(j, *count, to);
}

static int
see(void *ctx, const struct journal_row *row)
{
	int64_t *next = ctx;
	char text[16];

	assert_int_equal(row->seq, (*next)++);
	snprintf(text, sizeof(text), "event %d", (int)row->seq);
	assert_int_equal(row->len, strlen(text));
	assert_memory_equal(row->event, text, row->len);
	return 0;
}

/* Reading may break off; then it is begun anew and sees every row. */
static void
expect_rows(struct journal *j, int64_t from, int64_t to)
{
	struct err e = { 0 };
	int64_t next = from;

	if (journal_each(j, from - 1, 100, see, &next, &e) != 0) {
		assert_true(fault_fired());
		next = from;
		assert_int_equal(journal_each(j, from - 1, 100, see, &next, &e), 0);
	}
	assert_int_equal(next, to + 1);
}

static void
work(void *arg)
{
	static const uint8_t ten[32] = { [0 ... 31] = 10 }, six[32] = { [0 ... 31] = 6 };
	struct err e = { 0 };
	int64_t count = 0;
	struct journal *j;

	remove_files();
	j = open_journal();
	append(j, 1, 1, &count);
	append(j, 2, 4, &count);
	expect_rows(j, 1, 4);
	SWEEP_AGAIN(journal_drop(j, 2, &e));
	count -= 2;
	journal_free(j);
	j = open_journal();
	expect(j, count, 4);
	append(j, 5, 6, &count);
	expect_rows(j, 3, 6);
	SWEEP_AGAIN(journal_drop(j, 6, &e));
	count = 0;
	SWEEP_AGAIN(journal_set_head(j, 10, ten, &e));
	expect(j, 0, 10);
	SWEEP_AGAIN(journal_restart(j, 6, six, &e));
	append(j, 7, 8, &count);
	journal_free(j);
	j = open_journal();
	expect(j, count, 8);
	expect_rows(j, 7, 8);
	journal_free(j);
}

static void
what_is_acknowledged_is_there(void **state)
{
	snprintf(path, sizeof(path), "/tmp/hf-fault-%d.db", (int)getpid());
	assert_true(sweep(work, NULL) > 60);
	remove_files();
}

/* A new file whose entry in the folder could not be made durable: the next to open it does that before it takes rows. */
static void
a_new_file_is_durable_before_its_rows(void **state)
{
	struct journal *j = NULL;
	struct err e = { 0 };

	remove_files();
	for (int i = 0; i < 2; i++) {
		fault_arm(FAULT_FILE_SYNC, 1);
		assert_int_equal(journal_open(path, &node, &j, &e), ERR_IO);
		assert_true(fault_fired());
	}
	journal_free(open_journal());
	remove_files();
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_acknowledged_is_there),
		cmocka_unit_test(a_new_file_is_durable_before_its_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
