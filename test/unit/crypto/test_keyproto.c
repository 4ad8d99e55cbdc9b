/* SPDX-License-Identifier: Apache-2.0
 *
 * The real key process, over its real control socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <dirent.h>
#include <sodium.h>
#include "base/clock.h"
#include "base/fault.h"
#include "crypto/endmark.h"
#include "crypto/keyproto.h"
#include "crypto/keyfile.h"
#include "crypto/keys.h"
#include "keyd/keyd.h"

static char dir[64], key_path[128];

static int
begin(void **state)
{
	struct err e;
	char conf[80], data[80];
	snprintf(dir, sizeof(dir), "/tmp/hf-keyd-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(key_path, sizeof(key_path), "%s/key", dir);
	snprintf(conf, sizeof(conf), "%s/conf", dir);
	snprintf(data, sizeof(data), "%s/data", dir);
	return home_mkdirs(conf, 0700, &e) || home_mkdirs(data, 0700, &e);
}

static int
finish(void **state)
{
	struct err e;
	return home_remove_tree(dir, &e);
}

struct keyd_run {
	pid_t pid;
	int control, said; /* our end of the control socket; its stderr */
};

static void
fresh_key(void)
{
	struct err e = { 0 };
	unlink(key_path);
	assert_int_equal(keyfile_create(key_path, &e), 0);
}

static void
start_keyd(struct keyd_run *r, const char *key_file)
{
	int sv[2], err[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	r->pid = fork();
	if (!r->pid) {
		struct proc_args a = { 0 };
		struct err e;
		dup2(err[1], STDERR_FILENO);
		int control = fcntl(sv[1], F_DUPFD, 100);
		dup2(control, PROC_FD_KEYS);
		if (home_open(&a.home, dir, &e))
			_exit(9);
		settings_defaults(&a.settings);
		snprintf(a.key_file, sizeof(a.key_file), "%s", key_file);
		_exit(keyd_main(&a));
	}
	close(sv[1]);
	close(err[1]);
	r->control = sv[0];
	r->said = err[0];
}

static bool
is_ready(struct keyd_run *r)
{
	char c = 0;
	struct pollfd p = { .fd = r->control, .events = POLLIN };
	return poll(&p, 1, 10000) == 1 && read(r->control, &c, 1) == 1 && c == 'K';
}

static int
status_of(struct keyd_run *r)
{
	int status = -1;
	for (int i = 0; i < 1000; i++) {
		if (waitpid(r->pid, &status, WNOHANG) == r->pid)
			return status;
		usleep(10000);
	}
	kill(r->pid, SIGKILL);
	waitpid(r->pid, &status, 0);
	return -1;
}

static void
close_run(struct keyd_run *r)
{
	close(r->control);
	close(r->said);
}

static void
stop_keyd(struct keyd_run *r)
{
	kill(r->pid, SIGTERM);
	int status = status_of(r);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close_run(r);
}

/* Passes fd with the role to keyd and closes our copy. */
static void
pass(struct keyd_run *r, char role, int fd)
{
	_Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &role, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = space,
			    .msg_controllen = sizeof(space) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
	assert_int_equal(sendmsg(r->control, &m, MSG_NOSIGNAL), 1);
	close(fd);
}

static int
connect_as(struct keyd_run *r, char role)
{
	int sv[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	pass(r, role, sv[1]);
	return sv[0];
}

static void
expect_works(struct keyd_run *r)
{
	struct err e = { 0 };
	uint8_t mac[32];
	struct keys *k = keys_new(NULL, connect_as(r, KEYPROTO_VAULTD));
	assert_int_equal(keys_mac(k, NULL, KEYS_SESSION, "x", 1, mac, &e), 0);
	keys_free(k);
}

static void
serves_while_the_key_file_is_gone(void **state)
{
	struct keyd_run r;
	struct err e = { 0 };
	auto_buf wrapped = BUF_INIT, sealed = BUF_INIT, plain = BUF_INIT;
	fresh_key();
	start_keyd(&r, key_path);
	assert_true(is_ready(&r));
	unlink(key_path);
	struct keys *v = keys_new(NULL, connect_as(&r, KEYPROTO_VAULTD));
	struct keys *a = keys_new(NULL, connect_as(&r, KEYPROTO_AGENT));
	assert_int_equal(keys_create(v, NULL, 1, &wrapped, &e), 0);
	assert_int_equal(keys_seal(v, NULL, 1, "ad", 2, "secret", 6, &sealed, &e), 0);
	/* The agent's connection shares what vaultd's loaded. */
	assert_int_equal(keys_open(a, NULL, "ad", 2, sealed.data, sealed.len, &plain, &e), 0);
	assert_string_equal(buf_str(&plain), "secret");
	char *big = calloc(1, KEYS_SEAL_MAX);
	buf_reset(&sealed);
	assert_int_equal(keys_seal(v, NULL, 1, "ad", 2, big, KEYS_SEAL_MAX, &sealed, &e), 0);
	free(big);
	keys_free(v);
	/* vaultd comes again: no key file needed. */
	v = keys_new(NULL, connect_as(&r, KEYPROTO_VAULTD));
	buf_reset(&plain);
	assert_int_equal(keys_open(v, NULL, "ad", 2, sealed.data, sealed.len, &plain, &e), 0);
	assert_int_equal(plain.len, KEYS_SEAL_MAX);
	keys_free(v);
	keys_free(a);
	kill(r.pid, SIGHUP);
	expect_works(&r);
	stop_keyd(&r);
}

static void
reads_the_place_of_the_key_from_the_home(void **state)
{
	struct keyd_run r;
	struct home h;
	struct err e = { 0 };
	char conf[HOME_PATH_MAX];
	fresh_key();
	assert_int_equal(home_open(&h, dir, &e), 0);
	home_path(&h, HOME_KEY_CONF, conf);
	assert_int_equal(home_write_file(conf, key_path, strlen(key_path), 0600, &e), 0);
	start_keyd(&r, "");
	assert_true(is_ready(&r));
	stop_keyd(&r);
	unlink(conf);
}

/* H10: which node it proves epochs of it reads before it shuts its doors. */
static void
reads_its_node_from_the_home(void **state)
{
	struct keyd_run r;
	struct home h;
	struct home_node node = { .name = "a.example" };
	struct epoch_claim c = { .epoch.counter = 7 };
	struct err e = { 0 };
	char conf[HOME_PATH_MAX];

	fresh_key();
	uuid_new(&node.id);
	assert_int_equal(home_open(&h, dir, &e), 0);
	assert_int_equal(home_node_write(&h, &node, &e), 0);
	start_keyd(&r, key_path);
	assert_true(is_ready(&r));
	struct keys *a = keys_new(NULL, connect_as(&r, KEYPROTO_AGENT));
	struct keys *v = keys_new(NULL, connect_as(&r, KEYPROTO_VAULTD));
	c.epoch.node = node.id;
	assert_int_equal(keys_epoch(a, NULL, 7, 0, c.proof, &e), 0);
	assert_int_equal(keys_epoch_check(v, NULL, &c, &e), 0);
	c.epoch.incarnation = 0x51;
	assert_int_equal(keys_epoch_check(v, NULL, &c, &e), ERR_CRYPTO);
	assert_int_equal(keys_epoch(a, NULL, 7, 0x51, c.proof, &e), 0);
	assert_int_equal(keys_epoch_check(v, NULL, &c, &e), 0);
	uuid_new(&c.epoch.node);
	assert_int_equal(keys_epoch_check(v, NULL, &c, &e), ERR_CRYPTO);
	keys_free(a);
	keys_free(v);
	stop_keyd(&r);
	home_path(&h, HOME_NODE, conf);
	unlink(conf);
}

/* ---- the end mark ---- */

static void
path_of(enum home_path p, char ret[static HOME_PATH_MAX])
{
	struct home h;
	struct err e = { 0 };

	assert_int_equal(home_open(&h, dir, &e), 0);
	home_path(&h, p, ret);
}

/* Of a node that conf/node.conf names. */
static struct endmark
new_node(int64_t seq)
{
	struct home h;
	struct home_node node = { .name = "a.example" };
	struct err e = { 0 };

	uuid_new(&node.id);
	assert_int_equal(home_open(&h, dir, &e), 0);
	assert_int_equal(home_node_write(&h, &node, &e), 0);
	return (struct endmark){ .node = node.id, .seq = seq, .hash = { 7 } };
}

static struct endmark
mark_in_file(void)
{
	char path[HOME_PATH_MAX];
	struct endmark m = { 0 };

	path_of(HOME_ANCHOR, path);
	int fd = open(path, O_RDONLY);
	if (fd < 0 || !endmark_read(fd, &m))
		m.seq = 0;
	close(fd);
	return m;
}

static void
await_in_file(const struct endmark *m)
{
	struct endmark there = { 0 };

	for (int i = 0; i < 1000 && !endmark_eq(&there, m); i++) {
		clock_sleep_ms(10);
		there = mark_in_file();
	}
	assert_true(endmark_eq(&there, m));
}

static void
forget_node(void)
{
	char path[HOME_PATH_MAX];

	path_of(HOME_NODE, path);
	unlink(path);
	path_of(HOME_ANCHOR, path);
	unlink(path);
}

static void
expect_said(struct keyd_run *r, const char *words)
{
	char text[4096];
	ssize_t n = read(r->said, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	assert_non_null(strstr(text, words));
}

static void
remembers_the_end_mark(void **state)
{
	struct endmark m = new_node(41), got, low, first;
	struct keyd_run r;
	struct err e = { 0 };

	fresh_key();
	start_keyd(&r, key_path);
	assert_true(is_ready(&r));
	struct keys *v = keys_new(NULL, connect_as(&r, KEYPROTO_VAULTD));
	assert_int_equal(keys_mark_ask(v, NULL, &got, &e), 0);
	assert_int_equal(got.seq, 0);
	/* What comes thick and fast is there at the end; nobody says anything more. */
	for (first = m; m.seq < 2000; m.seq++)
		assert_int_equal(keys_mark(v, NULL, &m, &e), 0);
	assert_int_equal(keys_mark(v, NULL, &m, &e), 0);
	assert_int_equal(keys_mark(v, NULL, &first, &e), ERR_CONFLICT);
	await_in_file(&m);
	m.seq++;
	assert_int_equal(keys_mark(v, NULL, &m, &e), 0);
	keys_free(v);
	stop_keyd(&r);
	got = mark_in_file();
	assert_true(endmark_eq(&got, &m)); /* its last one too */

	start_keyd(&r, key_path);
	assert_true(is_ready(&r));
	v = keys_new(NULL, connect_as(&r, KEYPROTO_VAULTD));
	assert_int_equal(keys_mark_ask(v, NULL, &got, &e), 0);
	assert_true(endmark_eq(&got, &m));
	low = m;
	low.seq = 12;
	assert_int_equal(keys_mark(v, NULL, &low, &e), ERR_CONFLICT);
	assert_int_equal(keys_mark_replace(v, NULL, &low, &low, &e), ERR_CONFLICT);
	assert_int_equal(keys_mark_replace(v, NULL, &m, &low, &e), 0);
	await_in_file(&low);
	keys_free(v);
	kill(r.pid, SIGKILL);
	status_of(&r);
	expect_said(&r, "event 2001 was remembered, and it goes on at event 12");
	close_run(&r);
	forget_node();
}

static void
without_a_place_for_the_end_mark_it_does_not_start(void **state)
{
	struct keyd_run r;
	char path[HOME_PATH_MAX];

	path_of(HOME_ANCHOR, path);
	fresh_key();
	assert_int_equal(mkdir(path, 0700), 0);
	start_keyd(&r, key_path);
	assert_false(is_ready(&r));
	int status = status_of(&r);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), PROC_EXIT_CONFIG);
	expect_said(&r, "data/anchor");
	close_run(&r);
	rmdir(path);
}

#ifdef HF_FAULTS
static void
an_end_mark_that_could_not_be_written_is_written_later(void **state)
{
	static const enum fault faults[] = { FAULT_FILE_WRITE, FAULT_FILE_SYNC };
	struct err e = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct endmark m = new_node(41);
		struct keyd_run r;

		fresh_key();
		fault_arm(faults[i], 1);
		start_keyd(&r, key_path);
		fault_disarm();
		assert_true(is_ready(&r));
		struct keys *v = keys_new(NULL, connect_as(&r, KEYPROTO_VAULTD));
		assert_int_equal(keys_mark(v, NULL, &m, &e), 0);
		await_in_file(&m);
		expect_works(&r);
		keys_free(v);
		kill(r.pid, SIGTERM);
		assert_int_equal(status_of(&r), 0);
		expect_said(&r, "can be written again");
		close_run(&r);
		forget_node();
	}
}
#endif

static void
without_a_key_it_says_what_to_do(void **state)
{
	struct keyd_run r;
	char text[2048];
	fresh_key();
	chmod(key_path, 0444);
	const char *const files[] = { "/nonexistent/key", "", key_path };
	const char *const says[] = { "plugged in", "--key-file", "chmod 400 " };
	for (size_t i = 0; i < 3; i++) {
		start_keyd(&r, files[i]);
		assert_false(is_ready(&r));
		int status = status_of(&r);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), PROC_EXIT_CONFIG);
		ssize_t n = read(r.said, text, sizeof(text) - 1);
		text[n < 0 ? 0 : n] = '\0';
		assert_non_null(strstr(text, says[i]));
		close_run(&r);
	}
}

static bool
is_closed(int fd)
{
	char c[64];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	if (poll(&p, 1, 5000) != 1)
		return false;
	ssize_t n = read(fd, c, sizeof(c));
	return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void
bad_clients_lose_only_their_connection(void **state)
{
	static const struct {
		char role;
		size_t n;
		uint8_t bytes[16];
	} rows[] = {
		{ 'v', 4, { 0, 0, 0, 0 } },
		{ 'v', 4, { 0xff, 0xff, 0xff, 0xff } },
		{ 'v', 5, { 0, 0, 0, 1, 99 } },
		{ 'v', 5, { 0, 0, 0, 1, KEYPROTO_STREAM_SEAL } },
		{ 'a', 9, { 0, 0, 0, 5, KEYPROTO_CREATE, 0, 0, 0, 9 } },
		{ 'a', 6, { 0, 0, 0, 2, KEYPROTO_MAC, KEYS_SESSION } },
		{ 'v', 13, { 0, 0, 0, 9, KEYPROTO_EPOCH, [12] = 1 } },
		{ 'x', 0, { 0 } },
		{ 0, 0, { 0 } },
	};
	struct keyd_run r;
	fresh_key();
	start_keyd(&r, key_path);
	assert_true(is_ready(&r));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int fd = connect_as(&r, rows[i].role);
		(void)!send(fd, rows[i].bytes, rows[i].n, MSG_NOSIGNAL);
		assert_true(is_closed(fd));
		close(fd);
		expect_works(&r);
	}
	stop_keyd(&r);
}

static void
who_does_not_read_blocks_nobody(void **state)
{
	struct keyd_run r;
	fresh_key();
	start_keyd(&r, key_path);
	assert_true(is_ready(&r));
	int fd = connect_as(&r, 'v');
	static const uint8_t mac[] = { 0, 0, 0, 2, KEYPROTO_MAC, KEYS_SESSION };
	/* Ask until keyd stops reading: it must, or it would keep answers without bound. */
	size_t sent = 0;
	while (sent < 64u << 20) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		if (poll(&p, 1, 300) == 0)
			break;
		char many[6 * 1000];
		for (size_t i = 0; i < sizeof(many); i += 6)
			memcpy(many + i, mac, 6);
		ssize_t n = send(fd, many, sizeof(many), MSG_DONTWAIT | MSG_NOSIGNAL);
		assert_true(n > 0 || errno == EAGAIN);
		sent += n > 0 ? (size_t)n : 0;
	}
	assert_true(sent < 16u << 20);
	expect_works(&r);
	close(fd);
	expect_works(&r);
	stop_keyd(&r);
}

static void
no_more_clients_than_places(void **state)
{
	struct keyd_run r;
	int fds[20];
	fresh_key();
	start_keyd(&r, key_path);
	assert_true(is_ready(&r));
	for (int i = 0; i < 20; i++)
		fds[i] = connect_as(&r, 'v');
	for (int i = 16; i < 20; i++)
		assert_true(is_closed(fds[i]));
	for (int i = 0; i < 20; i++)
		close(fds[i]);
	clock_sleep_ms(50);
	expect_works(&r);
	stop_keyd(&r);
}

static void
ends_with_its_supervisor(void **state)
{
	struct keyd_run r;
	fresh_key();
	start_keyd(&r, key_path);
	assert_true(is_ready(&r));
	shutdown(r.control, SHUT_RDWR);
	int status = status_of(&r);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close_run(&r);
}

/* The value behind `name` in /proc/PID/task/TID/status. */
static long
task_value(pid_t pid, const char *tid, const char *name)
{
	char path[320];
	auto_buf text = BUF_INIT;
	struct err e = { 0 };
	snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, tid);
	assert_int_equal(home_read_file(path, 65536, &text, &e), 0);
	const char *at = strstr(text.data, name);
	assert_non_null(at);
	return strtol(at + strlen(name), NULL, 10);
}

/* All of its threads have that value, and it has more than one. */
static void
expect_of_all(pid_t pid, const char *name, long value)
{
	char path[64];
	int threads = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *t; (t = readdir(d));) {
		if (t->d_name[0] == '.')
			continue;
		assert_int_equal(task_value(pid, t->d_name, name), value);
		threads++;
	}
	closedir(d);
	assert_true(threads > 1);
}

static void
its_doors_are_shut(void **state)
{
	struct keyd_run r;
	fresh_key();
	start_keyd(&r, key_path);
	assert_true(is_ready(&r));
	char self[16];
	snprintf(self, sizeof(self), "%d", r.pid);
	expect_of_all(r.pid, "NoNewPrivs:", 1);
#ifndef __SANITIZE_ADDRESS__
	expect_of_all(r.pid, "\nSeccomp:", 2);
	if (geteuid() == 0)
		assert_true(task_value(r.pid, self, "VmLck:") > 0);
#endif
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/limits", r.pid);
	auto_buf limits = BUF_INIT;
	struct err e = { 0 };
	assert_int_equal(home_read_file(path, 65536, &limits, &e), 0);
	long soft = -1;
	assert_int_equal(
		sscanf(strstr(limits.data, "Max core file size"), "Max core file size %ld", &soft),
		1);
	assert_int_equal(soft, 0);
	stop_keyd(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_while_the_key_file_is_gone),
		cmocka_unit_test(reads_the_place_of_the_key_from_the_home),
		cmocka_unit_test(reads_its_node_from_the_home),
		cmocka_unit_test(remembers_the_end_mark),
		cmocka_unit_test(without_a_place_for_the_end_mark_it_does_not_start),
#ifdef HF_FAULTS
		cmocka_unit_test(an_end_mark_that_could_not_be_written_is_written_later),
#endif
		cmocka_unit_test(without_a_key_it_says_what_to_do),
		cmocka_unit_test(bad_clients_lose_only_their_connection),
		cmocka_unit_test(who_does_not_read_blocks_nobody),
		cmocka_unit_test(no_more_clients_than_places),
		cmocka_unit_test(ends_with_its_supervisor),
		cmocka_unit_test(its_doors_are_shut),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, begin, finish);
}
