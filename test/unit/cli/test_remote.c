/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/home.h"
#include "base/json_out.h"
#include "cli/frame/remote.h"
#include "http/listener.h"

#define ERROR(code) "{\"error\":{\"code\":\"" code "\",\"message\":\"public\",\"detail\":\"why\"}}"

static struct fake a, b;

static int
start(void **state)
{
	fake_start(&a, 200, "{\"from\":\"a\"}");
	fake_start(&b, 200, "{\"from\":\"b\"}");
	const struct session_node nodes[] = { { a.port, a.pair.cert.data },
					      { b.port, b.pair.cert.data } };
	session_write(nodes, 2);
	return 0;
}

static int
stop(void **state)
{
	fake_stop(&a);
	fake_stop(&b);
	session_remove();
	return 0;
}

static struct remote *
opened(void)
{
	struct remote *r = NULL;
	struct err e = { 0 };

	assert_int_equal(remote_open(&r, &e), 0);
	return r;
}

/* The node that answered, "" and *ret_e when none did. */
static const char *
call(struct remote *r, enum remote_kind kind, struct err *ret_e)
{
	static char from[8];
	auto_json o = NULL;
	int rc;

	*ret_e = (struct err){ 0 };
	rc = remote_call(r, kind, kind == REMOTE_READ ? "GET" : "POST", "/v1/x",
			 kind == REMOTE_READ ? NULL : "{}", &o, ret_e);
	assert_int_equal(rc, ret_e->code);
	snprintf(from, sizeof(from), "%s", rc ? "" : json_string_value(json_object_get(o, "from")));
	return from;
}

static void
test_asks_one_node(void **state)
{
	auto_remote r = opened();
	struct err e;

	assert_string_equal(call(r, REMOTE_READ, &e), "a");
	assert_string_equal(call(r, REMOTE_WRITE, &e), "a");
	assert_string_equal(a.bearer, "the-token");
	assert_string_equal(remote_mode(r), "primary");
	assert_string_equal(remote_user(r), "ada");
	assert_int_equal(atomic_load(&a.asked), 2);
	assert_int_equal(atomic_load(&b.asked), 0);
}

static void
test_turns_to_the_next_when_refused(void **state)
{
	struct err e;
	int64_t begun = clock_mono_ms();

	fake_stop_server(&a);
	{
		auto_remote r = opened();
		assert_string_equal(call(r, REMOTE_READ, &e), "b");
		assert_string_equal(call(r, REMOTE_WRITE, &e), "b");
		assert_string_equal(call(r, REMOTE_READ, &e), "b");
	}
	assert_true(clock_mono_ms() - begun < 4500);
	/* The next command begins where the last one ended. */
	auto_buf text = BUF_INIT;
	assert_int_equal(home_read_file(session_path(), 1 << 20, &text, &e), 0);
	assert_non_null(strstr(buf_str(&text), "\"last\": 1"));
	struct stat st;
	assert_int_equal(stat(session_path(), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* A node that answers that it does not serve is as good as none. */
static void
test_turns_to_the_next_when_told(void **state)
{
	static const struct fake_answer refusals[] = {
		{ NULL, 307, ERROR("standby"), "standby", NULL },
		{ NULL, 503, ERROR("not_serving"), "primary", NULL },
		{ NULL, 503, ERROR("db_gone"), "primary", NULL },
		{ NULL, 503, ERROR("keys_unavailable"), "primary", NULL },
		{ NULL, 503, ERROR("log_unwritable"), "primary", NULL },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		a.answers[0] = refusals[i];
		unsigned before = atomic_load(&a.asked);
		const struct session_node nodes[] = { { a.port, a.pair.cert.data },
						      { b.port, b.pair.cert.data } };
		session_write(nodes, 2);
		auto_remote r = opened();
		assert_string_equal(call(r, i % 2 ? REMOTE_READ : REMOTE_WRITE, &e), "b");
		assert_int_equal(atomic_load(&a.asked), before + 1);
	}
}

/* A node whose database stands still: the other one has all of it to read. */
static void
test_a_read_that_takes_too_long_is_put_to_the_next(void **state)
{
	struct err e;

	for (enum remote_kind kind = REMOTE_READ; kind <= REMOTE_WRITE; kind++) {
		a.answers[0] = (struct fake_answer){ NULL, 504, ERROR("timeout"), "primary", NULL };
		const struct session_node nodes[] = { { a.port, a.pair.cert.data },
						      { b.port, b.pair.cert.data } };
		session_write(nodes, 2);
		auto_remote r = opened();
		assert_string_equal(call(r, kind, &e), kind == REMOTE_READ ? "b" : "");
		assert_int_equal(e.code, kind == REMOTE_READ ? 0 : ERR_TIMEOUT);
	}
}

/* The token goes to the nodes of the session and to no address that somebody names; a node that is gone may have another port (test/it/test_moved.py). */
static void
test_follows_nobody(void **state)
{
	struct fake elsewhere;
	struct err e;
	char url[64];

	fake_start(&elsewhere, 200, "{\"from\":\"elsewhere\"}");
	snprintf(url, sizeof(url), "https://localhost:%u/v1/x", elsewhere.port);
	a.answers[0] = (struct fake_answer){ NULL, 307, ERROR("standby"), "standby", url };
	auto_remote r = opened();
	assert_string_equal(call(r, REMOTE_READ, &e), "b");
	assert_int_equal(atomic_load(&elsewhere.asked), 0);
	fake_stop(&elsewhere);
}

/* What a node says is handed on: nobody else is asked. */
static void
test_hands_on_what_a_node_says(void **state)
{
	static const struct {
		int status;
		const char *body;
		int code;
		const char *text;
	} rows[] = {
		{ 404, ERROR("not_found"), ERR_NOT_FOUND, "why" },
		{ 409, ERROR("version_conflict"), ERR_VERSION_CONFLICT, "why" },
		{ 401,
		  "{\"error\":{\"code\":\"bad_login\",\"message\":\"public\",\"detail\":null}}",
		  ERR_BAD_LOGIN, "public" },
		{ 429, ERROR("locked_out"), ERR_LOCKED_OUT, "why" },
		{ 500, ERROR("of the future"), ERR_INTERNAL, "500" },
		{ 500, "no JSON", ERR_INTERNAL, "500" },
		{ 418, "[]", ERR_INTERNAL, "418" },
	};
	auto_remote r = opened();
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		a.answers[0] =
			(struct fake_answer){ NULL, rows[i].status, rows[i].body, "primary", NULL };
		assert_string_equal(call(r, REMOTE_READ, &e), "");
		assert_int_equal(e.code, rows[i].code);
		assert_non_null(strstr(e.text, rows[i].text));
	}
	a.answers[0] = (struct fake_answer){ NULL, 200, "{\"from\":", "primary", NULL };
	assert_string_equal(call(r, REMOTE_READ, &e), "");
	assert_int_equal(e.code, ERR_BAD_JSON);
	assert_int_equal(atomic_load(&b.asked), 0);
}

/* A connection that broke: a read is put to the next node, a write that may have been done is not. */
static void
test_a_write_is_not_done_twice(void **state)
{
	unsigned port;
	struct mute *m = mute_start(&a.pair, &port);
	const struct session_node nodes[] = { { port, a.pair.cert.data },
					      { b.port, b.pair.cert.data } };
	struct err e;

	session_write(nodes, 2);
	{
		auto_remote r = opened();
		assert_string_equal(call(r, REMOTE_WRITE, &e), "");
		assert_int_equal(e.code, ERR_UNREACHABLE);
		assert_non_null(strstr(e.text, "not known whether"));
		assert_int_equal(atomic_load(&b.asked), 0);
	}
	auto_remote r = opened();
	assert_string_equal(call(r, REMOTE_READ, &e), "b");
	assert_int_equal(mute_stop(m), 2);
}

/* Nothing of it went out: the node cannot have done it. */
static void
test_a_write_that_never_left_is_put_to_the_next(void **state)
{
	unsigned port;
	struct mute *m = mute_start(NULL, &port);
	const struct session_node nodes[] = { { port, a.pair.cert.data },
					      { b.port, b.pair.cert.data } };
	struct err e;

	session_write(nodes, 2);
	auto_remote r = opened();
	assert_string_equal(call(r, REMOTE_WRITE, &e), "b");
	assert_int_equal(atomic_load(&b.asked), 1);
	assert_int_equal(mute_stop(m), 1);
}

/* Who shows another certificate gets no token, and is not waited for when there is nobody else. */
static void
test_who_is_not_trusted(void **state)
{
	const struct session_node one[] = { { a.port, b.pair.cert.data } };
	const struct session_node two[] = { { a.port, b.pair.cert.data },
					    { b.port, b.pair.cert.data } };
	int64_t begun = clock_mono_ms();
	struct err e;

	session_write(one, 1);
	for (int kind = REMOTE_READ; kind <= REMOTE_WRITE; kind++) {
		auto_remote r = opened();
		assert_string_equal(call(r, kind, &e), "");
		assert_int_equal(e.code, ERR_UNTRUSTED);
		assert_non_null(strstr(e.text, "not trusted"));
	}
	assert_true(clock_mono_ms() - begun < 4500);
	session_write(two, 2);
	for (int kind = REMOTE_READ; kind <= REMOTE_WRITE; kind++) {
		auto_remote r = opened();
		assert_string_equal(call(r, kind, &e), "b");
	}
	assert_int_equal(atomic_load(&a.asked), 0);
}

static void
test_one_node_that_is_down(void **state)
{
	const struct session_node one[] = { { a.port, a.pair.cert.data } };
	int64_t begun = clock_mono_ms();
	struct err e;

	session_write(one, 1);
	fake_stop_server(&a);
	auto_remote r = opened();
	assert_string_equal(call(r, REMOTE_READ, &e), "");
	assert_int_equal(e.code, ERR_UNREACHABLE);
	assert_in_range(clock_mono_ms() - begun, 3000, 30000);
}

/* In emergency a change waits a little for the primary; then the reason comes, not "unreachable". */
static void
test_a_change_in_emergency(void **state)
{
	struct err e;

	fake_stop_server(&a);
	b.answers[0] =
		(struct fake_answer){ NULL, 403, ERROR("emergency_read_only"), "emergency", NULL };
	auto_remote r = opened();
	assert_string_equal(call(r, REMOTE_WRITE, &e), "");
	assert_int_equal(e.code, ERR_EMERGENCY_READ_ONLY);
}

static void
test_adopt(void **state)
{
	struct err e = { 0 };
	char url[64];
	json_error_t je;

	snprintf(url, sizeof(url), "https://localhost:%u", a.port);
	{
		auto_remote r = remote_new(url, REMOTE_PIN, a.pair.cert.data);
		auto_json login = json_pack(
			"{s:s s:{s:s} s:[{s:s s:i s:n} {s:s s:i s:s} {s:s s:i s:s} {s:s s:i} "
			"{s:i}]}",
			"token", "fresh-token", "user", "name", "bob", "nodes", /* itself */
			"name", "localhost", "https_port", (int)a.port, "web_cert", "name",
			"b.example", "https_port", 7272, "web_cert", "PEM of b", "name",
			"2001:db8::1", "https_port", 7272, "web_cert", "PEM of c", "name",
			"no port", "https_port", 70000, "https_port", 1);
		assert_non_null(login);
		assert_int_equal(remote_adopt(r, login, &e), 0);
		assert_string_equal(remote_user(r), "bob");
	}
	auto_json o = json_load_file(session_path(), 0, &je);
	json_t *nodes = json_object_get(o, "nodes");
	assert_int_equal(json_array_size(nodes), 3);
	const char *urls[] = { url, "https://b.example:7272", "https://[2001:db8::1]:7272" };
	const char *certs[] = { "", "PEM of b", "PEM of c" };
	assert_string_equal(json_string_value(json_object_get(o, "pin")), a.pair.cert.data);
	for (size_t i = 0; i < 3; i++) {
		json_t *n = json_array_get(nodes, i);
		assert_string_equal(json_string_value(json_object_get(n, "url")), urls[i]);
		assert_string_equal(json_string_value(json_object_get(n, "cert")), certs[i]);
	}
	auto_remote r = opened();
	assert_string_equal(call(r, REMOTE_READ, &e), "a");
	assert_string_equal(a.bearer, "fresh-token");

	auto_remote none = remote_new(url, REMOTE_PIN, a.pair.cert.data);
	auto_json empty = json_object();
	assert_int_equal(remote_adopt(none, empty, &e), ERR_BAD_JSON);
}

/* What the user named counts for every node, whatever the vault says that it shows. */
static void
test_an_authority_is_trusted_for_all(void **state)
{
	struct pair ca, of_a, of_b;
	struct err e = { 0 };
	char url[64];

	pair_make(&ca, "Internal CA", true, NULL, 30);
	pair_make(&of_a, "localhost", false, &ca, 30);
	pair_make(&of_b, "localhost", false, &ca, 30);
	struct fake x, y;
	fake_start_as(&x, &of_a, "{\"from\":\"x\"}");
	fake_start_as(&y, &of_b, "{\"from\":\"y\"}");
	snprintf(url, sizeof(url), "https://localhost:%u", x.port);
	{
		auto_remote r = remote_new(url, REMOTE_AUTHORITY, ca.cert.data);
		/* y is said to show what it showed before it got a certificate of the authority. */
		auto_json login =
			json_pack("{s:s s:{s:s} s:[{s:s s:i s:s}]}", "token", "t", "user", "name",
				  "bob", "nodes", "name", "localhost", "https_port", (int)y.port,
				  "web_cert", b.pair.cert.data);
		assert_int_equal(remote_adopt(r, login, &e), 0);
	}
	fake_stop_server(&x);
	auto_remote r = opened();
	assert_string_equal(call(r, REMOTE_READ, &e), "y");
	fake_stop(&x);
	fake_stop(&y);
	pair_done(&ca);
}

/* An answer says that the nodes are others than before: they are asked for, and kept. */
static void
test_an_answer_tells_of_the_nodes(void **state)
{
	const struct session_node one[] = { { a.port, a.pair.cert.data } };
	auto_buf nodes = BUF_INIT;
	struct json_out w;
	struct err e;

	json_out_init(&w, &nodes);
	json_out_object(&w, NULL);
	json_out_array(&w, "nodes");
	for (int i = 0; i < 2; i++) {
		json_out_object(&w, NULL);
		json_out_text(&w, "name", "localhost");
		json_out_int(&w, "https_port", i ? b.port : a.port);
		json_out_text(&w, "web_cert", i ? b.pair.cert.data : a.pair.cert.data);
		json_out_end_object(&w);
	}
	json_out_end_array(&w);
	json_out_end_object(&w);
	a.answers[0] = (struct fake_answer){ "/v1/x", 200, "{\"from\":\"a\"}", "primary", NULL };
	a.answers[1] = (struct fake_answer){ NULL, 200, buf_str(&nodes), "primary", NULL };
	a.answers[0].nodes = a.answers[1].nodes = "00000000000000ab";
	session_write(one, 1);
	for (int i = 0; i < 2; i++) { /* asked for once */
		auto_remote r = opened();
		assert_string_equal(call(r, REMOTE_READ, &e), "a");
		assert_int_equal(atomic_load(&a.asked), 2 + i);
	}
	fake_stop_server(&a);
	auto_remote r = opened();
	assert_string_equal(call(r, REMOTE_READ, &e), "b");
	assert_string_equal(b.bearer, "the-token");
}

/* An answer names the vault's authority: whoever confirmed one certificate knows the next by it, and other nodes too, shown as what they were. */
static void
test_an_answer_tells_of_the_authority(void **state)
{
	struct pair ca, of_x;
	struct fake x;
	struct err e;

	pair_make(&ca, "Holdfast vault", true, NULL, 30);
	pair_make(&of_x, "localhost", false, &ca, 30);
	fake_start_as(&x, &of_x, "{\"from\":\"x\"}");
	const struct session_node one[] = { { a.port, a.pair.cert.data } };
	auto_json told = json_pack("{s:s s:[{s:s s:i s:s} {s:s s:i s:s}]}", "authority",
				   ca.cert.data, "nodes", "name", "localhost", "https_port",
				   (int)a.port, "web_cert", a.pair.cert.data, "name", "localhost",
				   "https_port", (int)x.port, "web_cert", b.pair.cert.data);
	auto_buf text = BUF_INIT;
	assert_int_equal(remote_json_text(told, 0, &text), 0);
	a.answers[0] = (struct fake_answer){ "/v1/x", 200, "{\"from\":\"a\"}", "primary", NULL };
	a.answers[1] = (struct fake_answer){ NULL, 200, buf_str(&text), "primary", NULL };
	a.answers[0].nodes = a.answers[1].nodes = "00000000000000cd";
	session_write(one, 1);
	{
		auto_remote r = opened();
		assert_string_equal(call(r, REMOTE_READ, &e), "a");
	}
	fake_stop_server(&a);
	auto_remote r = opened();
	assert_string_equal(call(r, REMOTE_READ, &e), "x");
	fake_stop(&x);
	pair_done(&ca);
}

/* A failure names each node that was asked, and why. */
static void
test_a_failure_names_each_node(void **state)
{
	struct pair over;
	struct fake late;
	char text[64];
	struct err e;

	pair_make(&over, "localhost", false, NULL, -1);
	fake_start_as(&late, &over, "{\"from\":\"late\"}");
	const struct session_node nodes[] = { { a.port, b.pair.cert.data },
					      { late.port, late.pair.cert.data } };
	session_write(nodes, 2);
	auto_remote r = opened();
	assert_string_equal(call(r, REMOTE_READ, &e), "");
	assert_int_equal(e.code, ERR_UNTRUSTED);
	snprintf(text, sizeof(text), "https://localhost:%u is not trusted", a.port);
	assert_non_null(strstr(e.text, text));
	snprintf(text, sizeof(text), "https://localhost:%u has a certificate that is out of date",
		 late.port);
	assert_non_null(strstr(e.text, text));
	assert_non_null(strstr(e.text, "it expired on 20"));
	assert_int_equal(atomic_load(&a.asked) + atomic_load(&late.asked), 0);
	fake_stop(&late);
}

static void
test_adopt_more_nodes_than_anybody_has(void **state)
{
	struct err e = { 0 };
	auto_remote r = remote_new("https://localhost:1", REMOTE_PIN, "PEM");
	auto_json login =
		json_pack("{s:s s:{s:s} s:[]}", "token", "t", "user", "name", "bob", "nodes");

	for (int i = 0; i < 40; i++)
		json_array_append_new(json_object_get(login, "nodes"),
				      json_pack("{s:s s:i}", "name", "x", "https_port", 1000 + i));
	assert_int_equal(remote_adopt(r, login, &e), 0);
	auto_remote again = opened();
	assert_string_equal(remote_user(again), "bob");
}

static void
test_session_files_that_are_none(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"null",
		"{\"token\":\"t\"}",
		"{\"token\":\"t\",\"user\":\"u\"}",
		"{\"token\":\"t\",\"user\":\"u\",\"nodes\":[]}",
		"{\"token\":\"t\",\"user\":\"u\",\"nodes\":[{\"url\":\"http://"
		"plain\",\"cert\":\"\"}]}",
		"{\"token\":\"t\",\"token\":\"t\",\"user\":\"u\",\"nodes\":[{\"url\":\"https://"
		"x\"}]}",
	};
	struct remote *r = NULL;
	struct err e = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(
			home_write_file(session_path(), texts[i], strlen(texts[i]), 0600, &e), 0);
		assert_int_equal(remote_open(&r, &e), ERR_BAD_JSON);
		assert_null(r);
	}
	assert_int_equal(remote_forget(&e), 0);
	assert_int_equal(remote_forget(&e), 0);
	assert_int_equal(remote_open(&r, &e), ERR_UNAUTHENTICATED);
	assert_non_null(strstr(e.text, "holdfast login"));
}

static void
test_where_the_session_is(void **state)
{
	auto_buf p = BUF_INIT;
	struct err e = { 0 };
	char *home = strdup(getenv("HOME") ? getenv("HOME") : "/");
	char *session = strdup(getenv("HOLDFAST_SESSION"));

	unsetenv("HOLDFAST_SESSION");
	setenv("HOME", "/home/ada", 1);
	setenv("XDG_CONFIG_HOME", "relative", 1);
	assert_int_equal(remote_session_path(&p, &e), 0);
	assert_string_equal(buf_str(&p), "/home/ada/.config/holdfast/session.json");
	setenv("XDG_CONFIG_HOME", "/conf", 1);
	buf_reset(&p);
	assert_int_equal(remote_session_path(&p, &e), 0);
	assert_string_equal(buf_str(&p), "/conf/holdfast/session.json");
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("HOME");
	buf_reset(&p);
	assert_int_equal(remote_session_path(&p, &e), ERR_PRECONDITION);
	setenv("HOME", home, 1);
	setenv("HOLDFAST_SESSION", session, 1);
	free(home);
	free(session);
}

/* What was printed on standard error during a call. */
static void
call_hearing(enum remote_kind kind, struct err *ret_e, char *ret, size_t room, int64_t *ret_ms)
{
	int saved = dup(STDERR_FILENO), pipes[2];
	int64_t begun = clock_mono_ms();

	assert_int_equal(pipe(pipes), 0);
	fflush(stderr);
	dup2(pipes[1], STDERR_FILENO);
	close(pipes[1]);
	{
		auto_remote r = opened();
		call(r, kind, ret_e);
	}
	*ret_ms = clock_mono_ms() - begun;
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	ssize_t n = read(pipes[0], ret, room - 1);
	ret[n > 0 ? n : 0] = '\0';
	close(pipes[0]);
}

/* H5: an outage that goes on refuses a change at once; a new one is waited for, and that is said. */
static void
test_a_change_in_a_lasting_emergency(void **state)
{
	const struct session_node nodes[] = { { a.port, a.pair.cert.data },
					      { b.port, b.pair.cert.data } };
	struct err e;
	char said[2048];
	int64_t ms;

	fake_stop_server(&a);
	b.answers[0] = (struct fake_answer){ NULL,	  403,	ERROR("emergency_read_only"),
					     "emergency", NULL, "3600" };
	session_write(nodes, 2);
	call_hearing(REMOTE_WRITE, &e, said, sizeof(said), &ms);
	assert_int_equal(e.code, ERR_EMERGENCY_READ_ONLY);
	assert_true(ms < 5500);
	assert_int_equal(atomic_load(&b.asked), 1);

	b.answers[0].emergency_s = "2";
	session_write(nodes, 2);
	call_hearing(REMOTE_WRITE, &e, said, sizeof(said), &ms);
	assert_int_equal(e.code, ERR_EMERGENCY_READ_ONLY);
	assert_true(ms > 3000 && atomic_load(&b.asked) > 2);
	assert_non_null(strstr(said, "refuses connections"));
	assert_non_null(strstr(said, "gives emergency access"));
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1); /* one line */
}

/* Who waits alone for a node is told whom for. */
static void
test_a_wait_is_said_once(void **state)
{
	const struct session_node nodes[] = { { a.port, a.pair.cert.data } };
	struct err e;
	char said[2048], url[64];
	int64_t ms;

	fake_stop_server(&a);
	session_write(nodes, 1);
	call_hearing(REMOTE_READ, &e, said, sizeof(said), &ms);
	assert_int_equal(e.code, ERR_UNREACHABLE);
	snprintf(url, sizeof(url), "https://localhost:%u refuses connections\n", a.port);
	assert_non_null(strstr(said, url));
	assert_true(strncmp(said, "waiting: ", 9) == 0);
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
}

/* No answer that can be waited for: it says what to do, at once. */
static void
test_a_wrong_certificate_is_not_silence(void **state)
{
	const struct session_node nodes[] = { { a.port, b.pair.cert.data } };
	struct err e;
	char said[2048];
	int64_t ms;

	session_write(nodes, 1);
	call_hearing(REMOTE_READ, &e, said, sizeof(said), &ms);
	assert_int_equal(e.code, ERR_UNTRUSTED);
	assert_non_null(strstr(e.text, "holdfast login"));
	assert_string_equal(said, "");
	assert_int_equal(atomic_load(&a.asked), 0);
}

/* ---- a slow line: what arrives is handed on only LINE_MS after the connection was begun ---- */

#define LINE_MS 900 /* more than the first attempt of a handshake gets */

struct line {
	int fd;
	unsigned to;
	pthread_t thread;
};

static int
connected_to(unsigned port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* Until one side ends. */
static void
hand_on(int x, int y)
{
	struct pollfd p[2] = { { .fd = x, .events = POLLIN }, { .fd = y, .events = POLLIN } };
	char bytes[4096];

	while (poll(p, 2, -1) > 0) {
		for (int i = 0; i < 2; i++) {
			if (!p[i].revents)
				continue;
			ssize_t n = read(p[i].fd, bytes, sizeof(bytes));
			if (n <= 0 || send(p[!i].fd, bytes, (size_t)n, MSG_NOSIGNAL) != n)
				return;
		}
	}
}

struct trip {
	int from, to;
};

static void *
carry(void *arg)
{
	struct trip *t = arg;

	clock_sleep_ms(LINE_MS);
	hand_on(t->from, t->to);
	close(t->from);
	close(t->to);
	free(t);
	return NULL;
}

static void *
take(void *arg)
{
	struct line *l = arg;
	pthread_t thread;
	int fd;

	while ((fd = accept(l->fd, NULL, NULL)) >= 0) {
		struct trip *t = malloc(sizeof(*t));

		assert_non_null(t);
		*t = (struct trip){ fd, connected_to(l->to) };
		assert_int_equal(pthread_create(&thread, NULL, carry, t), 0);
		pthread_detach(thread);
	}
	return NULL;
}

static void
line_start(struct line *l, unsigned to)
{
	struct err e = { 0 };

	l->to = to;
	assert_int_equal(listener_open("127.0.0.1:0", &l->fd, &e), 0);
	assert_int_equal(fcntl(l->fd, F_SETFL, 0), 0); /* blocking */
	assert_int_equal(pthread_create(&l->thread, NULL, take, l), 0);
}

static void
line_stop(struct line *l)
{
	shutdown(l->fd, SHUT_RDWR);
	pthread_join(l->thread, NULL);
	close(l->fd);
}

/* A dead node costs its users less than a second, but a slow line to all of them is no dead node. */
static void
test_a_slow_line_to_all_nodes(void **state)
{
	struct line x, y;
	struct err e;

	line_start(&x, a.port);
	line_start(&y, b.port);
	for (size_t n = 1; n <= 2; n++) {
		const struct session_node nodes[] = { { listener_port(x.fd), a.pair.cert.data },
						      { listener_port(y.fd), b.pair.cert.data } };

		session_write(nodes, n);
		for (enum remote_kind kind = REMOTE_READ; kind <= REMOTE_WRITE; kind++) {
			auto_remote r = opened();
			const char *from = call(r, kind, &e);

			if (e.code)
				fail_msg("%zu nodes, kind %d: %s", n, (int)kind, e.text);
			assert_true(strcmp(from, "a") == 0 || strcmp(from, "b") == 0);
		}
	}
	line_stop(&x);
	line_stop(&y);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		T(test_asks_one_node),
		T(test_turns_to_the_next_when_refused),
		T(test_turns_to_the_next_when_told),
		T(test_a_read_that_takes_too_long_is_put_to_the_next),
		T(test_follows_nobody),
		T(test_hands_on_what_a_node_says),
		T(test_a_write_is_not_done_twice),
		T(test_a_write_that_never_left_is_put_to_the_next),
		T(test_who_is_not_trusted),
		T(test_one_node_that_is_down),
		T(test_a_change_in_emergency),
		T(test_adopt),
		T(test_an_authority_is_trusted_for_all),
		T(test_an_answer_tells_of_the_nodes),
		T(test_an_answer_tells_of_the_authority),
		T(test_a_failure_names_each_node),
		T(test_adopt_more_nodes_than_anybody_has),
		T(test_session_files_that_are_none),
		T(test_where_the_session_is),
		T(test_a_change_in_a_lasting_emergency),
		T(test_a_wait_is_said_once),
		T(test_a_wrong_certificate_is_not_silence),
		T(test_a_slow_line_to_all_nodes),
	};
	http_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
