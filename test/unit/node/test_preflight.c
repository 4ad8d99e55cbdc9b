/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/pidfile.h"
#include "base/port.h"
#include "node/preflight.h"

static int
set_up(void **state)
{
	char dir[64] = "/tmp/hf-preflight.XXXXXX", path[HOME_PATH_MAX];
	struct proc_args *a = calloc(1, sizeof(*a));
	struct err e;
	if (!a || !mkdtemp(dir) || home_open(&a->home, dir, &e))
		return -1;
	settings_defaults(&a->settings);
	text_copy(a->settings.name, sizeof(a->settings.name), "a.example");
	home_path(&a->home, HOME_RUN, path);
	*state = a;
	return home_mkdirs(path, 0700, &e) || home_mkdirs(strcat(dir, "/conf"), 0700, &e) ? -1 : 0;
}

static int
tear_down(void **state)
{
	struct proc_args *a = *state;
	struct err e;
	int r = home_remove_tree(a->home.dir, &e);
	free(a);
	return r;
}

static int
listener(char ret[static 64])
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &n), 0);
	snprintf(ret, 64, "127.0.0.1:%d", ntohs(sin.sin_port));
	return fd;
}

static void
taken_port_is_named(void **state)
{
	char address[64];
	struct err e = { 0 };
	int fd = listener(address);
	assert_int_equal(port_check(address, "listen", &e), ERR_REFUSED);
	assert_non_null(strstr(e.text, "in use by another program"));
	assert_non_null(strstr(e.text, strrchr(address, ':') + 1));
	assert_non_null(strstr(e.text, "listen"));
	close(fd);
	assert_int_equal(port_check(address, "listen", &e), 0);
}

static void
foreign_address_is_named(void **state)
{
	struct err e = { 0 };
	assert_int_equal(port_check("192.0.2.7:7272", "pair_listen", &e), ERR_UNREACHABLE);
	assert_non_null(strstr(e.text, "does not have the address"));
	assert_non_null(strstr(e.text, "pair_listen"));
	assert_true(port_check("no port", "listen", &e) < 0);
	assert_true(port_check("[::1:1", "listen", &e) < 0);
}

static void
a_folder_that_is_no_node_is_refused(void **state)
{
	struct proc_args *a = *state;
	struct err e = { 0 };
	assert_int_equal(preflight_check(a, &e), ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "holdfast init --home"));
}

static void
make_node(const struct proc_args *a)
{
	struct home_node n = { .name = "a.example" };
	struct err e = { 0 };
	uuid_new(&n.id);
	assert_int_equal(home_node_write(&a->home, &n, &e), 0);
}

static void
a_secondary_without_data_is_told_about_the_pack(void **state)
{
	struct proc_args *a = *state;
	struct err e = { 0 };
	make_node(a);
	assert_int_equal(preflight_check(a, &e), ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "HAPack"));
}

/* Nobody would find it: the log, the certificates and the other nodes have the old name. */
static void
another_name_is_refused(void **state)
{
	struct proc_args *a = *state;
	struct err e = { 0 };
	make_node(a);
	text_copy(a->settings.name, sizeof(a->settings.name), "b.example");
	assert_int_equal(preflight_check(a, &e), ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "Put `name = a.example` back"));
	text_copy(a->settings.name, sizeof(a->settings.name), "A.Example");
	assert_int_equal(preflight_check(a, &e), ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "HAPack")); /* the next thing */
}

static void
data_of_another_major_is_refused(void **state)
{
	struct proc_args *a = *state;
	struct err e = { 0 };
	char pg[HOME_PATH_MAX], path[HOME_PATH_MAX + 16];
	make_node(a);
	home_path(&a->home, HOME_PG, pg);
	assert_int_equal(home_mkdirs(pg, 0700, &e), 0);
	snprintf(path, sizeof(path), "%s/PG_VERSION", pg);
	assert_int_equal(home_write_file(path, "98\n", 3, 0600, &e), 0);
	assert_int_equal(preflight_check(a, &e), ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "PostgreSQL 98"));
	assert_int_equal(home_write_file(path, "junk", 4, 0600, &e), 0);
	assert_int_equal(preflight_check(a, &e), ERR_IO);
	assert_non_null(strstr(e.text, "damaged"));
}

static void
a_second_serve_is_refused(void **state)
{
	struct proc_args *a = *state;
	struct err e = { 0 };
	char own[64];
	int fd = -1, second = -1;

	assert_int_equal(pidfile_alone(&a->home, &e), 0);
	assert_int_equal(pidfile_claim(&a->home, &fd, &e), 0);
	assert_int_equal(pidfile_alone(&a->home, &e), ERR_REFUSED);
	snprintf(own, sizeof(own), "process %d;", (int)getpid());
	assert_non_null(strstr(e.text, own));
	assert_int_equal(pidfile_claim(&a->home, &second, &e), ERR_REFUSED);
	assert_non_null(strstr(e.text, own));
	close(fd);
	assert_int_equal(pidfile_alone(&a->home, &e), 0);
}

struct looker {
	const struct home *home;
	atomic_bool over;
};

static void *
look_all_the_time(void *arg)
{
	struct looker *l = arg;
	struct err e;

	while (!l->over)
		if (pidfile_alone(l->home, &e) && e.code != ERR_REFUSED)
			abort();
	return NULL;
}

/* `ha status` asks whether the node runs while it starts. */
static void
who_only_looks_is_in_nobodys_way(void **state)
{
	struct proc_args *a = *state;
	struct looker l = { .home = &a->home };
	struct err e = { 0 };
	pthread_t thread;
	int refused = 0;

	assert_int_equal(pthread_create(&thread, NULL, look_all_the_time, &l), 0);
	for (int i = 0; i < 5000; i++) {
		int fd = -1;
		if (pidfile_claim(&a->home, &fd, &e))
			refused++;
		else
			close(fd);
	}
	l.over = true;
	pthread_join(thread, NULL);
	assert_int_equal(refused, 0);
}

static void
pair_and_pack_are_seen(void **state)
{
	static const enum home_path files[] = { HOME_PAIR_CERT, HOME_PAIR_KEY, HOME_PAIR_CA };
	struct proc_args *a = *state;
	struct err e = { 0 };
	char path[HOME_PATH_MAX + 32], pack[HOME_PATH_MAX];
	home_path(&a->home, HOME_TLS, path);
	assert_int_equal(home_mkdirs(path, 0700, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		assert_false(preflight_has_pair(&a->home));
		home_path(&a->home, files[i], path);
		assert_int_equal(home_write_file(path, "x", 1, 0600, &e), 0);
	}
	assert_true(preflight_has_pair(&a->home));
	assert_false(preflight_has_pack(&a->home));
	home_path(&a->home, HOME_PACK, pack);
	assert_int_equal(home_mkdirs(pack, 0700, &e), 0);
	assert_false(preflight_has_pack(&a->home));
	snprintf(path, sizeof(path), "%s/manifest.json", pack);
	assert_int_equal(home_write_file(path, "{}", 2, 0600, &e), 0);
	assert_true(preflight_has_pack(&a->home));
}

int
main(void)
{
#define WITH_HOME(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken_port_is_named),
		cmocka_unit_test(foreign_address_is_named),
		WITH_HOME(a_folder_that_is_no_node_is_refused),
		WITH_HOME(a_secondary_without_data_is_told_about_the_pack),
		WITH_HOME(another_name_is_refused),
		WITH_HOME(data_of_another_major_is_refused),
		WITH_HOME(a_second_serve_is_refused),
		WITH_HOME(who_only_looks_is_in_nobodys_way),
		WITH_HOME(pair_and_pack_are_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
