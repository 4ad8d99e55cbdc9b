/* SPDX-License-Identifier: Apache-2.0
 *
 * H2: what "in step" means, without a server; what the two threads see and set, with a real one.
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
#include "base/buf.h"
#include "base/clock.h"
#include "base/home.h"
#include "ha/replication.h"
#include "pgtemp.h"
#include "store/db.h"

/* ---- pure ---- */

static void
slot_names_are_the_id(void **ctx)
{
	struct uuid u;
	char name[REPLICATION_SLOT_MAX];

	assert_int_equal(uuid_parse("0192f8a0-1234-7abc-8def-001122334455", &u), 0);
	replication_slot_name(&u, name);
	assert_string_equal(name, "hf_0192f8a012347abc8def001122334455");
}

static void
names_are_of_all_secondaries(void **ctx)
{
	struct replication_view *v = calloc(1, sizeof(*v));
	char names[REPLICATION_NAMES_MAX];

	v->nodes_n = 3;
	for (unsigned i = 0; i < 3; i++)
		v->nodes[i].id.b[0] = (uint8_t)(i + 1);
	replication_names(v, &v->nodes[0].id, names);
	assert_string_equal(names, "ANY 1 (\"hf_02000000000000000000000000000000\", "
				   "\"hf_03000000000000000000000000000000\")");
	v->nodes_n = 1;
	replication_names(v, &v->nodes[0].id, names);
	assert_string_equal(names, "");
	free(v);
}

static void
stream(struct replication_view *v, unsigned i, int pid, int64_t flushed)
{
	struct replication_standby *s = &v->standbys[i];

	replication_slot_name(&v->nodes[i + 1].id, s->name);
	strcpy(s->state, "streaming");
	s->pid = pid;
	s->flush_lsn = flushed;
	v->standbys_n = i + 1;
}

static void
prove(struct replication_view *v, unsigned i, int pid)
{
	memcpy(v->proofs[v->proofs_n].name, v->standbys[i].name, sizeof(v->proofs[0].name));
	v->proofs[v->proofs_n++].pid = pid;
}

/* H2: a commit does not count what somebody acknowledges whose history is not known to be this one. */
static void
names_are_of_the_proven_while_there_are_any(void **ctx)
{
	struct replication_view *v = calloc(1, sizeof(*v));
	char all[REPLICATION_NAMES_MAX], names[REPLICATION_NAMES_MAX];

	v->nodes_n = 3;
	v->lsn = 1000;
	for (unsigned i = 0; i < 3; i++)
		v->nodes[i].id.b[0] = (uint8_t)(i + 1);
	replication_names(v, &v->nodes[0].id, all);
	stream(v, 0, 7, 900);
	stream(v, 1, 8, 900);
	replication_names(v, &v->nodes[0].id, names);
	assert_string_equal(names, all); /* nothing is said to be on both disks meanwhile */
	prove(v, 0, 7);
	replication_names(v, &v->nodes[0].id, names);
	assert_string_equal(names, "ANY 1 (\"hf_02000000000000000000000000000000\")");
	prove(v, 1, 9); /* of its stream before */
	replication_names(v, &v->nodes[0].id, names);
	assert_string_equal(names, "ANY 1 (\"hf_02000000000000000000000000000000\")");
	prove(v, 1, 8);
	replication_names(v, &v->nodes[0].id, names);
	assert_string_equal(names, all);
	v->standbys_n = 1; /* gone: when it is back it has to be compared first */
	replication_names(v, &v->nodes[0].id, names);
	assert_string_equal(names, "ANY 1 (\"hf_02000000000000000000000000000000\")");
	v->standbys_n = 2;
	v->standbys[1].flush_lsn = 1001; /* ahead of this log: of another one */
	replication_names(v, &v->nodes[0].id, names);
	assert_string_equal(names, "ANY 1 (\"hf_02000000000000000000000000000000\")");
	free(v);
}

static void
a_standby_that_keeps_up_is_in_step(void **ctx)
{
	struct replication_step s;

	replication_step_init(&s, 0);
	assert_false(replication_step_in(&s, 0, 2000));
	for (int64_t t = 200; t < 60000; t += 200) {
		replication_step_note(&s, t, t * 100, t * 100);
		assert_true(replication_step_in(&s, t + 200, 2000));
		assert_int_equal(replication_step_late(&s, t + 200), 0);
	}
}

/* It always lacks the last look's worth: that is keeping up, too. */
static void
a_standby_a_little_behind_is_in_step(void **ctx)
{
	struct replication_step s;

	replication_step_init(&s, 0);
	for (int64_t t = 200; t < 60000; t += 200) {
		replication_step_note(&s, t, t * 100, (t - 200) * 100);
		if (t > 200)
			assert_true(replication_step_in(&s, t, 2000));
		assert_true(replication_step_late(&s, t) <= 400);
	}
}

/* The commit that waits longest is released by sync_timeout, plus one look. */
static void
a_frozen_standby_shows_when_a_commit_waits(void **ctx)
{
	struct replication_step s;

	replication_step_init(&s, 0);
	replication_step_note(&s, 200, 1000, 1000);
	for (int64_t t = 400; t < 90000; t += 200) /* idle: nothing waits */
		replication_step_note(&s, t, 1000, 1000);
	assert_true(replication_step_in(&s, 90000, 2000));
	replication_step_note(&s, 90000, 1500, 1000);
	for (int64_t t = 90200; t < 92000; t += 200) {
		replication_step_note(&s, t, 1500 + t, 1000);
		assert_true(replication_step_in(&s, t, 2000));
	}
	assert_int_equal(replication_step_late(&s, 92000), 2000);
	assert_false(replication_step_in(&s, 92000, 2000));
}

static void
a_standby_that_is_gone_is_late_from_then_on(void **ctx)
{
	struct replication_step s;

	replication_step_init(&s, 0);
	replication_step_note(&s, 1000, 500, 500);
	replication_step_note(&s, 1200, 500, -1);
	assert_false(replication_step_in(&s, 1200, 2000));
	assert_int_equal(replication_step_late(&s, 3000), 2000);
	/* Back, with all of it. */
	replication_step_note(&s, 3200, 500, 500);
	assert_true(replication_step_in(&s, 3200, 2000));
}

/* A secondary that comes back with much to fetch is not in step before it has reached what was there. */
static void
catching_up_is_not_in_step(void **ctx)
{
	struct replication_step s;

	replication_step_init(&s, 0);
	for (int64_t t = 200; t < 5000; t += 200)
		replication_step_note(&s, t, t * 1000, -1);
	for (int64_t t = 5000; t < 8000; t += 200) {
		replication_step_note(&s, t, t * 1000, 100);
		assert_false(replication_step_in(&s, t, 2000));
	}
	/* An agent that starts beside it knows no history, and is not deceived either. */
	replication_step_init(&s, 8000);
	replication_step_note(&s, 8200, 8200000, 100);
	assert_false(replication_step_in(&s, 8200, 2000));
	replication_step_note(&s, 8400, 8400000, 8300000);
	assert_true(replication_step_in(&s, 8400, 2000));
}

static void
a_full_ring_is_late_and_never_early(void **ctx)
{
	struct replication_step s;

	replication_step_init(&s, 0);
	for (int64_t t = 1; t <= 10 * REPLICATION_SAMPLES; t++)
		replication_step_note(&s, t * 200, t, 0);
	assert_int_equal(replication_step_late(&s, 200 + 10000000), 10000000);
	/* All but the newest: what is left is not taken for younger than it is. */
	replication_step_note(&s, 2000000, 10 * REPLICATION_SAMPLES, 10 * REPLICATION_SAMPLES - 1);
	assert_true(replication_step_late(&s, 2000000) >= 2000000 - 10 * REPLICATION_SAMPLES * 200);
	replication_step_note(&s, 2000200, 10 * REPLICATION_SAMPLES, 10 * REPLICATION_SAMPLES);
	assert_int_equal(replication_step_late(&s, 2000200), 0);
}

/* ---- with a server ---- */

static struct pgtemp *pg;
static char dir[64];
static struct home home;

static int
start(void **ctx)
{
	char path[HOME_PATH_MAX];
	struct err e;

	snprintf(dir, sizeof(dir), "/tmp/hf-replication-XXXXXX");
	if (!mkdtemp(dir) || home_open(&home, dir, &e))
		return -1;
	home_path(&home, HOME_PG, path);
	if (home_mkdirs(path, 0700, &e))
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

#define PATIENCE_MS 30000

static bool
wait_for(struct replication *r, struct replication_view *v,
	 bool (*fn)(const struct replication_view *v), int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;

	do {
		replication_look(r, v);
		if (fn(v))
			return true;
		clock_sleep_ms(20);
	} while (clock_mono_ms() < until);
	return false;
}

static bool
seen(const struct replication_view *v)
{
	return v->at_ms && !v->failure[0];
}

static bool
failed(const struct replication_view *v)
{
	return v->failure[0];
}

static bool
named(const struct replication_view *v)
{
	return strcmp(v->sync_names, "ANY 1 (\"hf_00000000000000000000000000000001\")") == 0;
}

static bool
cleared(const struct replication_view *v)
{
	return !v->sync_names[0];
}

static bool
has_request(const struct replication_view *v)
{
	return v->requests == 1;
}

/* Whose certificates the channel takes. */
static bool
takes(const char *name)
{
	char path[HOME_PATH_MAX + 32], folder[HOME_PATH_MAX];
	auto_buf text = BUF_INIT;
	struct err e;

	home_path(&home, HOME_PG, folder);
	snprintf(path, sizeof(path), "%s/pg_ident.conf", folder);
	return home_read_file(path, 65536, &text, &e) == 0 && strstr(buf_str(&text), name);
}

static void
wait_until_taken(const char *name, bool taken)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	while (takes(name) != taken && clock_mono_ms() < until)
		clock_sleep_ms(20);
	assert_int_equal(takes(name), taken);
}

static void
the_channel_is_for_the_nodes_of_the_table(void **ctx)
{
	struct uuid self = { .b = { 9 } };
	struct replication *r = replication_new(&home, pgtemp_conninfo(pg, "holdfast"), &self);

	pgtemp_sql(
		pg,
		"INSERT INTO node SELECT gen_random_uuid(), n, 7272, 2345, NULL, NULL, now(), NULL "
		"FROM (VALUES ('one.example'), ('two.example')) v (n)");
	wait_until_taken("two\\.example$ hf_replicate", true);
	pgtemp_sql(pg, "DELETE FROM node WHERE name = 'two.example'");
	wait_until_taken("two", false);
	assert_true(takes("one\\.example$ hf_deposit"));
	pgtemp_sql(pg, "TRUNCATE node");
	replication_free(r);
}

/* What was done counts as done, also when what comes behind it fails: here a node comes that gets no slot, and goes. */
static void
a_node_without_a_slot_is_forgotten(void **ctx)
{
	struct uuid self = { .b = { 9 } };
	struct replication *r = replication_new(&home, pgtemp_conninfo(pg, "holdfast"), &self);

	pgtemp_sql(pg, "INSERT INTO node (id, name, https_port, pair_port, slot, joined_at) "
		       "VALUES (gen_random_uuid(), 'one.example', 7272, 2345, 'hf_one', now())");
	wait_until_taken("one", true);
	pgtemp_sql(pg, "DO $$ BEGIN FOR i IN 1..1500 LOOP "
		       "EXIT WHEN EXISTS (SELECT FROM pg_replication_slots); "
		       "PERFORM pg_sleep(0.02); END LOOP; END $$");
	pgtemp_sql(pg, "SELECT pg_create_physical_replication_slot('taken_' || i) "
		       "FROM generate_series(1, current_setting('max_replication_slots')::int - "
		       "(SELECT count(*) FROM pg_replication_slots)) i");
	pgtemp_sql(pg, "INSERT INTO node (id, name, https_port, pair_port, slot, joined_at) "
		       "VALUES (gen_random_uuid(), 'two.example', 7272, 2345, 'hf_two', now())");
	wait_until_taken("two", true);
	pgtemp_sql(pg, "DELETE FROM node WHERE name = 'two.example'");
	wait_until_taken("two", false);
	replication_free(r);
	pgtemp_sql(pg, "TRUNCATE node");
	pgtemp_sql(pg, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
}

static void
the_threads_look_set_and_clear(void **ctx)
{
	struct uuid self = { .b = { 9 } };
	struct replication_view *v = calloc(1, sizeof(*v));
	struct replication *r = replication_new(&home, pgtemp_conninfo(pg, "holdfast"), &self);

	assert_true(wait_for(r, v, seen, PATIENCE_MS));
	assert_false(v->standby);
	assert_true(v->lsn > 0);
	assert_int_equal(v->term, 1);
	assert_false(v->step.streams);
	replication_want(r, "ANY 1 (\"hf_00000000000000000000000000000001\")");
	assert_true(wait_for(r, v, named, PATIENCE_MS));
	/* Names without a standby that streams: no quorum is seen. And a commit would hang: the looks must not. */
	assert_int_equal(v->quorum_since_ms, 0);
	assert_true(replication_request(r, 6, &self, "{\"web_cert\":\"x\"}"));
	assert_true(wait_for(r, v, has_request, PATIENCE_MS));
	replication_want(r, "");
	assert_true(wait_for(r, v, cleared, PATIENCE_MS));
	/* Somebody else's hand is put right again. */
	pgtemp_sql(pg, "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 "
		       "(\"hf_00000000000000000000000000000001\")'");
	pgtemp_sql(pg, "SELECT pg_reload_conf()");
	(void)!wait_for(r, v, named, 5000); /* it may be put right between two looks */
	assert_true(wait_for(r, v, cleared, PATIENCE_MS));
	/* The server goes and comes back. */
	pgtemp_stop(pg);
	assert_true(wait_for(r, v, failed, PATIENCE_MS));
	pgtemp_start(pg);
	assert_true(wait_for(r, v, seen, PATIENCE_MS));
	replication_free(r);
	free(v);
}

int
main(void)
{
	const struct CMUnitTest pure[] = {
		cmocka_unit_test(slot_names_are_the_id),
		cmocka_unit_test(names_are_of_all_secondaries),
		cmocka_unit_test(names_are_of_the_proven_while_there_are_any),
		cmocka_unit_test(a_standby_that_keeps_up_is_in_step),
		cmocka_unit_test(a_standby_a_little_behind_is_in_step),
		cmocka_unit_test(a_frozen_standby_shows_when_a_commit_waits),
		cmocka_unit_test(a_standby_that_is_gone_is_late_from_then_on),
		cmocka_unit_test(catching_up_is_not_in_step),
		cmocka_unit_test(a_full_ring_is_late_and_never_early),
	};
	const struct CMUnitTest real[] = {
		cmocka_unit_test(a_node_without_a_slot_is_forgotten),
		cmocka_unit_test(the_threads_look_set_and_clear),
		cmocka_unit_test(the_channel_is_for_the_nodes_of_the_table),
	};

	if (sodium_init() < 0)
		return 1;
	int r = cmocka_run_group_tests_name("pure", pure, NULL, NULL);
	if (r || !pgtemp_have())
		return r ? r : PGTEMP_SKIP;
	return cmocka_run_group_tests_name("real", real, start, stop);
}
