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
#include "pg/standby.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conninfo_is_strict),
		cmocka_unit_test(standby_is_made),
		cmocka_unit_test(standby_says_whom_it_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
