/* SPDX-License-Identifier: Apache-2.0
 *
 * H6: what is in the journal is on disk when the call returns, whatever is killed; a damaged one is
 * refused and left alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/home.h"
#include "store/journal.h"
#include "store/journal_rescue.h"

static const struct uuid node = { { 1, 2, 3 } };
static char dir[64], path[96];
static struct err ignored;

static struct journal_row
row(int64_t seq)
{
	static char text[64];
	struct journal_row r = { .seq = seq, .event = text };

	r.len = (size_t)snprintf(text, sizeof text, "event %lld", (long long)seq);
	memset(r.hash, (int)(seq & 0xff), sizeof r.hash);
	return r;
}

static struct journal *
open_journal(void)
{
	struct journal *j = NULL;
	struct err e = { 0 };

	if (journal_open(path, &node, &j, &e) != 0)
		fail_msg("%s", e.text);
	return j;
}

static void
append(struct journal *j, int64_t from, int64_t to)
{
	struct err e = { 0 };

	for (int64_t seq = from; seq <= to; seq++) {
		struct journal_row r = row(seq);

		if (journal_append(j, &r, 1, &e) != 0)
			fail_msg("%s", e.text);
	}
}

static void
expect_head(struct journal *j, int64_t count, int64_t seq)
{
	int64_t c = -1, s = -1;
	uint8_t hash[32], expected[32];

	memset(expected, (int)(seq & 0xff), sizeof expected);
	assert_int_equal(journal_head(j, &c, &s, hash, NULL), 0);
	assert_int_equal(c, count);
	assert_int_equal(s, seq);
	assert_memory_equal(hash, expected, 32);
}

struct seen {
	int64_t n, first, last, stop_at;
};

static int
see(void *ctx, const struct journal_row *r)
{
	struct seen *s = ctx;
	struct journal_row expected = row(r->seq);

	assert_int_equal(r->len, expected.len);
	assert_memory_equal(r->event, expected.event, r->len);
	assert_memory_equal(r->hash, expected.hash, 32);
	if (s->n++ == 0)
		s->first = r->seq;
	s->last = r->seq;
	return r->seq == s->stop_at ? 42 : 0;
}

static void
a_new_journal_is_empty_and_private(void **state)
{
	struct journal *j = open_journal();
	struct stat st;

	expect_head(j, 0, 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	journal_free(j);
}

static void
rows_come_back_in_order(void **state)
{
	struct journal *j = open_journal();
	struct seen s = { 0 };

	append(j, 1, 20);
	assert_int_equal(journal_each(j, 5, 10, see, &s, NULL), 0);
	assert_int_equal(s.n, 10);
	assert_int_equal(s.first, 6);
	assert_int_equal(s.last, 15);
	s = (struct seen){ .stop_at = 3 };
	assert_int_equal(journal_each(j, 0, 10, see, &s, NULL), 42);
	assert_int_equal(s.n, 3);
	journal_free(j);
}

static void
many_rows_are_one_transaction(void **state)
{
	struct journal *j = open_journal();
	struct err e = { 0 };
	struct journal_row rows[3] = { row(1), row(2), row(3) };

	rows[2].seq = 4;
	assert_int_equal(journal_append(j, rows, 3, &e), ERR_REFUSED);
	expect_head(j, 0, 0);
	rows[2].seq = 3;
	assert_int_equal(journal_append(j, rows, 3, NULL), 0);
	expect_head(j, 3, 3);
	journal_free(j);
}

static void
a_row_must_follow(void **state)
{
	struct journal *j = open_journal();
	struct journal_row again = row(3), gap = row(5);

	append(j, 1, 3);
	assert_int_equal(journal_append(j, &again, 1, NULL), ERR_REFUSED);
	assert_int_equal(journal_append(j, &gap, 1, NULL), ERR_REFUSED);
	expect_head(j, 3, 3);
	journal_free(j);
}

static void
a_row_has_a_greatest_size(void **state)
{
	struct journal *j = open_journal();
	char *big = calloc(1, JOURNAL_EVENT_MAX + 1);
	struct journal_row r = { .seq = 1, .event = big, .len = JOURNAL_EVENT_MAX + 1 };

	assert_int_equal(journal_append(j, &r, 1, NULL), ERR_TOO_LARGE);
	r.len = JOURNAL_EVENT_MAX;
	assert_int_equal(journal_append(j, &r, 1, NULL), 0);
	r = (struct journal_row){ .seq = 2, .event = NULL, .len = 0 };
	assert_int_equal(journal_append(j, &r, 1, NULL), 0);
	free(big);
	journal_free(j);
}

static void
dropping_keeps_the_head(void **state)
{
	struct journal *j = open_journal();
	struct seen s = { 0 };

	append(j, 1, 10);
	assert_int_equal(journal_drop(j, 4, &ignored), 0);
	expect_head(j, 6, 10);
	assert_int_equal(journal_drop(j, 10, &ignored), 0);
	expect_head(j, 0, 10);
	journal_free(j);
	j = open_journal();
	expect_head(j, 0, 10);
	append(j, 11, 11);
	assert_int_equal(journal_each(j, 0, 100, see, &s, NULL), 0);
	assert_int_equal(s.n, 1);
	journal_free(j);
}

static void
the_head_is_set_only_forward_and_when_empty(void **state)
{
	struct journal *j = open_journal();
	uint8_t hash[32];

	memset(hash, 7, sizeof hash);
	assert_int_equal(journal_set_head(j, 7, hash, NULL), 0);
	assert_int_equal(journal_set_head(j, 7, hash, NULL), 0);
	expect_head(j, 0, 7);
	hash[0] ^= 1;
	assert_int_equal(journal_set_head(j, 7, hash, NULL), ERR_REFUSED);
	assert_int_equal(journal_set_head(j, 6, hash, NULL), ERR_REFUSED);
	append(j, 8, 8);
	assert_int_equal(journal_set_head(j, 9, hash, NULL), ERR_REFUSED);
	expect_head(j, 1, 8);
	journal_free(j);
}

static void
a_journal_of_another_node_is_refused(void **state)
{
	static const struct uuid other = { { 9 } };
	struct journal *j = open_journal();
	struct err e = { 0 };

	append(j, 1, 2);
	journal_free(j);
	assert_int_equal(journal_open(path, &other, &j, &e), ERR_REFUSED);
	assert_non_null(strstr(e.text, "another node"));
	j = open_journal();
	expect_head(j, 2, 2);
	journal_free(j);
}

static void
two_have_it_open_at_once(void **state)
{
	struct journal *writer = open_journal(), *reader = open_journal();

	append(writer, 1, 5);
	expect_head(reader, 5, 5);
	assert_int_equal(journal_drop(reader, 3, &ignored), 0);
	append(writer, 6, 6);
	expect_head(writer, 3, 6);
	journal_free(reader);
	journal_free(writer);
}

/* Appends for ever and says each row that append called durable. */
static void
append_for_ever(int out)
{
	struct journal *j = open_journal();

	for (int64_t seq = 1;; seq++) {
		append(j, seq, seq);
		if (write(out, &seq, sizeof seq) != sizeof seq)
			_exit(1);
	}
}

static void
what_was_acknowledged_survives_kill_9(void **state)
{
	int64_t said = 0, seq, count, head;
	uint8_t hash[32];
	struct seen s = { 0 };
	struct journal *j;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0)
		append_for_ever(fds[1]);
	close(fds[1]);
	while (said < 50 && read(fds[0], &seq, sizeof seq) == sizeof seq)
		said = seq;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (read(fds[0], &seq, sizeof seq) == sizeof seq)
		said = seq;
	close(fds[0]);
	j = open_journal();
	assert_int_equal(journal_head(j, &count, &head, hash, NULL), 0);
	assert_true(said >= 50);
	assert_true(head == said || head == said + 1);
	assert_int_equal(journal_each(j, 0, SIZE_MAX, see, &s, NULL), 0);
	assert_int_equal(s.n, head);
	append(j, head + 1, head + 1);
	journal_free(j);
}

static void
read_all(const char *p, struct buf *b)
{
	struct err e;

	assert_int_equal(home_read_file(p, 16 << 20, b, &e), 0);
}

/* Opens what must not open; the file is the same before and after. */
static void
expect_damaged(void)
{
	auto_buf before = BUF_INIT;
	auto_buf after = BUF_INIT;
	struct journal *j = NULL;
	struct err e = { 0 };

	read_all(path, &before);
	assert_int_equal(journal_open(path, &node, &j, &e), ERR_IO);
	assert_true(e.text[0] != '\0');
	assert_null(j);
	read_all(path, &after);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.data, after.data, before.len);
}

static void
overwrite(off_t at, const char *with, size_t n)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, with, n, at), n);
	close(fd);
}

/* A hand that edits the file well enough for SQLite. */
static void
edit(const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void
a_damaged_file_is_refused_and_left(void **state)
{
	char junk[512];
	struct journal *j = open_journal();

	append(j, 1, 500);
	journal_free(j);
	memset(junk, 0xa5, sizeof junk);
	overwrite(2 * 4096, junk, sizeof junk);
	expect_damaged();
}

static void
damage_while_it_is_open_is_noticed(void **state)
{
	char junk[512];
	struct journal *j = open_journal();
	struct err e = { 0 };

	append(j, 1, 500);
	journal_free(j);
	j = open_journal();
	assert_int_equal(journal_check(j, &e), 0);
	memset(junk, 0xa5, sizeof junk);
	overwrite(3 * 4096, junk, sizeof junk);
	assert_int_equal(journal_check(j, &e), ERR_IO);
	assert_non_null(strstr(e.text, "holdfast ha repair-journal"));
	journal_free(j);
}

enum { LARGE_ROWS = 400, LARGE_LEN = 60000 };

/* Of three parts, by what is read at once; it is looked at while it grows. */
static struct journal *
open_large(void)
{
	static uint8_t text[LARGE_LEN];
	struct err e = { 0 };
	struct journal *j = open_journal();

	for (int64_t seq = 1; seq <= LARGE_ROWS; seq++) {
		struct journal_row r = { .seq = seq, .event = text, .len = LARGE_LEN };
		assert_int_equal(journal_append(j, &r, 1, &e), 0);
		if (seq % 100 == 0)
			assert_int_equal(journal_check(j, &e), 0);
	}
	journal_free(j);
	return open_journal();
}

static void
expect_checks(struct journal *j, bool good)
{
	struct err e = { 0 };
	int code = 0, n = 0;

	while (n < 8 && (code = journal_check(j, &e)) == 0)
		n++;
	if (good && code)
		fail_msg("%s", e.text);
	assert_true(good || (code == ERR_IO && n > 0)); /* n: it was not in the first part */
}

/* H6: of a journal that has grown large a part is read at once, and all of it comes to its turn. */
static void
damage_in_a_large_one_is_noticed(void **state)
{
	struct journal *j = open_large();
	struct err e = { 0 };
	char junk[512];

	expect_checks(j, true);
	assert_int_equal(journal_drop(j, 150, &e), 0); /* also while it is merged */
	expect_checks(j, true);
	journal_free(j);
	j = open_journal();
	memset(junk, 0xa5, sizeof junk);
	overwrite((off_t)380 * (LARGE_LEN / 4096 + 1) * 4096, junk, sizeof junk);
	expect_checks(j, false);
	journal_free(j);
}

/* A part begins where the last one ended: a row that is missing between them is missed. */
static void
rows_missing_in_a_large_one_are_noticed(void **state)
{
	for (int64_t seq = 141; seq <= 142; seq++) {
		char sql[64];
		struct journal *j = open_large();

		snprintf(sql, sizeof sql, "DELETE FROM rows WHERE seq = %lld", (long long)seq);
		edit(sql);
		expect_checks(j, false);
		journal_free(j);
		unlink(path);
	}
}

/* ---- what is left of a damaged one ---- */

static int
take_seq(void *ctx, const struct journal_row *r)
{
	int64_t *last = ctx;
	struct journal_row wanted = row(r->seq);

	assert_int_equal(r->seq, *last + 1);
	assert_int_equal(r->len, wanted.len);
	assert_memory_equal(r->event, wanted.event, r->len);
	assert_memory_equal(r->hash, wanted.hash, sizeof r->hash);
	*last = r->seq;
	return 0;
}

/* Rescues into a new file; that one opens, and has exactly these rows. */
static struct journal_rescued
rescue(int64_t before, int64_t first, int64_t last)
{
	struct journal_rescued got = { 0 };
	char new[128];
	int64_t count, head, seq = first - 1;
	uint8_t hash[32];
	struct journal *j = NULL;
	struct err e = { 0 };

	snprintf(new, sizeof new, "%s.new", path);
	if (journal_rescue(path, &node, before, new, &got, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(got.first, first);
	assert_int_equal(got.last, last);
	assert_int_equal(journal_open(new, &node, &j, &e), 0);
	assert_int_equal(journal_head(j, &count, &head, hash, &e), 0);
	assert_int_equal(head, last);
	assert_int_equal(count, last ? last - first + 1 : 0);
	if (last)
		assert_int_equal(journal_each(j, 0, 10000, take_seq, &seq, &e), 0);
	journal_free(j);
	unlink(new);
	return got;
}

static void
rows_before_the_damage_are_rescued(void **state)
{
	char junk[512];
	struct stat st;
	struct journal_rescued got = { 0 };
	struct journal *j = open_journal();
	struct err e = { 0 };
	char new[128];

	append(j, 1, 500);
	assert_int_equal(journal_drop(j, 100, &e), 0);
	journal_free(j);
	assert_int_equal(stat(path, &st), 0);
	memset(junk, 0xa5, sizeof junk);
	overwrite(st.st_size - 4096, junk, sizeof junk); /* its last leaf */
	expect_damaged();
	snprintf(new, sizeof new, "%s.new", path);
	assert_int_equal(journal_rescue(path, &node, 0, new, &got, &e), 0);
	unlink(new);
	assert_true(got.last > 101 && got.last < 500);
	assert_int_equal(got.head, 500);
	assert_true(got.why[0]);
	rescue(0, 101, got.last);
	rescue(got.last, 101, got.last - 1);
	expect_damaged(); /* and it is as it was */
}

static void
rows_behind_a_hole_are_not_rescued(void **state)
{
	struct journal_rescued got;
	struct journal *j = open_journal();

	append(j, 1, 10);
	journal_free(j);
	edit("DELETE FROM rows WHERE seq = 5");
	got = rescue(0, 1, 4);
	assert_non_null(strstr(got.why, "event 5 is missing"));
}

static void
nothing_is_rescued_of_what_is_no_database(void **state)
{
	static const char text[] = "this is a text and no database, and longer than a header of "
				   "one hundred bytes, which SQLite reads before all else.";
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_int_equal(write(fd, text, sizeof text), sizeof text);
	close(fd);
	assert_true(rescue(0, 0, 0).why[0]);
	expect_damaged();
}

static void
another_nodes_journal_is_not_rescued(void **state)
{
	static const struct uuid other = { { 9 } };
	struct journal_rescued got;
	struct journal *j = open_journal();
	char new[128];
	struct err e = { 0 };

	append(j, 1, 3);
	journal_free(j);
	snprintf(new, sizeof new, "%s.new", path);
	assert_int_equal(journal_rescue(path, &other, 0, new, &got, &e), ERR_REFUSED);
	assert_int_equal(access(new, F_OK), -1);
}

static void
a_cut_file_is_refused(void **state)
{
	struct stat st;
	struct journal *j = open_journal();

	append(j, 1, 500);
	journal_free(j);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size / 8192 * 4096), 0);
	expect_damaged();
}

static void
what_is_no_database_is_refused(void **state)
{
	static const char text[] = "this is a text and no database, and longer than a header of "
				   "one hundred bytes, which SQLite reads before all else.";
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_int_equal(write(fd, text, sizeof text), sizeof text);
	close(fd);
	expect_damaged();
}

static void
removed_rows_are_noticed(void **state)
{
	static const char *const edits[] = {
		"DELETE FROM rows WHERE seq = 5",
		"DELETE FROM rows WHERE seq = 10",
		"UPDATE rows SET hash = zeroblob(32) WHERE seq = 10",
		"DELETE FROM meta",
		"UPDATE meta SET head_hash = x'00'",
	};

	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		struct journal *j = open_journal();

		append(j, 1, 10);
		journal_free(j);
		edit(edits[i]);
		expect_damaged();
		unlink(path);
	}
}

static void
a_database_of_others_is_refused(void **state)
{
	edit("CREATE TABLE t (x); PRAGMA application_id = 5");
	expect_damaged();
}

static void
a_newer_format_is_refused(void **state)
{
	struct journal *j = open_journal();

	journal_free(j);
	edit("PRAGMA user_version = 99");
	assert_int_equal(journal_open(path, &node, &j, &ignored), ERR_REFUSED);
}

static int
start(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/holdfast-test-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/journal.db", dir);
	return 0;
}

static int
stop(void **state)
{
	struct err e;

	return home_remove_tree(dir, &e);
}

#define JOURNAL_TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		JOURNAL_TEST(a_new_journal_is_empty_and_private),
		JOURNAL_TEST(rows_come_back_in_order),
		JOURNAL_TEST(many_rows_are_one_transaction),
		JOURNAL_TEST(a_row_must_follow),
		JOURNAL_TEST(a_row_has_a_greatest_size),
		JOURNAL_TEST(dropping_keeps_the_head),
		JOURNAL_TEST(the_head_is_set_only_forward_and_when_empty),
		JOURNAL_TEST(a_journal_of_another_node_is_refused),
		JOURNAL_TEST(two_have_it_open_at_once),
		JOURNAL_TEST(what_was_acknowledged_survives_kill_9),
		JOURNAL_TEST(a_damaged_file_is_refused_and_left),
		JOURNAL_TEST(a_cut_file_is_refused),
		JOURNAL_TEST(what_is_no_database_is_refused),
		JOURNAL_TEST(damage_while_it_is_open_is_noticed),
		JOURNAL_TEST(damage_in_a_large_one_is_noticed),
		JOURNAL_TEST(rows_missing_in_a_large_one_are_noticed),
		JOURNAL_TEST(rows_before_the_damage_are_rescued),
		JOURNAL_TEST(rows_behind_a_hole_are_not_rescued),
		JOURNAL_TEST(nothing_is_rescued_of_what_is_no_database),
		JOURNAL_TEST(another_nodes_journal_is_not_rescued),
		JOURNAL_TEST(removed_rows_are_noticed),
		JOURNAL_TEST(a_database_of_others_is_refused),
		JOURNAL_TEST(a_newer_format_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
