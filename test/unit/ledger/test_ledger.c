/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger on a real PostgreSQL: group commit, isolation of a culprit, broken connections, an unwritable log, the
 * journal, merging.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "crypto/endmark.h"
#include "fixture.h"
#include "vault/audit.h"
#include "vault/verify.h"

static int
setup(void **state)
{
	*state = fixture_new();
	return 0;
}

static int
teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static int
append(struct fixture *x, struct fiber *f, int kind, const char *body, enum ledger_durability *d)
{
	struct event ev = { .kind = (enum event_kind)kind, .address = "127.0.0.1", .body = body };
	struct err e = { 0 };

	return ledger_append(x->v.ledger, f, &ev, 1, d, &e);
}

static void
retrieve(struct fixture *x, struct fiber *f, void *arg)
{
	int *failed = arg;

	if (append(x, f, EVENT_RETRIEVED, "{\"n\":1}", NULL))
		(*failed)++;
}

static void
verify_now(struct fixture *x, struct fiber *f, void *arg)
{
	struct verify_result *r = arg;
	struct err e = { 0 };

	assert_int_equal(verify_run(&x->v, f, r, &e), 0);
}

static void
assert_good(struct fixture *x)
{
	static struct verify_result r;

	fixture_run(x, verify_now, &r);
	for (unsigned i = 0; i < r.nnodes; i++)
		if (r.nodes[i].broken)
			print_message("broken at %lld: %s\n", (long long)r.nodes[i].broken_seq,
				      r.nodes[i].why);
	assert_true(r.good);
	assert_true(r.events > 0);
}

/* ---- group commit ---- */

static void
group_commit(void **state)
{
	struct fixture *x = *state;
	struct ledger_stats before, after;
	int64_t had = fixture_count(x, "SELECT count(*) FROM event");
	int failed = 0;

	ledger_stats(x->v.ledger, &before);
	fixture_run_many(x, retrieve, &failed, 1000);
	ledger_stats(x->v.ledger, &after);
	assert_int_equal(failed, 0);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event") - had, 1000);
	assert_int_equal(fixture_count(x, "SELECT max(seq) - count(*) FROM event"), 0);
	assert_int_equal(after.events - before.events, 1000);
	assert_true(after.batches - before.batches < 40);
	assert_true(after.largest_batch >= 100 && after.largest_batch <= 512);
	assert_true(x->seen.n >= 1000);
	assert_good(x);
}

static void
durability_of(struct fixture *x, struct fiber *f, void *arg)
{
	assert_int_equal(append(x, f, EVENT_RETRIEVED, "{}", arg), 0);
}

static void
durability(void **state)
{
	struct fixture *x = *state;
	enum ledger_durability d = LEDGER_JOURNAL;

	fixture_run(x, durability_of, &d);
	assert_int_equal(d, LEDGER_LOCAL);
	fixture_close(x);
	fixture_state(x, HA_SYNCED, true);
	fixture_open(x, FIXTURE_NODE_A);
	fixture_run(x, durability_of, &d);
	assert_int_equal(d, LEDGER_BOTH);
	fixture_state(x, HA_ALONE, false);
	fixture_run(x, durability_of, &d);
	assert_int_equal(d, LEDGER_LOCAL);
}

static void
append_fenced(struct fixture *x, struct fiber *f, void *arg)
{
	assert_int_equal(append(x, f, EVENT_RETRIEVED, "{}", NULL), ERR_NOT_SERVING);
}

static void
fenced(void **state)
{
	struct fixture *x = *state;

	fixture_close(x);
	fixture_state(x, HA_FENCED, false);
	fixture_open(x, FIXTURE_NODE_A);
	fixture_run(x, append_fenced, NULL);
}

/* ---- one large unit ---- */

#define MANY 40000

static void
import(struct fixture *x, struct fiber *f, void *arg)
{
	struct event *ev = calloc(MANY, sizeof(*ev));
	struct err e = { 0 };
	int64_t begun = clock_mono_ms();

	for (int i = 0; i < MANY; i++)
		ev[i] = (struct event){ .kind = EVENT_RETRIEVED,
					.address = "",
					.body = "{\"x\":\"................................\"}" };
	assert_int_equal(ledger_append(x->v.ledger, f, ev, MANY, NULL, &e), 0);
	print_message("%d events as one unit: %lld ms\n", MANY,
		      (long long)(clock_mono_ms() - begun));
	free(ev);
}

static void
large_unit(void **state)
{
	struct fixture *x = *state;

	fixture_run(x, import, NULL);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :RETRIEVED"),
			 MANY);
	assert_good(x);
}

/* ---- a culprit ---- */

struct mixed {
	unsigned next, good, conflicts, others;
};

/* Every tenth creates a user with the same name; every 25th has a body that no database takes. */
static void
append_mixed(struct fixture *x, struct fiber *f, void *arg)
{
	struct mixed *m = arg;
	unsigned i = m->next++;
	struct event ev[2] = { { .kind = EVENT_RETRIEVED, .address = "", .body = "{}" },
			       { .kind = EVENT_RETRIEVED, .address = "", .body = "{}" } };
	struct err e = { 0 };
	int rc;

	if (i % 10 == 3) {
		ev[1].kind = EVENT_USER_CREATED;
		uuid_new(&ev[1].object);
		ev[1].body = "{\"name\":\"Same\",\"role\":\"user\"}";
	} else if (i % 25 == 7) {
		ev[1].body = "\xff\xfe";
	}
	rc = ledger_append(x->v.ledger, f, ev, 2, NULL, &e);
	if (!rc)
		m->good++;
	else if (rc == ERR_CONFLICT)
		m->conflicts++;
	else
		m->others++;
}

static void
only_the_culprit_fails(void **state)
{
	struct fixture *x = *state;
	struct mixed m = { 0 };
	struct ledger_stats s;

	fixture_run_many(x, append_mixed, &m, 200);
	assert_int_equal(m.conflicts, 19); /* the first of twenty made the user */
	assert_int_equal(m.others, 8);
	assert_int_equal(m.good, 200 - 19 - 8);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM principal"), 1);
	assert_int_equal(
		fixture_count(
			x, "SELECT count(*) FROM event WHERE kind IN (:RETRIEVED, :USER_CREATED)"),
		2 * m.good);
	ledger_stats(x->v.ledger, &s);
	assert_true(s.writable);
	assert_good(x);
}

struct naming {
	struct uuid owner, resource;
	unsigned next, good, conflicts;
};

static void
append_owner(struct fixture *x, struct fiber *f, void *arg)
{
	struct naming *n = arg;
	struct event ev = { .kind = EVENT_USER_CREATED,
			    .address = "",
			    .body = "{\"name\":\"owner\",\"role\":\"user\"}" };
	struct err e = { 0 };

	uuid_new(&n->owner);
	ev.object = n->owner;
	assert_int_equal(ledger_append(x->v.ledger, f, &ev, 1, NULL, &e), 0);
}

/* Every one makes a resource of the same name, with an account. */
static void
append_named(struct fixture *x, struct fiber *f, void *arg)
{
	struct naming *n = arg;
	char owner[UUID_STR_LEN], resource[UUID_STR_LEN];
	auto_buf made = BUF_INIT, account = BUF_INIT;
	struct event ev[2] = { { .kind = EVENT_RESOURCE_CREATED, .address = "" },
			       { .kind = EVENT_ACCOUNT_CREATED, .address = "" } };
	struct err e = { 0 };
	int rc;

	uuid_str(&n->owner, owner);
	uuid_new(&ev[0].object);
	uuid_new(&ev[1].object);
	uuid_str(&ev[0].object, resource);
	buf_addf(&made, "{\"name\":\"%s\",\"owner\":\"%s\"}", n->next++ % 2 ? "Switch" : "switch",
		 owner);
	buf_addf(&account, "{\"resource\":\"%s\",\"login\":\"root\"}", resource);
	ev[0].body = buf_str(&made);
	ev[1].body = buf_str(&account);
	rc = ledger_append(x->v.ledger, f, ev, 2, NULL, &e);
	n->good += rc == 0;
	n->conflicts += rc == ERR_CONFLICT;
}

/* H15: no index decides it, and yet nobody gets a name that is taken, whoever else is in the same transaction. */
static void
a_taken_name_is_refused(void **state)
{
	struct fixture *x = *state;
	struct naming n = { 0 };
	struct ledger_stats s;

	fixture_run(x, append_owner, &n);
	fixture_run_many(x, append_named, &n, 60);
	assert_int_equal(n.good, 1);
	assert_int_equal(n.conflicts, 59);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM resource"), 1);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM account"), 1);
	assert_int_equal(
		fixture_count(x, "SELECT count(*) FROM event WHERE kind = :RESOURCE_CREATED"), 1);
	ledger_stats(x->v.ledger, &s);
	assert_true(s.writable);
	assert_good(x);
}

/* ---- broken connections ---- */

struct storm {
	unsigned left, failed, done;
	bool restart;
};

static void
append_on(struct fixture *x, struct fiber *f, void *arg)
{
	struct storm *s = arg;

	while (s->left) {
		s->left--;
		if (append(x, f, EVENT_RETRIEVED, "{}", NULL))
			s->failed++;
		else
			s->done++;
		/* In the middle of other fibers' commits. */
		if (s->left % 400 != 200)
			continue;
		if (s->restart) {
			pgtemp_stop(x->pg);
			pgtemp_start(x->pg);
		} else {
			pgtemp_sql(x->pg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
					  "WHERE application_name = 'writer'");
		}
	}
}

static void
backend_killed(void **state)
{
	struct fixture *x = *state;
	struct storm s = { .left = 4000 };

	fixture_run_many(x, append_on, &s, 40);
	assert_int_equal(s.failed, 0);
	assert_int_equal(s.done, 4000);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :RETRIEVED"),
			 4000);
	assert_good(x);
}

static void
server_restarted(void **state)
{
	struct fixture *x = *state;
	struct storm s = { .left = 1200, .restart = true };

	fixture_run_many(x, append_on, &s, 40);
	assert_int_equal(s.failed, 0);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :RETRIEVED"),
			 1200);
	assert_good(x);
}

/* ---- the log cannot be written ---- */

static void
append_unwritable(struct fixture *x, struct fiber *f, void *arg)
{
	struct ledger_stats s;

	assert_int_equal(append(x, f, EVENT_RETRIEVED, "{}", NULL), ERR_LOG_UNWRITABLE);
	ledger_stats(x->v.ledger, &s);
	assert_false(s.writable);
	assert_true(s.why[0]);
	/* And at once, without another try. */
	assert_int_equal(append(x, f, EVENT_RETRIEVED, "{}", NULL), ERR_LOG_UNWRITABLE);
}

static void
wait_writable(struct fixture *x, struct fiber *f, void *arg)
{
	struct ledger_stats s = { 0 };

	for (int i = 0; i < 50 && !s.writable; i++) {
		fixture_pause(x, f, 100);
		ledger_stats(x->v.ledger, &s);
	}
	assert_true(s.writable);
	assert_int_equal(append(x, f, EVENT_RETRIEVED, "{}", NULL), 0);
}

static void
disk_full(void **state)
{
	struct fixture *x = *state;

	pgtemp_sql(x->pg,
		   "CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ "
		   "BEGIN "
		   "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE "
		   "= '53100'; END $$");
	pgtemp_sql(x->pg,
		   "CREATE TRIGGER full_disk BEFORE INSERT ON event EXECUTE FUNCTION full_disk()");
	fixture_run(x, append_unwritable, NULL);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :RETRIEVED"), 0);
	pgtemp_sql(x->pg, "DROP TRIGGER full_disk ON event");
	fixture_run(x, wait_writable, NULL);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :RETRIEVED"), 1);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :LOG_RECOVERED"),
			 1);
	assert_good(x);
}

static void
read_only(void **state)
{
	struct fixture *x = *state;

	pgtemp_sql(x->pg, "ALTER ROLE hf_vault SET default_transaction_read_only = on");
	pgtemp_sql(x->pg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
			  "application_name = 'writer'");
	fixture_run(x, append_unwritable, NULL);
	pgtemp_sql(x->pg, "ALTER ROLE hf_vault RESET default_transaction_read_only");
	pgtemp_sql(x->pg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
			  "application_name = 'writer'");
	fixture_run(x, wait_writable, NULL);
	assert_good(x);
}

static void
without_keys(struct fixture *x, struct fiber *f, void *arg)
{
	pid_t fresh;
	int fd;

	kill(x->keyd, SIGKILL);
	fixture_pause(x, f, 50);
	assert_int_equal(append(x, f, EVENT_RETRIEVED, "{}", NULL), ERR_KEYS_UNAVAILABLE);
	fd = fixture_keyd(x, &fresh);
	keys_attach(x->v.keys, fd);
	waitpid(x->keyd, NULL, 0);
	x->keyd = fresh;
	assert_int_equal(append(x, f, EVENT_RETRIEVED, "{}", NULL), 0);
}

static void
keys_gone(void **state)
{
	struct fixture *x = *state;

	fixture_run(x, without_keys, NULL);
	assert_good(x);
}

/* ---- an end cut off while the service was down ---- */

/* keyd's mark is the end of the log, once it has been told. */
static void
expect_marked(struct fixture *x, struct fiber *f, void *arg)
{
	struct endmark m = { 0 }, end = { 0 };
	struct err e = { 0 };

	assert_true(ledger_head(x->v.ledger, &end.node, &end.seq, end.hash));
	for (int i = 0; i < 1000 && !endmark_eq(&m, &end); i++) {
		fixture_pause(x, f, 5);
		assert_int_equal(keys_mark_ask(x->v.keys, f, &m, &e), 0);
	}
	assert_int_equal(m.seq, end.seq);
	assert_true(endmark_eq(&m, &end));
}

static void
cut_end(void **state)
{
	struct fixture *x = *state;
	static struct verify_result r;
	int failed = 0;

	fixture_run_many(x, retrieve, &failed, 20);
	fixture_run(x, expect_marked, NULL);
	fixture_close(x);
	pgtemp_sql(x->pg, "DELETE FROM event WHERE seq > 15");
	fixture_open(x, FIXTURE_NODE_A);
	fixture_run(x, retrieve, &failed);
	assert_int_equal(failed, 0);
	assert_int_equal(
		fixture_count(x, "SELECT count(*) FROM event WHERE kind = :LOG_CUT AND seq = 16"),
		1);
	fixture_run(x, verify_now, &r);
	assert_false(r.good);
	assert_int_equal(r.nodes[0].broken_seq, 16);
	/* The mark of what was lost is given up: it is said once. */
	fixture_run(x, expect_marked, NULL);
	fixture_close(x);
	fixture_open(x, FIXTURE_NODE_A);
	fixture_run(x, retrieve, &failed);
	assert_int_equal(failed, 0);
	fixture_run(x, expect_marked, NULL);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :LOG_CUT"), 1);
}

/* ---- the journal ---- */

static void
append_journal(struct fixture *x, struct fiber *f, void *arg)
{
	enum ledger_durability d = LEDGER_LOCAL;

	assert_int_equal(append(x, f, EVENT_RETRIEVED, "{}", &d), 0);
	assert_int_equal(d, LEDGER_JOURNAL);
}

/* Written as a secondary, restarted in between, then the node is a primary: all of it comes into the log. */
static void
journal_adopted(void **state)
{
	struct fixture *x = *state;
	int failed = 0;
	int64_t had;

	fixture_run_many(x, retrieve, &failed, 5);
	had = fixture_count(x, "SELECT count(*) FROM event");
	fixture_close(x);
	fixture_state(x, HA_EMERGENCY, false);
	fixture_open(x, FIXTURE_NODE_A);
	fixture_run_many(x, append_journal, NULL, 30);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event"), had);
	assert_good(x);
	fixture_close(x);
	fixture_open(x, FIXTURE_NODE_A);
	fixture_run_many(x, append_journal, NULL, 30);
	assert_good(x);
	/* In flight, without a restart. */
	fixture_state(x, HA_ALONE, false);
	fixture_run_many(x, retrieve, &failed, 3);
	assert_int_equal(failed, 0);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event"), had + 63);
	assert_int_equal(fixture_count(x, "SELECT max(seq) FROM event"), had + 63);
	assert_good(x);
}

static void
append_unwritable_journal(struct fixture *x, struct fiber *f, void *arg)
{
	assert_int_equal(append(x, f, EVENT_RETRIEVED, "{}", NULL), ERR_LOG_UNWRITABLE);
}

/* Fail closed: a journal that cannot be written reveals nothing (H6). */
static void
journal_unwritable(void **state)
{
	struct fixture *x = *state;
	int fd;

	fixture_close(x);
	fixture_state(x, HA_EMERGENCY, false);
	fd = open(x->journal, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "this is no journal, and long enough to be noticed", 49), 49);
	close(fd);
	fixture_open(x, FIXTURE_NODE_A);
	fixture_run(x, append_unwritable_journal, NULL);
}

static void
edit_journal(struct fixture *x, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(x->journal, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* A row that SQLite reads well and that is another one than was written: nothing is written behind it (H6, H7). */
static void
journal_row_changed(void **state)
{
	struct fixture *x = *state;
	struct ledger_stats stats;
	int failed = 0;

	fixture_run_many(x, retrieve, &failed, 5);
	fixture_close(x);
	fixture_state(x, HA_EMERGENCY, false);
	fixture_open(x, FIXTURE_NODE_A);
	fixture_run_many(x, append_journal, NULL, 5);
	fixture_close(x);
	edit_journal(x, "UPDATE rows SET event = CAST(replace(event, '{}', '[]') AS BLOB) "
			"WHERE seq = (SELECT max(seq) - 2 FROM rows)");
	fixture_open(x, FIXTURE_NODE_A);
	fixture_run(x, append_unwritable_journal, NULL);
	ledger_stats(x->v.ledger, &stats);
	assert_non_null(strstr(stats.why, "holdfast ha repair-journal --before"));
	fixture_close(x);
	edit_journal(x, "UPDATE rows SET event = CAST(replace(event, '[]', '{}') AS BLOB) "
			"WHERE seq = (SELECT max(seq) - 2 FROM rows)");
	fixture_open(x, FIXTURE_NODE_A);
	fixture_run_many(x, append_journal, NULL, 5);
}

/* ---- merging ---- */

static void
deposit(struct fixture *x, int64_t after, size_t max)
{
	char path[320];

	snprintf(path, sizeof(path), "%s/b.db", x->dir);
	fixture_deposit(x, path, FIXTURE_NODE_B, after, max);
}

static struct uuid user_b;

static void
work_as_b(struct fixture *x, struct fiber *f, void *arg)
{
	struct event ev = { .kind = EVENT_USER_CREATED,
			    .address = "",
			    .body = "{\"name\":\"berta\",\"role\":\"user\"}" };
	struct err e = { 0 };

	uuid_new(&user_b);
	ev.object = user_b;
	/* In front of it the end of A's log, so that it is twenty in all. */
	assert_int_equal(ledger_append(x->v.ledger, f, &ev, 1, NULL, &e), 0);
	for (int i = 0; i < 18; i++)
		append_journal(x, f, NULL);
}

/* Twenty events of node B in B's journal; then node A is open as the primary. */
static void
make_b(struct fixture *x)
{
	char path[300];

	fixture_close(x);
	fixture_state(x, HA_EMERGENCY, false);
	memcpy(path, x->journal, sizeof(path));
	snprintf(x->journal, sizeof(x->journal), "%.200s/b.db", x->dir);
	unlink(x->anchor);
	fixture_open(x, FIXTURE_NODE_B);
	fixture_run(x, work_as_b, NULL);
	assert_good(x);
	fixture_close(x);
	memcpy(x->journal, path, sizeof(path));
	unlink(x->anchor);
	fixture_state(x, HA_ALONE, false);
	fixture_open(x, FIXTURE_NODE_A);
}

static void
merge(struct fixture *x, struct fiber *f, void *arg)
{
	int failed = 0;

	retrieve(x, f, &failed);
	assert_int_equal(failed, 0);
	ledger_merge_inbox(x->v.ledger, f);
}

#define OF_B "SELECT count(*) FROM event WHERE node = '" FIXTURE_NODE_B "'"

static void
merge_twice_is_once(void **state)
{
	struct fixture *x = *state;

	make_b(x);
	deposit(x, 0, 7);
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 7);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM principal WHERE name = 'berta'"),
			 1);
	deposit(x, 0, 1000);
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 20);
	deposit(x, 0, 1000);
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 20);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_inbox"), 0);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_set_aside"), 0);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :MERGED"), 2);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM principal WHERE name = 'berta'"),
			 1);
	assert_good(x);
}

/* The end of another node's chain is remembered by the event that merged it. */
static void
merged_end_cut(void **state)
{
	struct fixture *x = *state;
	static struct verify_result r;

	make_b(x);
	deposit(x, 0, 1000);
	fixture_run(x, merge, NULL);
	pgtemp_sql(x->pg, "DELETE FROM event WHERE node = '" FIXTURE_NODE_B "' AND seq > 17");
	fixture_run(x, verify_now, &r);
	assert_false(r.good);
	assert_true(r.nodes[1].broken && !r.nodes[0].broken);
	assert_int_equal(r.nodes[1].broken_seq, 18);
	pgtemp_sql(x->pg, "DELETE FROM event WHERE node = '" FIXTURE_NODE_B "'");
	fixture_run(x, verify_now, &r);
	assert_false(r.good);
}

static void
accept_breaks(struct fixture *x, struct fiber *f, void *arg)
{
	struct call c = { .v = &x->v, .f = f, .a = arena_new() };
	auto_buf out = BUF_INIT;
	struct err e = { 0 };
	struct json_out w;

	json_out_init(&w, &out);
	assert_int_equal(audit_accept(&c, "looked into", &w, &e), 0);
	assert_string_equal(buf_str(&out), arg);
	arena_free(c.a);
}

/* All lines of the export of node B, and how many of them begin with "accepted". */
static void
export_b(struct fixture *x, struct fiber *f, void *arg)
{
	struct call c = { .v = &x->v, .f = f, .a = arena_new() };
	int64_t after = 0,
		upto = fixture_count(x, "SELECT max(seq) FROM event WHERE node = '" FIXTURE_NODE_B
					"'");
	int *accepted = arg;
	struct uuid node;

	*accepted = 0;
	assert_int_equal(uuid_parse(FIXTURE_NODE_B, &node), 0);
	while (after < upto) {
		auto_buf out = BUF_INIT;
		struct err e = { 0 };
		const char *at;
		struct json_out w;

		json_out_init(&w, &out);
		if (audit_export_part(&c, &node, after, upto, &w, &e))
			fail_msg("%s", e.text);
		for (at = buf_str(&out); (at = strstr(at, "\"accepted ")); at++)
			++*accepted;
		at = strstr(buf_str(&out), "\"seq\":");
		while (at && strstr(at + 1, "\"seq\":"))
			at = strstr(at + 1, "\"seq\":");
		assert_non_null(at);
		assert_true(strtoll(at + 6, NULL, 10) > after);
		after = strtoll(at + 6, NULL, 10);
	}
	arena_free(c.a);
}

/* The end of another node's chain is lost, and that was accepted: what comes later goes on behind it. */
static void
accepted_end_goes_on(void **state)
{
	struct fixture *x = *state;
	static struct verify_result r;
	int accepted;

	make_b(x);
	deposit(x, 0, 15);
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 15);
	pgtemp_sql(x->pg, "DELETE FROM event WHERE node = '" FIXTURE_NODE_B "' AND seq > 12");
	fixture_run(x, accept_breaks, "{\"breaks\":1,\"without_effect\":0}");
	fixture_run(x, verify_now, &r);
	assert_true(r.good);
	assert_int_equal(r.naccepted, 1);
	assert_int_equal(r.accepted[0].seq, 13);
	assert_int_equal(r.accepted[0].upto, 15);
	deposit(x, 15, 2);
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 14);
	deposit(x, 17, 1000);
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 17);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_set_aside"), 0);
	fixture_run(x, verify_now, &r);
	if (!r.good)
		print_message("%s\n", r.nodes[1].why);
	assert_true(r.good);
	assert_int_equal(r.naccepted, 1);
	assert_string_equal(r.accepted[0].reason, "looked into");
	fixture_run(x, export_b, &accepted);
	assert_int_equal(accepted, 1);
	/* And once more, to the same place: another end, another acceptance. */
	pgtemp_sql(x->pg, "DELETE FROM event WHERE node = '" FIXTURE_NODE_B "' AND seq > 12");
	fixture_run(x, verify_now, &r);
	assert_false(r.good);
	assert_int_equal(r.nodes[1].broken_seq, 16);
	fixture_run(x, accept_breaks, "{\"breaks\":1,\"without_effect\":0}");
	fixture_run(x, verify_now, &r);
	assert_true(r.good);
	assert_int_equal(r.naccepted, 2);
	/* What is lost comes home after all. */
	deposit(x, 12, 1000);
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 20);
	fixture_run(x, verify_now, &r);
	assert_true(r.good);
	assert_int_equal(r.naccepted, 0);
	fixture_run(x, export_b, &accepted);
	assert_int_equal(accepted, 0);
}

/* The journal may still have the last of them: it is passed over. */
static void
accepted_end_is_in_the_journal_in_part(void **state)
{
	struct fixture *x = *state;
	static struct verify_result r;

	make_b(x);
	deposit(x, 0, 15);
	fixture_run(x, merge, NULL);
	pgtemp_sql(x->pg, "DELETE FROM event WHERE node = '" FIXTURE_NODE_B "' AND seq > 12");
	fixture_run(x, accept_breaks, "{\"breaks\":1,\"without_effect\":0}");
	deposit(x, 14, 1000);
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 17);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_inbox"), 0);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_set_aside"), 0);
	fixture_run(x, verify_now, &r);
	assert_true(r.good);
	assert_int_equal(r.naccepted, 1);
}

/* What was set aside before the acceptance is taken when it comes again, and set aside again when it still does not fit. */
static void
set_aside_until_accepted(void **state)
{
	struct fixture *x = *state;

	make_b(x);
	deposit(x, 0, 15);
	fixture_run(x, merge, NULL);
	pgtemp_sql(x->pg, "DELETE FROM event WHERE node = '" FIXTURE_NODE_B "' AND seq > 12");
	deposit(x, 15, 1000);
	pgtemp_sql(x->pg, "INSERT INTO ha_set_aside (node, seq, hash, event, why) SELECT node, "
			  "seq, hash, event, "
			  "'event 13 never came' FROM ha_inbox; DELETE FROM ha_inbox");
	fixture_run(x, accept_breaks, "{\"breaks\":1,\"without_effect\":0}");
	deposit(x, 15, 1000);
	pgtemp_sql(x->pg, "UPDATE ha_inbox SET hash = sha256(hash) WHERE seq = 18;"
			  "UPDATE ha_set_aside SET hash = sha256(hash) WHERE seq = 18");
	fixture_run(x, merge, NULL);
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 14);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_inbox"), 0);
	/* What came home is not kept beside. */
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_set_aside"), 3);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_set_aside WHERE at > (SELECT "
					  "max(at) FROM event WHERE kind = :AUDIT_ACCEPTED)"),
			 3);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :MERGE_REFUSED"),
			 1);
	deposit(x, 17, 1000);
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 17);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_set_aside"), 1);
}

static void
merge_waits_for_gap(void **state)
{
	struct fixture *x = *state;

	make_b(x);
	deposit(x, 5, 1000);
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 0);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_inbox"), 15);
	deposit(x, 0, 1000);
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 20);
}

static void
tampered_is_set_aside(void **state)
{
	struct fixture *x = *state;

	make_b(x);
	deposit(x, 0, 1000);
	pgtemp_sql(x->pg, "UPDATE ha_inbox SET event = set_byte(event, length(event) - 1, 120) "
			  "WHERE seq = 13");
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 12);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_set_aside"), 8);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_inbox"), 0);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :MERGE_REFUSED"),
			 1);
	/* Deposited again as it was: refused again, but neither kept nor told twice. */
	pgtemp_sql(x->pg, "INSERT INTO ha_inbox SELECT node, seq, hash, event FROM ha_set_aside");
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_set_aside"), 8);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :MERGE_REFUSED"),
			 1);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_inbox"), 0);
	/* The true rows still find their way. */
	deposit(x, 0, 1000);
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 20);
	assert_good(x);
}

/* The same numbers with other content: the log keeps its own. */
static void
fork_is_set_aside(void **state)
{
	struct fixture *x = *state;

	make_b(x);
	deposit(x, 0, 1000);
	fixture_run(x, merge, NULL);
	deposit(x, 10, 2);
	pgtemp_sql(x->pg, "UPDATE ha_inbox SET hash = sha256(hash)");
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 20);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_set_aside"), 2);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :MERGE_REFUSED"),
			 1);
	assert_good(x);
}

/* H15: an event that the tables refuse goes into the log all the same, without effect, and verification names it until somebody accepts it. */
static void
merge_without_effect(void **state)
{
	struct fixture *x = *state;
	static struct verify_result r;

	make_b(x);
	pgtemp_sql(x->pg, "ALTER TABLE principal ADD CONSTRAINT nobody CHECK (name <> 'berta')");
	deposit(x, 0, 1000);
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 20);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_set_aside"), 1);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM principal"), 0);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_inbox"), 0);
	pgtemp_sql(x->pg, "ALTER TABLE principal DROP CONSTRAINT nobody");
	fixture_run(x, verify_now, &r);
	assert_false(r.good);
	assert_int_equal(r.nidle, 1);
	assert_true(r.idle[0].first == r.idle[0].last && strstr(r.idle[0].why, "nobody"));
	fixture_run(x, accept_breaks, "{\"breaks\":0,\"without_effect\":1}");
	assert_good(x);
}

/* H15: what is merged keeps its name, whoever has it here. */
static void
merge_keeps_names(void **state)
{
	struct fixture *x = *state;

	make_b(x);
	pgtemp_sql(x->pg, "INSERT INTO principal (id, name, role, made_as, created_at) VALUES "
			  "(gen_random_uuid(), 'BERTA', 'user', 'user', now())");
	deposit(x, 0, 1000);
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, OF_B), 20);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_set_aside"), 0);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM principal WHERE twin = 'berta'"),
			 2);
	assert_int_equal(
		fixture_count(x, "SELECT count(*) FROM event WHERE body LIKE '%not_applied%'"), 0);
	assert_good(x);
}

static void
agent_requests(void **state)
{
	struct fixture *x = *state;

	fixture_sql(x, "INSERT INTO ha_request (kind, object, body) VALUES "
		       "(:NODE_JOINED, '" FIXTURE_NODE_B "', '{\"id\":\"" FIXTURE_NODE_B
		       "\",\"name\":\"b\",\"https_port\":7272,\"pair_port\":2345}'),"
		       "(:NODE_CERT, '" FIXTURE_NODE_B "', '{\"web_cert\":\"pem\"}'),"
		       "(:USER_CREATED, NULL, '{}'), (:NODE_JOINED, NULL, 'nonsense')");
	fixture_run(x, merge, NULL);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM ha_request"), 0);
	assert_int_equal(
		fixture_count(x, "SELECT count(*) FROM node WHERE name = 'b' AND web_cert = 'pem'"),
		1);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind IN (:NODE_JOINED, "
					  ":NODE_CERT, :USER_CREATED)"),
			 2);
	assert_good(x);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* ---- the beat (H16) ---- */

#define BEATS 3000

static void
beat_once(struct fixture *x, struct fiber *f, void *arg)
{
	ledger_beat(x->v.ledger, f);
}

static void
beat_often(struct fixture *x, struct fiber *f, void *arg)
{
	for (int i = 0; i < BEATS; i++)
		ledger_beat(x->v.ledger, f);
}

static void
add_node(struct fixture *x, const char *id, const char *name)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
		 "INSERT INTO node (id, name, https_port, pair_port, joined_at) "
		 "VALUES ('%s', '%s', 7272, 2345, now())",
		 id, name);
	fixture_sql(x, sql);
}

static void
await_reload(struct fixture *x, const char *sql)
{
	int64_t until = clock_mono_ms() + 30000;

	while (!fixture_count(x, sql)) {
		assert_true(clock_mono_ms() < until);
		clock_sleep_ms(20);
	}
}

/* H16: the primary's writer says as of when its data are, while there is another node: of its own clock and term. */
static void
beat_is_of_the_data(void **state)
{
	struct fixture *x = *state;
	int64_t before = clock_now_us();

	add_node(x, FIXTURE_NODE_A, "a.example");
	fixture_run(x, durability_of, &(enum ledger_durability){ 0 });
	fixture_run(x, beat_once, NULL);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM beat"), 0);
	add_node(x, FIXTURE_NODE_B, "b.example");
	fixture_sql(x, "UPDATE ha_term SET term = 7");
	fixture_run(x, beat_once, NULL);
	assert_int_equal(fixture_count(x, "SELECT term FROM beat"), 7);
	int64_t at =
		fixture_count(x, "SELECT (extract(epoch FROM at) * 1000000)::bigint FROM beat");
	assert_in_range(at, before, clock_now_us());
	fixture_close(x);
	fixture_state(x, HA_FENCED, false);
	fixture_open(x, FIXTURE_NODE_A);
	fixture_run(x, beat_once, NULL);
	assert_int_equal(
		fixture_count(x, "SELECT (extract(epoch FROM at) * 1000000)::bigint FROM beat"),
		at);
}

/* It keeps nobody waiting: where a commit waits for a second disk a beat does not. */
static void
beat_waits_for_nobody(void **state)
{
	struct fixture *x = *state;

	add_node(x, FIXTURE_NODE_A, "a.example");
	add_node(x, FIXTURE_NODE_B, "b.example");
	fixture_run(x, durability_of, &(enum ledger_durability){ 0 });
	fixture_sql(x, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
	fixture_sql(x, "SELECT pg_reload_conf()");
	await_reload(x, "SELECT (current_setting('synchronous_standby_names') <> '')::int");
	fixture_run(x, beat_once, NULL);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM beat"), 1);
	fixture_sql(x, "ALTER SYSTEM RESET synchronous_standby_names");
	fixture_sql(x, "SELECT pg_reload_conf()");
	await_reload(x, "SELECT (current_setting('synchronous_standby_names') = '')::int");
}

/* An hour of beats leaves nothing, although nothing that is dead may go meanwhile: so it is while a secondary is away and its slot stays. */
static void
beat_leaves_nothing(void **state)
{
	struct fixture *x = *state;
	static const char lsn[] =
		"SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint";
	static const char size[] = "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class "
				   "WHERE relname LIKE 'beat%' AND relkind IN ('r', 'S')";

	add_node(x, FIXTURE_NODE_A, "a.example");
	add_node(x, FIXTURE_NODE_B, "b.example");
	fixture_run(x, durability_of, &(enum ledger_durability){ 0 });
	fixture_run(x, beat_once, NULL);
	PGconn *away = PQconnectdb(pgtemp_conninfo(x->pg, "holdfast"));
	PQclear(PQexec(away, "BEGIN ISOLATION LEVEL REPEATABLE READ"));
	PQclear(PQexec(away, "SELECT count(*) FROM event"));
	int64_t before = fixture_count(x, size), wal = fixture_count(x, lsn);
	fixture_run(x, beat_often, NULL);
	wal = fixture_count(x, lsn) - wal;
	print_message("%d beats: %lld bytes of WAL each\n", BEATS, (long long)wal / BEATS);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM beat"), 1);
	assert_int_equal(fixture_count(x, size), before);
	assert_true(wal / BEATS < 300);
	PQfinish(away);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(group_commit),
		TEST(durability),
		TEST(fenced),
		TEST(large_unit),
		TEST(only_the_culprit_fails),
		TEST(a_taken_name_is_refused),
		TEST(backend_killed),
		TEST(server_restarted),
		TEST(disk_full),
		TEST(read_only),
		TEST(keys_gone),
		TEST(cut_end),
		TEST(journal_adopted),
		TEST(journal_unwritable),
		TEST(journal_row_changed),
		TEST(merge_twice_is_once),
		TEST(merged_end_cut),
		TEST(accepted_end_goes_on),
		TEST(accepted_end_is_in_the_journal_in_part),
		TEST(set_aside_until_accepted),
		TEST(merge_waits_for_gap),
		TEST(tampered_is_set_aside),
		TEST(fork_is_set_aside),
		TEST(merge_without_effect),
		TEST(merge_keeps_names),
		TEST(agent_requests),
		TEST(beat_is_of_the_data),
		TEST(beat_waits_for_nobody),
		TEST(beat_leaves_nothing),
	};

	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
