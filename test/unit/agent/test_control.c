/* SPDX-License-Identifier: Apache-2.0
 *
 * The door of the agent: who asks gets an answer or the agent's own error; what is malformed does no harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent/control.h"
#include "agent/orderer.h"
#include "base/pidfile.h"

#define TURN_MS 1000
#define LOOK_MS 10000

static char dir[64];
static struct home home;
static struct settings settings;
static struct control *control;

/* What the loop is told. */
static char ordered[64];

/* A rejoin that lasts as long as the test wants. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool runs, may_end;
} rejoin = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false };

static void
last_long(void)
{
	pthread_mutex_lock(&rejoin.lock);
	rejoin.runs = true;
	pthread_cond_broadcast(&rejoin.changed);
	while (!rejoin.may_end)
		pthread_cond_wait(&rejoin.changed, &rejoin.lock);
	pthread_mutex_unlock(&rejoin.lock);
}

static int
take_order(void *ctx, const char *verb, const char *node, struct buf *ret_text, struct err *e)
{
	if (strcmp(verb, "rejoin") == 0) {
		last_long();
		return 0;
	}
	if (strcmp(verb, "switchover") == 0)
		return 0;
	if (strcmp(verb, "promote") != 0)
		return err_set(e, ERR_USAGE, "the agent knows no command \"%s\"", verb);
	snprintf(ctx, sizeof(ordered), "%s %s", verb, node);
	return 0;
}

static int
prove(void *ctx, const struct orderer_claim *c, struct err *e)
{
	return strcmp(c->password, "right") == 0
		       ? 0
		       : err_set(e, ERR_BAD_LOGIN, "the password is wrong");
}

static int
start(void **ctx)
{
	char path[HOME_PATH_MAX];
	struct home_node node = { .id = { .b = { 1 } }, .name = "a.example" };
	struct err e;
	int fds[2];

	snprintf(dir, sizeof(dir), "/tmp/hf-control-XXXXXX");
	if (!mkdtemp(dir) || home_open(&home, dir, &e) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		return -1;
	home_path(&home, HOME_RUN, path);
	if (home_mkdirs(path, 0700, &e))
		return -1;
	snprintf(path, sizeof(path), "%s/conf", dir);
	if (home_mkdirs(path, 0700, &e) || home_node_write(&home, &node, &e))
		return -1;
	settings_defaults(&settings);
	close(fds[1]); /* no key process: nothing here gets so far as to need one */
	struct control_options o = {
		.home = &home,
		.settings = &settings,
		.keys_fd = fds[0],
		.order = take_order,
		.prove = prove,
		.ctx = ordered,
		.turn_ms = TURN_MS,
	};
	return control_new(&o, &control, &e);
}

static int
stop(void **ctx)
{
	struct err e;

	control_free(control);
	return home_remove_tree(dir, &e);
}

static int
ask(const char *request, struct err *e)
{
	auto_buf path = BUF_INIT;

	*e = (struct err){ 0 };
	int rc = control_ask(&home, request, NULL, NULL, &path, e);
	assert_true(rc < 0);
	assert_true(e->text[0]);
	return rc;
}

static void
the_socket_is_private(void **ctx)
{
	char path[HOME_PATH_MAX];
	struct stat st;

	home_path(&home, HOME_AGENT_SOCK, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* Whoever a process of the node is or began gives no operator's commands: what parses the network could be anybody's. */
static void
processes_of_the_node_order_nothing(void **ctx)
{
	static const char *const plain[] = { "{\"verb\":\"promote\"}", "{\"verb\":\"switchover\"}",
					     "{\"verb\":\"others\"}" };
	int status;

	ordered[0] = '\0';
	pid_t child = fork();
	if (child ==
	    0) { /* the agent's sibling, as far as it can tell: both are below this process' parent */
		auto_buf path = BUF_INIT;
		struct err e;
		int bad = 0;

		for (size_t i = 0; i < ARRAY_LEN(plain); i++)
			bad += control_ask(&home, plain[i], NULL, NULL, &path, &e) != ERR_FORBIDDEN;
		_exit(bad);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_string_equal(ordered, "");
}

/* From the console an order comes with who gives it, and whoever cannot prove that gives none. */
static void
an_order_of_the_console_is_proven(void **ctx)
{
#define ORDERED(user, password)                                                                    \
	"{\"verb\":\"ordered\",\"order\":\"promote\",\"user\":\"" user                             \
	"\",\"password\":\"" password "\"}"
	auto_buf path = BUF_INIT;
	struct err e;

	ordered[0] = '\0';
	assert_int_equal(ask("{\"verb\":\"ordered\",\"order\":\"promote\"}", &e), ERR_USAGE);
	assert_int_equal(ask(ORDERED("nobody", "right"), &e), ERR_USAGE);
	assert_int_equal(ask(ORDERED("01890a5d-ac96-774b-bcce-b302099a8057", "wrong"), &e),
			 ERR_BAD_LOGIN);
	assert_string_equal(ordered, "");
	assert_int_equal(control_ask(&home,
				     ORDERED("01890a5d-ac96-774b-bcce-b302099a8057", "right"), NULL,
				     NULL, &path, &e),
			 0);
	assert_string_equal(ordered, "promote ");
}

static void
errors_come_back_as_they_were(void **ctx)
{
	struct err e;

	assert_int_equal(
		ask("{\"verb\":\"setup\",\"primary\":\"b.example\",\"secondary\":\"c.example\"}",
		    &e),
		ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "a.example"));
	assert_int_equal(
		ask("{\"verb\":\"setup\",\"primary\":\"a.example\",\"secondary\":\"a.example\"}",
		    &e),
		ERR_USAGE);
	assert_int_equal(
		ask("{\"verb\":\"setup\",\"primary\":\"a.example\",\"secondary\":\"../x\"}", &e),
		ERR_USAGE);
	assert_int_equal(ask("{\"verb\":\"explode\",\"primary\":\"\",\"secondary\":\"\"}", &e),
			 ERR_BAD_FIELD);
	assert_int_equal(ask("{\"verb\":\"explode\"}", &e), ERR_USAGE);
}

static void
orders_go_to_the_loop(void **ctx)
{
	auto_buf path = BUF_INIT;
	struct err e;

	assert_int_equal(control_ask(&home, "{\"verb\":\"promote\",\"node\":\"b.example\"}", NULL,
				     NULL, &path, &e),
			 0);
	assert_string_equal(ordered, "promote b.example");
}

static void
malformed_requests_do_no_harm(void **ctx)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"x",
		"{\"verb\":1}",
		"{\"verb\":\"setup\"}",
		"{\"verb\":\"setup\",\"primary\":\"a\",\"secondary\":\"b\",\"more\":1}",
		"{\"verb\":\"setup\",\"primary\":\"a\",\"secondary\":\"b\",\"https_port\":70000}"
	};
	struct err e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ask(bad[i], &e);
	/* Longer than a line may be: the agent hangs up, and serves the next. */
	char *huge = calloc(1, 2 * ASK_LINE_MAX);
	memset(huge, ' ', 2 * ASK_LINE_MAX - 1);
	assert_int_equal(ask(huge, &e), ERR_UNREACHABLE);
	free(huge);
	assert_int_equal(ask("{\"verb\":\"explode\",\"primary\":\"\",\"secondary\":\"\"}", &e),
			 ERR_BAD_FIELD);
	assert_int_equal(ask("{\"verb\":\"explode\"}", &e), ERR_USAGE);
}

static void
no_agent_is_said(void **ctx)
{
	struct home other = home;
	struct err e = { 0 };
	auto_buf path = BUF_INIT;

	strcat(other.dir, "/conf");
	assert_int_equal(control_ask(&other, "{}", NULL, NULL, &path, &e), ERR_UNREACHABLE);
	assert_non_null(strstr(e.text, "holdfast serve"));
}

/* Who finds no agent looks whether the node runs; then the file that says so is opened. */
static int looked;

static void
wait_for_a_look(void)
{
	struct pollfd p = { .fd = looked, .events = POLLIN };

	if (poll(&p, 1, LOOK_MS) != 1)
		abort();
}

/* The agent of a node whose supervisor has just started it again. */
static void *
start_when_missed(void *arg)
{
	static struct control *late;
	struct err e;
	int fds[2];

	wait_for_a_look();
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		abort();
	struct control_options o = { .home = arg,
				     .settings = &settings,
				     .keys_fd = fds[0],
				     .order = take_order,
				     .ctx = ordered };
	if (control_new(&o, &late, &e))
		abort();
	close(fds[1]);
	return NULL;
}

static void
an_agent_that_starts_again_is_waited_for(void **ctx)
{
	struct home other = home;
	struct err e = { 0 };
	auto_buf path = BUF_INIT;
	char run[HOME_PATH_MAX], pid[HOME_PATH_MAX];
	pthread_t starter;
	int served;

	strcat(other.dir, "/conf");
	home_path(&other, HOME_RUN, run);
	assert_int_equal(home_mkdirs(run, 0700, &e), 0);
	assert_int_equal(pidfile_claim(&other, &served, &e), 0);
	home_path(&other, HOME_PID, pid);
	looked = inotify_init1(IN_CLOEXEC);
	assert_true(looked >= 0 && inotify_add_watch(looked, pid, IN_OPEN) >= 0);
	assert_int_equal(pthread_create(&starter, NULL, start_when_missed, &other), 0);
	int rc = control_ask(&other, "{\"verb\":\"promote\",\"node\":\"late.example\"}", NULL, NULL,
			     &path, &e);
	pthread_join(starter, NULL);
	close(looked);
	close(served);
	assert_int_equal(rc, 0);
	assert_string_equal(ordered, "promote late.example");
}

/* ---- one in the way of another ---- */

static void *
order_a_long_one(void *arg)
{
	auto_buf path = BUF_INIT;
	struct err e = { 0 };

	*(int *)arg = control_ask(&home, "{\"verb\":\"rejoin\"}", NULL, NULL, &path, &e);
	return NULL;
}

static pthread_t
begin_long(int *ret_rc)
{
	pthread_t t;

	rejoin.runs = rejoin.may_end = false;
	assert_int_equal(pthread_create(&t, NULL, order_a_long_one, ret_rc), 0);
	pthread_mutex_lock(&rejoin.lock);
	while (!rejoin.runs)
		pthread_cond_wait(&rejoin.changed, &rejoin.lock);
	pthread_mutex_unlock(&rejoin.lock);
	return t;
}

static void
end_long(void)
{
	pthread_mutex_lock(&rejoin.lock);
	rejoin.may_end = true;
	pthread_cond_broadcast(&rejoin.changed);
	pthread_mutex_unlock(&rejoin.lock);
}

/* H4, H14: whatever runs. */
static void
a_promotion_waits_for_nobody(void **ctx)
{
	auto_buf path = BUF_INIT;
	struct err e = { 0 };
	int rc = -1;
	pthread_t t = begin_long(&rc);

	assert_int_equal(control_ask(&home, "{\"verb\":\"promote\",\"node\":\"now.example\"}", NULL,
				     NULL, &path, &e),
			 0);
	assert_string_equal(ordered, "promote now.example");
	end_long();
	pthread_join(t, NULL);
	assert_int_equal(rc, 0);
}

struct said {
	char text[500];
	bool lets_go; /* ends the long one */
};

static void
note_and_let_go(void *ctx, const char *text, int percent)
{
	struct said *s = ctx;

	snprintf(s->text, sizeof(s->text), "%s", text);
	if (s->lets_go)
		end_long();
}

static void
what_is_waited_for_is_said(void **ctx)
{
	auto_buf path = BUF_INIT;
	struct said s = { .lets_go = true };
	struct err e = { 0 };
	int rc = -1;
	pthread_t t = begin_long(&rc);

	assert_int_equal(
		control_ask(&home, "{\"verb\":\"switchover\"}", note_and_let_go, &s, &path, &e), 0);
	assert_non_null(strstr(s.text, "`holdfast ha rejoin` is running"));
	pthread_join(t, NULL);
	assert_int_equal(rc, 0);
}

static void
waiting_for_another_has_an_end(void **ctx)
{
	auto_buf path = BUF_INIT;
	struct said s = { 0 };
	struct err e = { 0 };
	int rc = -1;
	pthread_t t = begin_long(&rc);

	assert_int_equal(
		control_ask(&home, "{\"verb\":\"switchover\"}", note_and_let_go, &s, &path, &e),
		ERR_REFUSED);
	assert_non_null(strstr(e.text, "`holdfast ha rejoin` is still running"));
	assert_non_null(strstr(e.text, "nothing was done"));
	end_long();
	pthread_join(t, NULL);
	assert_int_equal(rc, 0);
}

/* Whoever has gone wants nothing any more. */
static void
who_hangs_up_while_waiting_is_forgotten(void **ctx)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	static const char order[] = "{\"verb\":\"remove\",\"node\":\"gone.example\"}\n";
	char path[HOME_PATH_MAX];
	struct err e = { 0 };
	auto_buf text = BUF_INIT;
	int rc = -1, fd = socket(AF_UNIX, SOCK_STREAM, 0);
	pthread_t t = begin_long(&rc);
	char byte;

	home_path(&home, HOME_AGENT_SOCK, path);
	assert_true(strlen(path) < sizeof(a.sun_path));
	memcpy(a.sun_path, path, strlen(path) + 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(write(fd, order, strlen(order)), (int)strlen(order));
	assert_int_equal(read(fd, &byte, 1), 1); /* it is told that it waits */
	close(fd);
	/* The turn of those who wait for the operator's orders stays free. */
	snprintf(ordered, sizeof(ordered), "none");
	assert_int_equal(ask("{\"verb\":\"emergency\"}", &e), ERR_USAGE);
	end_long();
	pthread_join(t, NULL);
	assert_int_equal(control_ask(&home, "{\"verb\":\"switchover\"}", NULL, NULL, &text, &e), 0);
	assert_string_equal(ordered, "none");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_socket_is_private),
		cmocka_unit_test(processes_of_the_node_order_nothing),
		cmocka_unit_test(an_order_of_the_console_is_proven),
		cmocka_unit_test(errors_come_back_as_they_were),
		cmocka_unit_test(orders_go_to_the_loop),
		cmocka_unit_test(malformed_requests_do_no_harm),
		cmocka_unit_test(no_agent_is_said),
		cmocka_unit_test(an_agent_that_starts_again_is_waited_for),
		cmocka_unit_test(a_promotion_waits_for_nobody),
		cmocka_unit_test(what_is_waited_for_is_said),
		cmocka_unit_test(waiting_for_another_has_an_end),
		cmocka_unit_test(who_hangs_up_while_waiting_is_forgotten),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, start, stop);
}
