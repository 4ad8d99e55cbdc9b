/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>
#include "base/clock.h"
#include "base/home.h"
#include "http/listener.h"
#include "http/relay.h"

#define THREADS 2
#define QUEUE 3
#define MANY (THREADS + QUEUE + 4)

static struct pair web, other;
static char trust[64];
static uv_loop_t loop;
static struct fiber_pool *fibers;
static struct relay *relay;

static void
trust_in(const struct pair *p)
{
	struct err e = { 0 };

	if (home_write_file(trust, p->cert.data, p->cert.len, 0600, &e))
		fail_msg("%s", e.text);
}

static int
begin(void **state)
{
	http_init();
	pair_make(&web, "localhost", false, NULL, 30);
	pair_make(&other, "localhost", false, NULL, 30);
	snprintf(trust, sizeof(trust), "/tmp/hf-relay-%d.pem", (int)getpid());
	uv_loop_init(&loop);
	fibers = fiber_pool_new(128 << 10, 64);
	return 0;
}

static int
end(void **state)
{
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	fiber_pool_free(fibers);
	unlink(trust);
	pair_done(&web);
	pair_done(&other);
	return 0;
}

static int
open_relay(void **state)
{
	relay = relay_new(&(struct relay_options){ .loop = &loop,
						   .trust_path = trust,
						   .threads = THREADS,
						   .queue = QUEUE,
						   .connect_ms = 2000,
						   .total_ms = 3000,
						   .reply_max = 6u << 20 });
	trust_in(&web);
	return 0;
}

static int
close_relay(void **state)
{
	assert_int_equal(relay_waiting(relay), 0);
	relay_free(relay);
	uv_run(&loop, UV_RUN_DEFAULT);
	return 0;
}

struct asked {
	char base[64];
	enum http_method method;
	const char *target, *body, *type;
	bool again, stop;
	bool done;
	enum relay_end end;
	struct relay_reply reply;
	struct arena *arena;
	struct err e;
};

static bool
stop(void *ctx)
{
	return ((struct asked *)ctx)->stop;
}

static void
call(struct fiber *f, void *arg)
{
	struct asked *q = arg;
	auto_buf body = BUF_INIT;
	struct relay_ask ask = { .base = q->base,
				 .method = q->method,
				 .target = q->target,
				 .body = &body,
				 .again = q->again,
				 .stop = stop,
				 .ctx = q };

	if (q->body)
		buf_adds(&body, q->body);
	ask.headers[ask.nheaders++] = (struct request_pair){ "Authorization", "Bearer tok-7" };
	if (q->type)
		ask.headers[ask.nheaders++] = (struct request_pair){ "Content-Type", q->type };
	q->end = relay_call(relay, f, q->arena, &ask, &q->reply, &q->e);
	q->done = true;
}

static void
start(struct asked *q, unsigned port, const char *target)
{
	snprintf(q->base, sizeof(q->base), "https://localhost:%u", port);
	q->target = target;
	q->method = q->method ? q->method : HTTP_GET;
	q->arena = arena_new();
	assert_true(fiber_start(fibers, call, q));
}

static void
await(struct asked *q)
{
	while (!q->done)
		uv_run(&loop, UV_RUN_ONCE);
}

static void
asked_done(struct asked *q)
{
	buf_done(&q->reply.body);
	arena_free(q->arena);
}

#define auto_asked FREE_WITH(asked_done) struct asked

static const char *
header(const struct asked *q, const char *name)
{
	for (unsigned i = 0; i < q->reply.nheaders; i++)
		if (strcasecmp(q->reply.headers[i].name, name) == 0)
			return q->reply.headers[i].value;
	return NULL;
}

static void
what_is_asked_and_answered_is_the_same(void **state)
{
	struct owner *o = owner_start(&web, NULL);

	for (int i = 0; i < 6; i++) {
		auto_asked who = { .again = i % 2 },
			   echo = { .method = HTTP_POST, .body = "xyz", .type = "text/csv" };
		auto_asked nothing = { .method = HTTP_DELETE }, redirect = { 0 }, big = { 0 };
		start(&who, owner_port(o), "/who?q=1");
		await(&who);
		start(&echo, owner_port(o), "/echo");
		start(&nothing, owner_port(o), "/nothing");
		await(&echo);
		await(&nothing);
		start(&redirect, owner_port(o), "/redirect");
		start(&big, owner_port(o), "/big");
		await(&redirect);
		await(&big);
		assert_int_equal(who.end, RELAY_ANSWERED);
		assert_int_equal(who.reply.status, 200);
		assert_non_null(strstr(buf_str(&who.reply.body), "\"bearer\":\"tok-7\""));
		assert_string_equal(who.reply.type, "application/json");
		assert_string_equal(header(&who, "Cache-Control"), "no-store");
		assert_null(header(&who, "Content-Length"));
		assert_null(header(&who, "Date"));
		assert_string_equal(buf_str(&echo.reply.body), "xyz");
		assert_int_equal(nothing.reply.status, 204);
		assert_int_equal(nothing.reply.body.len, 0);
		assert_int_equal(redirect.reply.status, 307);
		assert_string_equal(header(&redirect, "location"),
				    "https://primary.example:7272/v1/x");
		assert_int_equal(big.reply.body.len, 5 << 20);
	}
	owner_stop(o);
}

static void
what_is_full_says_so(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	struct asked q[MANY] = { 0 };
	int answered = 0, refused = 0;

	for (int i = 0; i < MANY; i++)
		start(&q[i], owner_port(o), "/hold");
	while (owner_held(o) < THREADS)
		uv_run(&loop, UV_RUN_NOWAIT);
	/* Which ones are refused depends on when a thread took one and so made room. */
	for (int i = 0; i < MANY; i++) {
		if (!q[i].done)
			continue;
		assert_int_equal(q[i].end, RELAY_FULL);
		assert_int_equal(q[i].e.code, ERR_NOT_SERVING);
		refused++;
	}
	assert_int_equal(relay_waiting(relay), MANY - refused);
	assert_in_range(relay_waiting(relay), QUEUE, THREADS + QUEUE);
	for (int i = 0; i < MANY; i++) {
		while (!q[i].done) {
			owner_release(o);
			uv_run(&loop, UV_RUN_NOWAIT);
		}
		answered += q[i].end == RELAY_ANSWERED;
		asked_done(&q[i]);
	}
	assert_in_range(answered, QUEUE, THREADS + QUEUE);
	owner_stop(o);
}

/* Nothing listens; nobody answers; not the one that is trusted: then nothing was sent. */
static void
what_did_not_arrive_is_told_from_what_was_lost(void **state)
{
	auto_asked refused = { 0 }, silent = { 0 }, stranger = { 0 }, lost = { 0 };
	struct owner *o = owner_start(&other, NULL), *holds = owner_start(&web, NULL);
	struct err e;
	int fd;

	assert_int_equal(listener_open("127.0.0.1:0", &fd, &e), 0);
	start(&silent, listener_port(fd), "/now");
	start(&stranger, owner_port(o), "/now");
	await(&silent);
	await(&stranger);
	start(&refused, listener_port(fd), "/now");
	close(fd);
	start(&lost, owner_port(holds), "/hold");
	await(&refused);
	await(&lost); /* total_ms */
	assert_int_equal(silent.end, RELAY_UNSENT);
	assert_int_equal(stranger.end, RELAY_UNSENT);
	assert_non_null(strstr(stranger.e.text, "not trusted"));
	assert_int_equal(refused.end, RELAY_UNSENT);
	assert_int_equal(lost.end, RELAY_LOST);
	owner_release(holds);
	owner_stop(o);
	owner_stop(holds);
}

/* Who is given up is answered at once, and the thread is free again soon. */
static void
a_call_can_be_given_up(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	struct asked q[THREADS + 1] = { 0 };
	int64_t begun;

	for (size_t i = 0; i < ARRAY_LEN(q); i++)
		start(&q[i], owner_port(o), "/hold");
	while (owner_held(o) < THREADS)
		uv_run(&loop, UV_RUN_NOWAIT);
	begun = clock_mono_ms();
	for (size_t i = 0; i < ARRAY_LEN(q); i++)
		q[i].stop = true;
	for (size_t i = 0; i < ARRAY_LEN(q); i++) {
		await(&q[i]);
		assert_int_equal(q[i].end, RELAY_GIVEN_UP);
		asked_done(&q[i]);
	}
	assert_in_range(clock_mono_ms() - begun, 0, 2000);
	auto_asked now = { 0 };
	start(&now, owner_port(o), "/now");
	await(&now);
	assert_int_equal(now.end, RELAY_ANSWERED);
	assert_in_range(clock_mono_ms() - begun, 0, 2500);
	owner_release(o);
	owner_stop(o);
}

/* A connection that lives on does not outlive the trust that it was begun by. */
static void
trust_is_read_again(void **state)
{
	struct owner *o = owner_start(&web, NULL);

	for (int i = 0; i < 4; i++) {
		auto_asked good = { .again = true }, bad = { .again = true };
		trust_in(&web);
		start(&good, owner_port(o), "/now");
		await(&good);
		assert_int_equal(good.end, RELAY_ANSWERED);
		trust_in(&other);
		start(&bad, owner_port(o), "/now");
		await(&bad);
		assert_int_equal(bad.end, RELAY_UNSENT);
	}
	unlink(trust);
	auto_asked none = { 0 };
	start(&none, owner_port(o), "/now");
	await(&none);
	assert_int_equal(none.end, RELAY_UNSENT);
	owner_stop(o);
}

static void
headers_of_one_connection_do_not_pass(void **state)
{
	static const struct {
		const char *name;
		bool passes;
	} rows[] = {
		{ "Connection", false },
		{ "keep-alive", false },
		{ "TE", false },
		{ "trailer", false },
		{ "Transfer-Encoding", false },
		{ "Upgrade", false },
		{ "Date", false },
		{ "Content-Length", false },
		{ "Proxy-Authenticate", false },
		{ "", false },
		{ "Set-Cookie", true },
		{ "Holdfast-Mode", true },
		{ "Location", true },
		{ "ETag", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(relay_passes(rows[i].name, strlen(rows[i].name)), rows[i].passes);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_relay, close_relay)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_asked_and_answered_is_the_same),
		TEST(what_is_full_says_so),
		TEST(what_did_not_arrive_is_told_from_what_was_lost),
		TEST(a_call_can_be_given_up),
		TEST(trust_is_read_again),
		cmocka_unit_test(headers_of_one_connection_do_not_pass),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
