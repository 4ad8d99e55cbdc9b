/* SPDX-License-Identifier: Apache-2.0
 *
 * H3: every way through the channel proves both ends, as the role of its duty.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ha/channel.h"
#include "base/clock.h"
#include "pg/standby.h"
#include "store/db.h"
#include "pgtemp.h"

static void
conninfo_is_strict(void **ctx)
{
	static const struct {
		enum channel_duty duty;
		const char *role;
	} rows[] = { { CHANNEL_DEPOSIT, "user=hf_deposit " },
		     { CHANNEL_REPLICATE, "user=hf_replicate " },
		     { CHANNEL_REWIND, "user=hf_rewind " } };
	struct channel_primary p = { .host = "a.example", .port = 2345, .slot = "hf_1" };
	struct home h;

	strcpy(h.dir, "/srv/it's");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf b = BUF_INIT;

		channel_conninfo(&h, rows[i].duty, &p, &b);
		assert_non_null(strstr(buf_str(&b), rows[i].role));
		assert_non_null(strstr(buf_str(&b), "host='a.example'"));
		assert_non_null(strstr(buf_str(&b), "sslmode=verify-full"));
		assert_non_null(strstr(buf_str(&b), "ssl_min_protocol_version=TLSv1.3"));
		assert_non_null(strstr(buf_str(&b), "sslkey='/srv/it\\'s/conf/tls/pair.key'"));
		assert_non_null(strstr(buf_str(&b), "tcp_user_timeout=3000"));
	}
}

static void
standby_is_made(void **ctx)
{
	char dir[] = "/tmp/hf-channel-XXXXXX", path[64];
	struct channel_primary p = { .host = "a.example", .port = 2345, .slot = "hf_1" };
	auto_buf conf = BUF_INIT;
	struct home h;
	struct err e;

	strcpy(h.dir, "/srv/it's");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(channel_write_standby(&h, &p, CHANNEL_START_AT_ONCE, dir, &e), 0);
	snprintf(path, sizeof(path), "%s/standby.signal", dir);
	assert_int_equal(home_read_file(path, 16, &conf, &e), 0);
	snprintf(path, sizeof(path), "%s/postgresql.auto.conf", dir);
	assert_int_equal(home_read_file(path, 4096, &conf, &e), 0);
	assert_non_null(strstr(buf_str(&conf), "primary_slot_name = 'hf_1'\n"));
	assert_non_null(strstr(buf_str(&conf), "sslkey=''/srv/it\\\\''s/conf/tls/pair.key''"));
	assert_null(strstr(buf_str(&conf), STANDBY_COMPARED));
	assert_int_equal(channel_write_standby(&h, &p, CHANNEL_START_COMPARED, dir, &e), 0);
	assert_int_equal(home_read_file(path, 4096, &conf, &e), 0);
	assert_non_null(strstr(buf_str(&conf), STANDBY_COMPARED));
	assert_int_equal(home_remove_tree(dir, &e), 0);
}

/* What was written is found again; of several lines the last counts; what says nothing is refused. */
static void
standby_says_whom_it_follows(void **ctx)
{
	static const struct {
		const char *text, *host; /* NULL: refused */
		int port;
	} rows[] = {
		{ "primary_conninfo = 'host=''b.example'' port=2346'\n", "b.example", 2346 },
		{ "primary_conninfo = 'host=a port=1'\nprimary_conninfo = 'host=c port=2'\n", "c",
		  2 },
		{ "#primary_conninfo = 'host=a port=1'\n", NULL, 0 },
		{ "primary_conninfo = 'host=a'\n", NULL, 0 },
		{ "primary_conninfo = 'host=a port=70000'\n", NULL, 0 },
		{ "primary_conninfo = 'host=a port=1", NULL, 0 },
		{ "", NULL, 0 },
	};
	struct channel_primary p = { .host = "it's.example", .port = 2345, .slot = "hf_1" }, got;
	char dir[] = "/tmp/hf-channel-XXXXXX", pg[HOME_PATH_MAX], path[HOME_PATH_MAX + 32];
	struct home h;
	struct err e;

	assert_non_null(mkdtemp(dir));
	strcpy(h.dir, dir);
	home_path(&h, HOME_PG, pg);
	assert_int_equal(home_mkdirs(pg, 0700, &e), 0);
	assert_int_equal(channel_write_standby(&h, &p, CHANNEL_START_COMPARED, pg, &e), 0);
	got = (struct channel_primary){ .slot = "hf_2" };
	assert_int_equal(channel_read_standby(&h, &got, &e), 0);
	assert_string_equal(got.host, "it's.example");
	assert_int_equal(got.port, 2345);
	assert_string_equal(got.slot, "hf_2");
	snprintf(path, sizeof(path), "%s/postgresql.auto.conf", pg);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(
			home_write_file(path, rows[i].text, strlen(rows[i].text), 0600, &e), 0);
		got = (struct channel_primary){ 0 };
		assert_int_equal(channel_read_standby(&h, &got, &e),
				 rows[i].host ? 0 : ERR_NOT_FOUND);
		assert_string_equal(got.host, rows[i].host ? rows[i].host : "");
		assert_int_equal(got.port, rows[i].port);
	}
	assert_int_equal(home_remove_tree(dir, &e), 0);
}

/* Asks twice, with a pause, as whoever connects with these options. */
static int
ask(struct pgtemp *pg, const char *options, struct err *e)
{
	const struct uuid nobody = { 0 };
	auto_buf info = BUF_INIT;
	int r = 0;

	buf_addf(&info, "%s %s", pgtemp_conninfo(pg, "hf_deposit"), options);
	struct db_options o = { .conninfo = buf_str(&info), .application = "t", .call_ms = 3000 };
	struct db *db = db_open(&o, e);

	if (!db)
		return ERR_DB_GONE;
	for (int i = 0; i < 2 && !r; i++) {
		auto_binds b = BINDS_INIT;
		auto_rows rows = NULL;

		bind_text(&b, "1.01");
		bind_text(&b, "0000000000000000000000000000000000000000000000000000000000000000");
		r = db_exec(db, NULL, STMT_DEPOSIT_TELL, &b, NULL, e);
		auto_binds c = BINDS_INIT;
		bind_uuid(&c, &nobody);
		bind_bigint(&c, 1);
		if (!r)
			r = db_exec(db, NULL, STMT_DEPOSIT_HASH, &c, &rows, e);
		clock_sleep_ms(50);
	}
	db_free(db);
	return r;
}

/* H7: a role may say what its next sessions begin with, and ours do not go by it. */
static void
no_session_goes_by_what_the_role_says(void **ctx)
{
	static const char *const says[][2] = {
		{ "search_path", "nowhere" },
		{ "default_transaction_read_only", "on" },
		{ "local_preload_libraries", "nothing" },
		{ "idle_session_timeout", "1" },
		{ "statement_timeout", "1" },
		{ "exit_on_error", "on" },
	};
	struct channel_primary p = { .host = "a.example", .port = 2345, .slot = "hf_1" };
	auto_buf conninfo = BUF_INIT;
	struct home h = { .dir = "/srv" };
	char options[2000], sql[256];
	struct err e = { 0 };

	channel_conninfo(&h, CHANNEL_DEPOSIT, &p, &conninfo);
	const char *from = strstr(buf_str(&conninfo), "options='");
	assert_non_null(from);
	text_fit(options, sizeof(options), "%.*s'", (int)strcspn(from + 9, "'") + 9, from);
	struct pgtemp *pg = pgtemp_new();
	pgtemp_migrate(pg);
	assert_int_equal(ask(pg, "", &e), 0);
	int stopped = 0;
	for (size_t i = 0; i < ARRAY_LEN(says); i++) {
		snprintf(sql, sizeof(sql),
			 "ALTER ROLE hf_deposit IN DATABASE holdfast RESET ALL;"
			 "ALTER ROLE hf_deposit IN DATABASE holdfast SET %s = '%s'",
			 says[i][0], says[i][1]);
		pgtemp_sql(pg, sql);
		stopped += ask(pg, "", &e) != 0;
		if (ask(pg, options, &e))
			fail_msg("%s: %s", says[i][0], e.text);
	}
	assert_true(stopped >= 3);
	pgtemp_free(pg);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conninfo_is_strict),
		cmocka_unit_test(standby_is_made),
		cmocka_unit_test(standby_says_whom_it_follows),
		cmocka_unit_test(no_session_goes_by_what_the_role_says),
	};

	if (!pgtemp_have())
		return PGTEMP_SKIP;

	return cmocka_run_group_tests(tests, NULL, NULL);
}
