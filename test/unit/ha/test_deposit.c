/* SPDX-License-Identifier: Apache-2.0
 *
 * H7, H13: rows are dropped only when the primary has them too, and a file of them is not removed while it is written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "ha/deposit.h"
#include "pgtemp.h"
#include "store/journal.h"

static struct pgtemp *pg;
static char dir[64];
static struct home home;
static struct uuid self;

static int
start(void **ctx)
{
	char path[128];
	struct err e;

	snprintf(dir, sizeof(dir), "/tmp/hf-deposit-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/data", dir);
	if (mkdir(path, 0700) < 0 || home_open(&home, dir, &e) ||
	    uuid_parse("0192f8a0-1234-7abc-8def-001122334455", &self))
		return -1;
	pg = pgtemp_new();
	pgtemp_migrate(pg);
	return 0;
}

static int
stop(void **ctx)
{
	struct err e;

	pgtemp_free(pg);
	return home_remove_tree(dir, &e);
}

static void
fill_journal(int64_t from, int64_t to)
{
	char path[HOME_PATH_MAX];
	struct journal *j;
	struct err e;

	home_path(&home, HOME_JOURNAL, path);
	assert_int_equal(journal_open(path, &self, &j, &e), 0);
	for (int64_t seq = from; seq <= to; seq++) {
		struct journal_row row = { .seq = seq, .event = "x", .len = 1 };

		memset(row.hash, (int)seq, sizeof(row.hash));
		assert_int_equal(journal_append(j, &row, 1, &e), 0);
	}
	journal_free(j);
}

/* As replication would bring it: an event of this node with that hash. */
static void
log_has(int64_t seq, int byte)
{
	char sql[400];

	snprintf(sql, sizeof(sql),
		 "INSERT INTO event (node, seq, at, kind, hash) VALUES "
		 "('0192f8a0-1234-7abc-8def-001122334455', %lld, now(), 2, "
		 "decode(repeat('%02x', 32), 'hex'))",
		 (long long)seq, (unsigned)byte);
	pgtemp_sql(pg, sql);
}

#define PATIENCE_MS 30000

static void
wait_for(struct deposit *d, struct deposit_view *v, int64_t rows, enum deposit_trouble trouble)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	do {
		deposit_look(d, v);
		if (v->counted_ms && v->rows == rows && v->trouble == trouble)
			return;
		clock_sleep_ms(20);
	} while (clock_mono_ms() < until);
	fail_msg("rows %lld, trouble %d: %s", (long long)v->rows, v->trouble, v->why);
}

/* What the local log has may be this node's own former data: only the primary can say that it is merged (test/ha has that part). */
static void
rows_stay_until_the_primary_has_them(void **ctx)
{
	struct deposit_view v;
	struct deposit_orders o = { 0 };

	fill_journal(1, 5);
	struct deposit *d = deposit_new(&home, &self, pgtemp_conninfo(pg, "holdfast"));
	wait_for(d, &v, 5, DEPOSIT_FINE);
	for (int64_t seq = 1; seq <= 3; seq++)
		log_has(seq, (int)seq);
	o.home_seq = 3;
	deposit_order(d, &o);
	clock_sleep_ms(300);
	wait_for(d, &v, 5, DEPOSIT_FINE);
	/* Another event in the place of the fourth: said, and nothing is dropped, ever. */
	log_has(4, 0xee);
	o.home_seq = 4;
	deposit_order(d, &o);
	wait_for(d, &v, 5, DEPOSIT_DIVERGED);
	clock_sleep_ms(300);
	wait_for(d, &v, 5, DEPOSIT_DIVERGED);
	/* Nobody listens there: said, and the rows stay. */
	strcpy(o.host, "127.0.0.1");
	o.port = 1;
	o.go = true;
	deposit_order(d, &o);
	clock_sleep_ms(300);
	deposit_look(d, &v);
	assert_int_equal(v.rows, 5);
	deposit_free(d);
}

static void
wait_held(struct deposit *d, bool held)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	struct deposit_view v;

	do {
		deposit_look(d, &v);
		if (v.counted_ms && v.held == held)
			return;
		clock_sleep_ms(20);
	} while (clock_mono_ms() < until);
	fail_msg("held: %d", v.held);
}

/* The very row that was set aside is not sent again; one that was written in its place after a repair is. */
static void
what_was_set_aside_is_held(void **ctx)
{
	struct deposit_view v;
	struct deposit_orders o = { .aside_seq = 3 };
	char path[HOME_PATH_MAX];

	fill_journal(1, 5);
	memset(o.aside_hash, 3, sizeof(o.aside_hash));
	struct deposit *d = deposit_new(&home, &self, pgtemp_conninfo(pg, "holdfast"));
	deposit_order(d, &o);
	wait_held(d, true);
	wait_for(d, &v, 5, DEPOSIT_FINE);
	memset(o.aside_hash, 4, sizeof(o.aside_hash));
	deposit_order(d, &o);
	wait_held(d, false);
	deposit_free(d);
	home_path(&home, HOME_JOURNAL, path);
	unlink(path);
}

static bool
is_there(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

static void
wait_gone(const char *path)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	while (is_there(path)) {
		if (clock_mono_ms() > until)
			fail_msg("%s is there still", path);
		clock_sleep_ms(20);
	}
}

/* Rounds that begin after this call and find what is there: the folder is read every second. */
static void
wait_for_looks(struct deposit *d)
{
	struct deposit_view v;
	int64_t begun = clock_mono_ms();

	do {
		clock_sleep_ms(20);
		deposit_look(d, &v);
	} while (v.counted_ms < begun + 2500);
}

/* A file that has no rows yet is not one whose rows are all merged. */
static void
what_is_being_salvaged_is_left_alone(void **ctx)
{
	struct uuid third = { .b = { 9 } };
	struct deposit_view v;
	struct journal_row row = { .seq = 1, .event = "x", .len = 1 };
	struct journal *j;
	struct err e;
	char path[128];

	snprintf(path, sizeof(path), "%s/data/salvage-09000000-0000-0000-0000-000000000000.db",
		 dir);
	struct deposit *d = deposit_new(&home, &self, pgtemp_conninfo(pg, "holdfast"));
	wait_for(d, &v, 0, DEPOSIT_FINE);
	deposit_hold(d);
	assert_int_equal(journal_open(path, &third, &j, &e), 0);
	wait_for_looks(d);
	assert_true(is_there(path));
	assert_int_equal(journal_append(j, &row, 1, &e), 0);
	deposit_release(d);
	wait_for(d, &v, 1, DEPOSIT_FINE);
	assert_int_equal(journal_drop(j, 1, &e), 0);
	journal_free(j);
	wait_gone(path);
	deposit_free(d);
}

static void
a_journal_of_another_node_is_said(void **ctx)
{
	struct uuid other = { .b = { 7 } };
	struct deposit_view v;
	struct deposit *d = deposit_new(&home, &other, pgtemp_conninfo(pg, "holdfast"));
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	do {
		deposit_look(d, &v);
		clock_sleep_ms(20);
	} while (v.trouble == DEPOSIT_FINE && clock_mono_ms() < until);
	assert_int_equal(v.trouble, DEPOSIT_JOURNAL);
	assert_true(v.why[0]);
	deposit_free(d);
}

int
main(void)
{
	const struct CMUnitTest real[] = {
		cmocka_unit_test(what_was_set_aside_is_held),
		cmocka_unit_test(what_is_being_salvaged_is_left_alone),
		cmocka_unit_test(rows_stay_until_the_primary_has_them),
		cmocka_unit_test(a_journal_of_another_node_is_said),
	};

	if (sodium_init() < 0)
		return 1;
	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests_name("real", real, start, stop);
}
