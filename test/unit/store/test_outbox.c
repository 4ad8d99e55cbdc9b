/* SPDX-License-Identifier: Apache-2.0
 *
 * Alerts on their way out: kept until every receiver has them, in order for each, bounded, and not lost by kill -9 or damage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/home.h"
#include "store/outbox.h"

static char dir[64], path[96];

static int
start(void **ctx)
{
	snprintf(dir, sizeof(dir), "/tmp/hf-outbox-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/outbox.db", dir);
	return 0;
}

static int
stop(void **ctx)
{
	struct err e;

	return home_remove_tree(dir, &e);
}

static struct outbox *
open_outbox(int64_t rows_max)
{
	struct outbox *o = NULL;
	struct err e = { 0 };

	if (outbox_open(path, rows_max, &o, &e))
		fail_msg("%s", e.text);
	return o;
}

/* The n-th alert, for the receivers; the number of those that were folded away. */
static int64_t
put(struct outbox *o, int n, unsigned receivers)
{
	char text[32];
	struct outbox_row row = { .at_us = n, .kind = "kind", .text = text, .body = "{}" };
	int64_t lost = -1;
	struct err e = { 0 };

	uuid_new(&row.id);
	snprintf(text, sizeof(text), "alert %d", n);
	if (outbox_put(o, "key", text, &row, receivers, &lost, &e))
		fail_msg("%s", e.text);
	return lost;
}

static int64_t
count(struct outbox *o)
{
	struct err e;
	int64_t n = -1;

	assert_int_equal(outbox_count(o, &n, &e), 0);
	return n;
}

/* What the receiver gets next: "alert N", "lost N", or "" for nothing. Taken when it is to be. */
static const char *
next(struct outbox *o, int receiver, bool take)
{
	static char said[64];
	struct outbox_texts t = { BUF_INIT, BUF_INIT, BUF_INIT };
	struct outbox_row row;
	struct err e = { 0 };
	int rc = outbox_next(o, receiver, &t, &row, &e);

	said[0] = '\0';
	if (rc == 0) {
		if (row.lost)
			snprintf(said, sizeof(said), "lost %d", (int)row.lost);
		else
			snprintf(said, sizeof(said), "%.40s", row.text);
		if (take)
			assert_int_equal(outbox_done(o, receiver, &row, &e), 0);
	} else {
		assert_int_equal(rc, ERR_NOT_FOUND);
	}
	buf_done(&t.kind);
	buf_done(&t.text);
	buf_done(&t.body);
	return said;
}

static void
each_receiver_gets_all_in_order(void **ctx)
{
	struct outbox *o = open_outbox(OUTBOX_ROWS_MAX);

	for (int i = 1; i <= 3; i++)
		assert_int_equal(put(o, i, 3), 0);
	assert_string_equal(next(o, 0, false), "alert 1"); /* not accepted: the same again */
	assert_string_equal(next(o, 0, true), "alert 1");
	assert_string_equal(next(o, 0, true), "alert 2");
	assert_string_equal(next(o, 0, true), "alert 3");
	assert_string_equal(next(o, 0, true), "");
	assert_int_equal(count(o), 3); /* the other one has none of them */
	assert_string_equal(next(o, 1, true), "alert 1");
	assert_int_equal(count(o), 2);
	assert_string_equal(next(o, 1, true), "alert 2");
	assert_string_equal(next(o, 1, true), "alert 3");
	assert_int_equal(count(o), 0);
	assert_string_equal(next(o, 2, true), ""); /* was not meant */
	outbox_free(o);
}

static void
a_full_outbox_counts_what_it_does_not_keep(void **ctx)
{
	struct outbox *o = open_outbox(4);

	for (int i = 1; i <= 4; i++)
		assert_int_equal(put(o, i, i == 1 ? 1 : 2), 0);
	assert_int_equal(put(o, 5, 2), 2);
	assert_int_equal(put(o, 6, 2), 3);
	assert_int_equal(count(o), 4);
	/* Whoever lacked one of them is told. */
	assert_string_equal(next(o, 0, true), "lost 3");
	assert_string_equal(next(o, 0, true), "");
	assert_string_equal(next(o, 1, true), "lost 3");
	assert_string_equal(next(o, 1, true), "alert 4");
	assert_string_equal(next(o, 1, true), "alert 5");
	assert_string_equal(next(o, 1, true), "alert 6");
	assert_int_equal(count(o), 0);
	outbox_free(o);
}

/* A receiver drops what it has seen by its id: a count that grew must not look like the old one. */
static void
a_count_that_grows_has_another_id(void **ctx)
{
	struct outbox *o = open_outbox(2);
	struct uuid ids[2];

	for (int i = 1; i <= 4; i++) {
		struct outbox_texts t = { BUF_INIT, BUF_INIT, BUF_INIT };
		struct outbox_row row;
		struct err e;

		put(o, i, 1);
		if (i < 3)
			continue;
		assert_int_equal(outbox_next(o, 0, &t, &row, &e), 0);
		assert_int_equal(row.lost, i - 1);
		ids[i - 3] = row.id;
	}
	assert_false(uuid_eq(&ids[0], &ids[1]));
	outbox_free(o);
}

/* A receiver that accepted a row while it was being folded away harms nobody. */
static void
done_of_a_folded_row_is_no_error(void **ctx)
{
	struct outbox *o = open_outbox(2);
	struct outbox_texts t = { BUF_INIT, BUF_INIT, BUF_INIT };
	struct outbox_row first;
	struct err e;

	put(o, 1, 1);
	put(o, 2, 1);
	assert_int_equal(outbox_next(o, 0, &t, &first, &e), 0);
	put(o, 3, 1);
	assert_int_equal(outbox_done(o, 0, &first, &e), 0);
	assert_string_equal(next(o, 0, true), "lost 2");
	assert_string_equal(next(o, 0, true), "alert 3");
	buf_done(&t.kind);
	buf_done(&t.text);
	buf_done(&t.body);
	outbox_free(o);
}

static void
nothing_waits_for_a_receiver_that_is_gone(void **ctx)
{
	struct outbox *o = open_outbox(OUTBOX_ROWS_MAX);
	struct err e;

	put(o, 1, 1);
	put(o, 2, 3);
	assert_int_equal(outbox_only(o, 2, &e), 0);
	assert_int_equal(count(o), 1);
	assert_string_equal(next(o, 0, true), "");
	assert_string_equal(next(o, 1, true), "alert 2");
	outbox_free(o);
}

static void
what_was_seen_and_the_alert_are_one(void **ctx)
{
	struct outbox *o = open_outbox(OUTBOX_ROWS_MAX);
	auto_buf seen = BUF_INIT;
	struct err e;
	int64_t lost;

	assert_int_equal(outbox_seen(o, "key", &seen, &e), 0);
	assert_string_equal(buf_str(&seen), "");
	put(o, 1, 1);
	assert_int_equal(outbox_put(o, "other", "good", NULL, 1, &lost, &e), 0);
	assert_int_equal(count(o), 1);
	outbox_free(o);
	o = open_outbox(OUTBOX_ROWS_MAX);
	assert_int_equal(outbox_seen(o, "key", &seen, &e), 0);
	assert_string_equal(buf_str(&seen), "alert 1");
	outbox_free(o);
}

/* The last words of a process that is killed behind each put. */
static void
a_killed_writer_loses_nothing(void **ctx)
{
	int fds[2], n = 0;
	char c;

	assert_int_equal(pipe(fds), 0);
	pid_t child = fork();
	if (child == 0) {
		struct outbox *o = open_outbox(OUTBOX_ROWS_MAX);
		for (int i = 1;; i++) {
			put(o, i, 1);
			if (write(fds[1], "x", 1) != 1)
				_exit(1);
		}
	}
	while (n < 20 && read(fds[0], &c, 1) == 1)
		n++;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(fds[1]);
	while (read(fds[0], &c, 1) == 1)
		n++;
	close(fds[0]);
	struct outbox *o = open_outbox(OUTBOX_ROWS_MAX);
	assert_in_range(count(o), n, n + 1);
	assert_string_equal(next(o, 0, true), "alert 1");
	outbox_free(o);
}

static size_t
count_kept(void)
{
	char pattern[128];
	glob_t found;
	size_t n;

	snprintf(pattern, sizeof(pattern), "%s.damaged-*", path);
	n = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
	globfree(&found);
	return n;
}

/* Absent is not empty: what waited there is lost, and that is said. */
static void
an_emptied_file_is_no_new_one(void **ctx)
{
	struct err e = { 0 };

	assert_int_equal(outbox_settle(path, &e), 0);
	assert_int_equal(count_kept(), 0);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(outbox_settle(path, &e), 0);
	assert_int_equal(count_kept(), 1);
	struct outbox *o = open_outbox(OUTBOX_ROWS_MAX);
	put(o, 1, 1);
	outbox_free(o);
	assert_int_equal(outbox_settle(path, &e), 0);
	assert_int_equal(count_kept(), 1);
	o = open_outbox(OUTBOX_ROWS_MAX);
	assert_string_equal(next(o, 0, true), "alert 1");
	outbox_free(o);
}

static void
a_damaged_file_is_kept_and_a_new_one_begun(void **ctx)
{
	char junk[8192];

	memset(junk, 'j', sizeof(junk));
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
	close(fd);
	struct outbox *o = open_outbox(OUTBOX_ROWS_MAX);
	put(o, 1, 1);
	assert_string_equal(next(o, 0, true), "alert 1");
	outbox_free(o);
	assert_int_equal(count_kept(), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_receiver_gets_all_in_order),
		TEST(a_full_outbox_counts_what_it_does_not_keep),
		TEST(a_count_that_grows_has_another_id),
		TEST(done_of_a_folded_row_is_no_error),
		TEST(nothing_waits_for_a_receiver_that_is_gone),
		TEST(what_was_seen_and_the_alert_are_one),
		TEST(a_killed_writer_loses_nothing),
		TEST(an_emptied_file_is_no_new_one),
		TEST(a_damaged_file_is_kept_and_a_new_one_begun),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
