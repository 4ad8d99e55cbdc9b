/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/statepage.h"

static char path[64];

static int
begin(void **state)
{
	snprintf(path, sizeof(path), "/tmp/hf-page-XXXXXX");
	int fd = mkstemp(path);
	close(fd);
	unlink(path);
	return 0;
}

static int
finish(void **state)
{
	unlink(path);
	return 0;
}

/* Every text of v says n, so that a mixture is noticed. */
static void
fill(struct statepage_view *v, enum ha_state s, int64_t n)
{
	*v = (struct statepage_view){
		.state = s, .as_of_us = n, .as_of_term = n, .term = n, .journal_rows = n
	};
	snprintf(v->reason, sizeof(v->reason), "%lld", (long long)n);
	snprintf(v->primary_url, sizeof(v->primary_url), "%lld", (long long)n);
	memset(v->status_json, 'a' + (int)(n % 26), sizeof(v->status_json) - 1);
}

static bool
is_whole(const struct statepage_view *v)
{
	char text[32];
	snprintf(text, sizeof(text), "%lld", (long long)v->term);
	if (v->as_of_us != v->term || v->as_of_term != v->term || v->journal_rows != v->term ||
	    strcmp(v->reason, text) != 0 || strcmp(v->primary_url, text) != 0)
		return false;
	for (size_t i = 0; i < sizeof(v->status_json) - 1; i++) {
		if (v->status_json[i] != 'a' + (int)(v->term % 26))
			return false;
	}
	return true;
}

static void
the_page_tells_since_when_it_is_so(void **state)
{
	struct statepage *w;
	struct err e = { 0 };
	static struct statepage_view v, got;
	int64_t before = clock_now_us();
	assert_int_equal(statepage_create(path, &w, &e), 0);
	fill(&v, HA_STANDBY, 1);
	statepage_write(w, &v);
	statepage_read(w, &got);
	int64_t standby = got.state_since_us;
	assert_in_range(standby, before, clock_now_us());
	clock_sleep_ms(2);
	statepage_write(w, &v);
	statepage_read(w, &got);
	assert_int_equal(got.state_since_us, standby);
	statepage_free(w);
	assert_int_equal(statepage_create(path, &w, &e), 0);
	statepage_write(w, &v); /* another run of the writer */
	statepage_read(w, &got);
	assert_int_equal(got.state_since_us, standby);
	fill(&v, HA_EMERGENCY, 2);
	statepage_write(w, &v);
	statepage_read(w, &got);
	assert_true(got.state_since_us > standby);
	statepage_free(w);
}

static void
a_reader_sees_what_was_written(void **state)
{
	struct statepage *w, *r;
	struct err e = { 0 };
	static struct statepage_view v, got;
	assert_int_equal(statepage_open(path, &r, &e), ERR_IO);
	assert_int_equal(statepage_create(path, &w, &e), 0);
	assert_int_equal(statepage_open(path, &r, &e), 0);
	statepage_read(r, &got);
	assert_int_equal(got.state, HA_SINGLE);
	assert_string_equal(got.status_json, "");
	fill(&v, HA_EMERGENCY, 7);
	statepage_write(w, &v);
	statepage_read(r, &got);
	assert_int_equal(got.state, HA_EMERGENCY);
	assert_int_equal(got.state_seq, 1);
	assert_true(is_whole(&got));
	statepage_write(w, &v); /* the same state: no new number */
	assert_int_equal(statepage_quick(r).state_seq, 1);
	fill(&v, HA_MERGING, 8);
	statepage_write(w, &v);
	assert_int_equal(statepage_quick(r).state_seq, 2);
	assert_int_equal(statepage_quick(r).state, HA_MERGING);
	int64_t before = clock_mono_ms();
	statepage_beat(w);
	assert_true(statepage_quick(r).beat_mono_ms >= before);
	statepage_free(r);
	statepage_free(w);
	statepage_free(NULL);
}

static void
both_counts_its_changes(void **state)
{
	struct statepage *w;
	struct err e = { 0 };
	assert_int_equal(statepage_create(path, &w, &e), 0);
	uint64_t gen = statepage_quick(w).both_gen;
	statepage_set_both(w, false);
	assert_int_equal(statepage_quick(w).both_gen, gen);
	statepage_set_both(w, true);
	statepage_set_both(w, true);
	assert_true(statepage_quick(w).both);
	assert_int_equal(statepage_quick(w).both_gen, gen + 1);
	assert_false(statepage_quick(w).unmerged);
	statepage_set_unmerged(w, true);
	assert_true(statepage_quick(w).unmerged);
	statepage_free(w);
	/* A new writer claims nothing, and no generation comes twice. */
	assert_int_equal(statepage_create(path, &w, &e), 0);
	assert_false(statepage_quick(w).both);
	assert_false(statepage_quick(w).unmerged);
	assert_int_equal(statepage_quick(w).both_gen, gen + 2);
	assert_int_equal(statepage_quick(w).state_seq, 2);
	assert_int_equal(statepage_quick(w).beat_mono_ms, 0);
	statepage_free(w);
}

static void
foreign_files_are_refused_or_replaced(void **state)
{
	struct statepage *p;
	struct err e = { 0 };
	int fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "rubbish", 7), 7);
	close(fd);
	assert_int_equal(statepage_open(path, &p, &e), ERR_IO);
	assert_int_equal(statepage_create(path, &p, &e), 0);
	assert_int_equal(statepage_quick(p).state_seq, 0);
	statepage_free(p);
}

struct reading {
	struct statepage *page;
	atomic_bool stop;
	int torn, reads;
	int64_t last;
};

static void *
read_on(void *arg)
{
	struct reading *g = arg;
	struct statepage_view *v = malloc(sizeof(*v));
	while (!g->stop) {
		statepage_read(g->page, v);
		g->torn += !is_whole(v) || v->term < g->last;
		g->last = v->term;
		g->reads++;
	}
	free(v);
	return NULL;
}

static void
readers_never_see_half_of_it(void **state)
{
	struct statepage *w, *r;
	struct err e = { 0 };
	static struct statepage_view v;
	pthread_t t;
	assert_int_equal(statepage_create(path, &w, &e), 0);
	assert_int_equal(statepage_open(path, &r, &e), 0);
	fill(&v, HA_SYNCED, 1);
	statepage_write(w, &v);
	struct reading g = { .page = r };
	pthread_create(&t, NULL, read_on, &g);
	for (int64_t n = 2; n < 3000; n++) {
		fill(&v, n % 2 ? HA_SYNCED : HA_ALONE, n);
		statepage_write(w, &v);
		if (n % 8 == 0)
			usleep(50);
	}
	g.stop = true;
	pthread_join(t, NULL);
	assert_true(g.reads > 0);
	assert_int_equal(g.torn, 0);
	statepage_free(r);
	statepage_free(w);
}

static void
a_writer_that_dies_leaves_the_last_whole_copy(void **state)
{
	struct statepage *r, *w;
	struct err e = { 0 };
	static struct statepage_view v;
	assert_int_equal(statepage_create(path, &w, &e), 0);
	statepage_free(w);
	for (int round = 0; round < 20; round++) {
		pid_t pid = fork();
		if (!pid) {
			if (statepage_create(path, &w, &e))
				_exit(1);
			for (int64_t n = 1;; n++) {
				fill(&v, HA_SYNCED, n);
				statepage_write(w, &v);
			}
		}
		usleep(3000 + 137 * round);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		assert_int_equal(statepage_open(path, &r, &e), 0);
		statepage_read(r, &v);
		assert_true(v.term > 0 && is_whole(&v));
		statepage_free(r);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_sees_what_was_written),
		cmocka_unit_test(both_counts_its_changes),
		cmocka_unit_test(foreign_files_are_refused_or_replaced),
		cmocka_unit_test(readers_never_see_half_of_it),
		cmocka_unit_test(a_writer_that_dies_leaves_the_last_whole_copy),
		cmocka_unit_test(the_page_tells_since_when_it_is_so),
	};
	return cmocka_run_group_tests(tests, begin, finish);
}
