/* SPDX-License-Identifier: Apache-2.0
 *
 * The real programs of PostgreSQL, in a scratch home. They refuse root: as root the test becomes postgres.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pg/cluster.h"
#include "pg/program.h"

struct scratch {
	struct home home;
	struct settings settings;
	bool created;
};

static void
in_data(const struct scratch *s, const char *name, char *ret, size_t room)
{
	char pg[HOME_PATH_MAX];
	home_path(&s->home, HOME_PG, pg);
	snprintf(ret, room, "%s/%s", pg, name);
}

static char *
read_data(const struct scratch *s, const char *name)
{
	char path[HOME_PATH_MAX + 64];
	struct buf b = BUF_INIT;
	struct err e;
	in_data(s, name, path, sizeof(path));
	assert_int_equal(home_read_file(path, 1 << 20, &b, &e), 0);
	return buf_take_str(&b);
}

static int
set_up(void **state)
{
	char dir[] = "/tmp/hf-cluster.XXXXXX", path[HOME_PATH_MAX];
	struct scratch *s = calloc(1, sizeof(*s));
	struct err e;
	if (!s || !mkdtemp(dir) || home_open(&s->home, dir, &e))
		return -1;
	settings_defaults(&s->settings);
	s->settings.shared_buffers_mb = 8;
	home_path(&s->home, HOME_RUN, path);
	if (home_mkdirs(path, 0700, &e))
		return -1;
	snprintf(path, sizeof(path), "%s/data", s->home.dir);
	if (home_mkdirs(path, 0700, &e))
		return -1;
	*state = s;
	return 0;
}

static int
tear_down(void **state)
{
	struct scratch *s = *state;
	struct err e;
	int r = s->created ? cluster_stop(&s->home, &e) : 0;
	if (home_remove_tree(s->home.dir, &e))
		r = -1;
	free(s);
	return r;
}

static void
finds_programs(void **state)
{
	char dir[HOME_PATH_MAX], path[HOME_PATH_MAX + 16];
	int major = 0;
	struct err e = { 0 };
	assert_int_equal(cluster_find_bin(0, dir, &major, &e), 0);
	assert_true(major >= 15);
	snprintf(path, sizeof(path), "%s/initdb", dir);
	assert_int_equal(access(path, X_OK), 0);
	assert_int_equal(cluster_find_bin(major, dir, NULL, &e), 0);
}

static void
says_which_major_is_missing(void **state)
{
	char dir[HOME_PATH_MAX];
	struct err e = { 0 };
	assert_int_equal(cluster_find_bin(98, dir, NULL, &e), ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "PostgreSQL 98"));
	assert_non_null(strstr(e.text, "install postgresql-98"));
}

static void
named_folder_is_checked(void **state)
{
	char dir[HOME_PATH_MAX], found[HOME_PATH_MAX];
	int major = 0;
	struct err e = { 0 };
	assert_int_equal(cluster_find_bin(0, found, &major, &e), 0);
	setenv("HOLDFAST_PG_BIN", "/nonexistent", 1);
	assert_int_equal(cluster_find_bin(0, dir, NULL, &e), ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "/nonexistent"));
	setenv("HOLDFAST_PG_BIN", found, 1);
	assert_int_equal(cluster_find_bin(major, dir, NULL, &e), 0);
	assert_int_equal(cluster_find_bin(major + 1, dir, NULL, &e), ERR_PRECONDITION);
	setenv("HOLDFAST_PG_BIN", "bin", 1);
	assert_int_equal(cluster_find_bin(0, dir, NULL, &e), ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "full path"));
	unsetenv("HOLDFAST_PG_BIN");
}

static void
failing_program_says_why(void **state)
{
	char path[CLUSTER_PROGRAM_MAX];
	const char *argv[] = { path, "-D", "/proc/nowhere", NULL };
	const struct scratch *s = *state;
	struct err e = { 0 };
	assert_int_equal(cluster_program(&s->home, "initdb", path, &e), 0);
	assert_int_equal(program_run(argv, NULL, NULL, &e), ERR_IO);
	assert_non_null(strstr(e.text, "initdb failed"));
	assert_non_null(strstr(e.text, "/proc"));
}

static void
tail_keeps_the_end(void **state)
{
	char out[16];
	program_tail("first line\nsecond\n\n", 19, out, sizeof(out));
	assert_string_equal(out, "second");
	program_tail("a\tb\n", 4, out, sizeof(out));
	assert_string_equal(out, "a b");
	program_tail("", 0, out, sizeof(out));
	assert_string_equal(out, "");
	program_tail("0123456789abcdefghij", 20, out, sizeof(out));
	assert_string_equal(out, "56789abcdefghij");
}

static void
long_path_is_refused(void **state)
{
	struct scratch *s = *state;
	struct home h;
	struct err e = { 0 };
	assert_int_equal(cluster_socket_check(&s->home, &s->settings, &e), 0);
	memset(h.dir, 'x', 100);
	h.dir[0] = '/';
	h.dir[100] = '\0';
	assert_int_equal(cluster_socket_check(&h, &s->settings, &e), ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "too long"));
	/* The longest that fits, and one more: /run/.s.PGSQL.2345 has 18 bytes, a path may have 107. */
	h.dir[107 - 18] = '\0';
	assert_int_equal(cluster_socket_check(&h, &s->settings, &e), 0);
	h.dir[107 - 18] = 'x';
	h.dir[107 - 18 + 1] = '\0';
	assert_int_equal(cluster_socket_check(&h, &s->settings, &e), ERR_PRECONDITION);
}

static void
port_of_pair_listen(void **state)
{
	struct scratch *s = *state;
	assert_int_equal(cluster_port(&s->settings), 2345);
	snprintf(s->settings.pair_listen, sizeof(s->settings.pair_listen), "[::1]:5001");
	assert_int_equal(cluster_port(&s->settings), 5001);
}

static void
no_data_is_no_cluster(void **state)
{
	struct scratch *s = *state;
	struct err e = { 0 };
	int major = 7;
	assert_int_equal(cluster_major(&s->home, &major, &e), 0);
	assert_int_equal(major, 0);
	assert_false(cluster_is_standby(&s->home));
	assert_int_equal(cluster_pid(&s->home), 0);
	assert_int_equal(cluster_configure(&s->home, &s->settings, false, &e), ERR_NOT_FOUND);
	assert_int_equal(cluster_start(&s->home, &e), ERR_NOT_FOUND);
	assert_int_equal(cluster_stop(&s->home, &e), 0);
}

static int
psql(const struct scratch *s, const char *sql, struct err *e)
{
	struct buf conninfo = BUF_INIT;
	cluster_conninfo(&s->home, "holdfast", &conninfo);
	char path[CLUSTER_PROGRAM_MAX];
	const char *argv[] = { path, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", buf_str(&conninfo),
			       "-c", sql,  NULL };
	int r = cluster_program(&s->home, "psql", path, e);
	if (!r)
		r = program_run(argv, NULL, NULL, e);
	buf_done(&conninfo);
	return r;
}

static void
configures_idempotently(const struct scratch *s)
{
	static const char *const names[] = { "holdfast.conf", "pg_hba.conf", "pg_ident.conf",
					     "postgresql.conf" };
	char path[HOME_PATH_MAX + 64];
	struct stat before[ARRAY_LEN(names)], after;
	struct err e = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		in_data(s, names[i], path, sizeof(path));
		assert_int_equal(stat(path, &before[i]), 0);
	}
	assert_int_equal(cluster_configure(&s->home, &s->settings, false, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		in_data(s, names[i], path, sizeof(path));
		assert_int_equal(stat(path, &after), 0);
		assert_int_equal(before[i].st_ino, after.st_ino);
	}
}

static void
pair_mode_opens_tls_only(const struct scratch *s)
{
	struct err e = { 0 };
	char *conf = read_data(s, "holdfast.conf"), *hba = read_data(s, "pg_hba.conf");
	assert_non_null(strstr(conf, "listen_addresses = ''"));
	assert_null(strstr(hba, "hostssl"));
	free(conf);
	free(hba);
	assert_int_equal(cluster_configure(&s->home, &s->settings, true, &e), 0);
	conf = read_data(s, "holdfast.conf");
	hba = read_data(s, "pg_hba.conf");
	assert_non_null(strstr(conf, "listen_addresses = '0.0.0.0'"));
	assert_non_null(strstr(conf, "ssl_min_protocol_version = 'TLSv1.3'"));
	assert_non_null(strstr(hba, "hostssl replication hf_replicate all cert map=pair"));
	assert_non_null(strstr(hba, "hostssl holdfast hf_deposit all cert map=pair"));
	assert_null(strstr(hba, "trust"));
	assert_null(strstr(hba, "hostnossl"));
	assert_null(strstr(hba, "host all all all peer"));
	free(conf);
	free(hba);
	assert_int_equal(cluster_configure(&s->home, &s->settings, false, &e), 0);
}

static void
channel_is_for_the_nodes(const struct scratch *s)
{
	static const char *const names[] = { "a.example", "B-2.example" };
	struct err e = { 0 };
	bool changed = false;
	char *ident = read_data(s, "pg_ident.conf");

	assert_non_null(strstr(ident, "pair /^.*$ hf_deposit\n"));
	free(ident);
	assert_int_equal(cluster_map_pair(&s->home, names, 2, &changed, &e), 0);
	assert_true(changed);
	assert_int_equal(cluster_map_pair(&s->home, names, 2, &changed, &e), 0);
	assert_false(changed);
	assert_int_equal(cluster_configure(&s->home, &s->settings, false, &e), 0);
	ident = read_data(s, "pg_ident.conf");
	assert_non_null(strstr(ident, "pair /(?i)^a\\.example$ hf_replicate\n"));
	assert_non_null(strstr(ident, "pair /(?i)^B\\-2\\.example$ hf_rewind\n"));
	assert_null(strstr(ident, ".*"));
	assert_int_equal(strncmp(strstr(ident, "hf "), "hf \"", 4), 0);
	free(ident);
	assert_int_equal(cluster_map_pair(&s->home, names, 1, &changed, &e), 0);
	assert_true(changed);
	ident = read_data(s, "pg_ident.conf");
	assert_null(strstr(ident, "B"));
	free(ident);
}

/* One cluster through its life: making it takes seconds. */
static void
cluster_lives(void **state)
{
	struct scratch *s = *state;
	struct err e = { 0 };
	int major = 0, found = 0;
	char dir[HOME_PATH_MAX];
	int r = cluster_create(&s->home, &s->settings, &e);
	if (r)
		fail_msg("%s", e.text);
	s->created = true;
	assert_int_equal(cluster_major(&s->home, &major, &e), 0);
	assert_int_equal(cluster_find_bin(0, dir, &found, &e), 0);
	assert_int_equal(major, found);
	configures_idempotently(s);
	pair_mode_opens_tls_only(s);
	channel_is_for_the_nodes(s);

	if (cluster_start(&s->home, &e))
		fail_msg("%s", e.text);
	pid_t pid = cluster_pid(&s->home);
	assert_true(pid > 1);
	assert_int_equal(kill(pid, 0), 0);
	if (psql(s, "CREATE TABLE t (n int); INSERT INTO t VALUES (1)", &e))
		fail_msg("%s", e.text);
	/* What the pair and the log's secrecy stand on. */
	if (psql(s,
		 "DO $$ BEGIN ASSERT current_setting('data_checksums') = 'on';"
		 " ASSERT current_setting('listen_addresses') = ''; ASSERT "
		 "current_setting('wal_level') = 'replica';"
		 " ASSERT current_setting('log_statement') = 'none'; ASSERT "
		 "current_setting('log_error_verbosity') = 'terse';"
		 " ASSERT current_setting('log_parameter_max_length') = '0';"
		 " ASSERT current_setting('log_parameter_max_length_on_error') = '0';"
		 " ASSERT current_setting('unix_socket_permissions') = '0700'; ASSERT "
		 "current_setting('server_encoding') = 'UTF8';"
		 " ASSERT current_setting('fsync') = 'on'; ASSERT "
		 "current_setting('max_slot_wal_keep_size') = '2GB'; END $$",
		 &e))
		fail_msg("%s", e.text);
	assert_true(psql(s, "SELECT no_such_column", &e) < 0);
	assert_int_equal(cluster_stop(&s->home, &e), 0);
	assert_true(kill(pid, 0) < 0);
	assert_int_equal(cluster_pid(&s->home), 0);
}

/* Somebody who lives and is not PostgreSQL. */
static pid_t
begin_stranger(void)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	while (pid == 0)
		pause();
	return pid;
}

static void
write_lock(const struct scratch *s, const char *text)
{
	char path[HOME_PATH_MAX + 64], port[16];
	struct err e;
	in_data(s, "postmaster.pid", path, sizeof(path));
	assert_int_equal(home_write_file(path, text, strlen(text), 0600, &e), 0);
	snprintf(port, sizeof(port), "%d", cluster_port(&s->settings));
	home_path_with(&s->home, HOME_PG_LOCK, port, path);
	assert_int_equal(home_write_file(path, text, strlen(text), 0600, &e), 0);
}

static void
starts_and_stops(struct scratch *s)
{
	struct err e = { 0 };
	if (cluster_start(&s->home, &e))
		fail_msg("%s", e.text);
	assert_true(cluster_pid(&s->home) > 1);
	assert_int_equal(cluster_stop(&s->home, &e), 0);
}

/* H14: what the lock files of an earlier start of the machine name by now is in nobody's way, and comes to no harm. */
static void
strangers_lock_nothing(void **state)
{
	struct scratch *s = *state;
	struct err e = { 0 };
	if (cluster_create(&s->home, &s->settings, &e))
		fail_msg("%s", e.text);
	s->created = true;
	pid_t stranger = begin_stranger();
	char named[16], single[16];
	snprintf(named, sizeof(named), "%d\n", (int)stranger);
	snprintf(single, sizeof(single), "-%d\n", (int)stranger);
	const char *const locks[] = { named, single, "", "no number\n" };
	for (size_t i = 0; i < ARRAY_LEN(locks); i++) {
		write_lock(s, locks[i]);
		assert_int_equal(cluster_pid(&s->home), 0);
		assert_int_equal(cluster_stop(&s->home, &e), 0);
		starts_and_stops(s);
	}
	assert_int_equal(waitpid(stranger, NULL, WNOHANG), 0);
	kill(stranger, SIGKILL);
	waitpid(stranger, NULL, 0);
}

/* PostgreSQL itself is no stranger: whoever starts a second one is refused. */
static void
one_that_runs_keeps_its_lock(void **state)
{
	struct scratch *s = *state;
	struct err e = { 0 };
	if (cluster_create(&s->home, &s->settings, &e) || cluster_start(&s->home, &e))
		fail_msg("%s", e.text);
	s->created = true;
	pid_t pid = cluster_pid(&s->home);
	cluster_release(&s->home);
	assert_int_equal(cluster_start(&s->home, &e), ERR_IO);
	assert_int_equal(cluster_pid(&s->home), pid);
	assert_int_equal(psql(s, "SELECT 1", &e), 0);
}

static void
start_failure_says_why(void **state)
{
	struct scratch *s = *state;
	struct err e = { 0 };
	char path[HOME_PATH_MAX + 64];
	if (cluster_create(&s->home, &s->settings, &e))
		fail_msg("%s", e.text);
	in_data(s, "postgresql.auto.conf", path, sizeof(path));
	assert_int_equal(home_write_file(path, "no_such_setting_at_all = 1\n", 27, 0600, &e), 0);
	assert_int_equal(cluster_start(&s->home, &e), ERR_IO);
	assert_non_null(strstr(e.text, "no_such_setting_at_all"));
}

static int
leave_root(void)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;
	if (geteuid() != 0)
		return 0;
	return pw && setgroups(0, NULL) == 0 && setgid(pw->pw_gid) == 0 &&
			       setuid(pw->pw_uid) == 0 && chdir("/") == 0
		       ? 0
		       : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_programs),
		cmocka_unit_test(says_which_major_is_missing),
		cmocka_unit_test(named_folder_is_checked),
		cmocka_unit_test_setup_teardown(failing_program_says_why, set_up, tear_down),
		cmocka_unit_test(tail_keeps_the_end),
		cmocka_unit_test_setup_teardown(long_path_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(port_of_pair_listen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_data_is_no_cluster, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cluster_lives, set_up, tear_down),
		cmocka_unit_test_setup_teardown(strangers_lock_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_runs_keeps_its_lock, set_up, tear_down),
		cmocka_unit_test_setup_teardown(start_failure_says_why, set_up, tear_down),
	};
	if (leave_root() < 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
