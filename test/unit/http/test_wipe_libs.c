/* SPDX-License-Identifier: Apache-2.0
 *
 * After a request with a secret in it was answered, nothing of the secret is left in the server's
 * memory: not in the arena, not in the library's pool, not in the TLS buffers, whether the
 * connection is kept or closed. The client is another process, so its copies are not ours.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"

#if defined(__SANITIZE_ADDRESS__)
#define WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif

#define MARK_BYTES 24
#define VEIL 0x5a

/* The mark itself never is in this process as it is on the wire. */
static const char veiled_body[MARK_BYTES + 1] = "q8Zr!w0Tk3Lm#x7Vb2Nc%y5H";
static const char veiled_token[MARK_BYTES + 1] = "J4dF9sA1gK6hQ2wE8rT3yU7i";

static void
unveil(const char *veiled, char ret[MARK_BYTES + 1])
{
	for (int i = 0; i < MARK_BYTES; i++) {
		unsigned char c = (unsigned char)veiled[i];

		ret[i] = (char)('a' + (c * 7 + i) % 26);
	}
	ret[MARK_BYTES] = '\0';
}

/* Compares without ever storing the mark. */
static bool
mark_is_at(const volatile unsigned char *p, const char *veiled)
{
	for (int i = 0; i < MARK_BYTES; i++)
		if (p[i] != (unsigned char)('a' + ((unsigned char)veiled[i] * 7 + i) % 26))
			return false;
	return true;
}

static unsigned
count_in(uintptr_t from, uintptr_t to, const char *veiled, const char *where)
{
	unsigned n = 0;

	for (uintptr_t p = from; p + MARK_BYTES <= to; p++)
		if (mark_is_at((const volatile unsigned char *)p, veiled)) {
			n++;
			print_message("left behind in %s", where);
		}
	return n;
}

/* How often the mark is in writable memory. */
static unsigned
count(const char *veiled)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long from, to;
		char mode[5];

		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 && mode[0] == 'r' &&
		    mode[1] == 'w' && !strstr(line, "[vvar") && !strstr(line, "/dev/"))
			n += count_in(from, to, veiled, line);
	}
	fclose(f);
	return n;
}

/* How often the mark is in the body: small ones last, so that what large ones left is not hidden by
 * nothing but luck. */
static const unsigned repeats[] = { 1, 100, 2000, 1, 1 };

/* POST /echo with the marks; true when all of it came back. */
static bool
exchange(struct raw *r, const char *body, const char *token, unsigned times)
{
	auto_buf text = BUF_INIT, reply = BUF_INIT;

	buf_addf(&text,
		 "POST /echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n"
		 "Cookie: __Host-holdfast=%s\r\nContent-Length: %u\r\n\r\n",
		 token, token, times * MARK_BYTES + 3);
	for (unsigned i = 0; i < times; i++)
		buf_adds(&text, body);
	buf_adds(&text, "END");
	raw_write(r, text.data, text.len);
	return raw_read(r, &reply, "END", 3000);
}

/* The other process: sends both marks, says so, keeps the connection until told. */
static void
play_client(int in, int out)
{
	char body[MARK_BYTES + 1], token[MARK_BYTES + 1], byte = 0;
	struct raw *r;
	unsigned port;

	if (read(in, &port, sizeof(port)) != sizeof(port))
		_exit(2);
	unveil(veiled_body, body);
	unveil(veiled_token, token);
	r = raw_open(port);
	for (size_t i = 0; i < ARRAY_LEN(repeats); i++)
		if (!exchange(r, body, token, repeats[i]))
			_exit(3);
	if (write(out, &byte, 1) != 1 || read(in, &byte, 1) != 1)
		_exit(4);
	raw_close(r);
	if (write(out, &byte, 1) != 1 || read(in, &byte, 1) != 1)
		_exit(5);
	_exit(0);
}

static void
test_nothing_is_left(void **state)
{
	int to[2], from[2], status;
	unsigned port;
	struct owner *o;
	struct pair web;
	char byte;
	pid_t pid;

#ifdef WATCHED
	skip(); /* freed memory is kept back there */
#endif
	assert_int_equal(pipe(to) + pipe(from), 0);
	pid = fork();
	if (pid == 0) {
		close(to[1]); /* so that it ends when we do */
		close(from[0]);
		play_client(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	http_init();
	pair_make(&web, "localhost", false, NULL, 30);
	o = owner_start(&web, NULL);
	port = owner_port(o);
	assert_int_equal(write(to[1], &port, sizeof(port)), sizeof(port));
	assert_int_equal(read(from[0], &byte, 1), 1);
	clock_sleep_ms(100);
	assert_int_equal(server_requests(owner_server(o)), 5);
	/* while the connection is kept */
	assert_int_equal(count(veiled_body), 0);
	assert_int_equal(count(veiled_token), 0);
	assert_int_equal(write(to[1], &byte, 1), 1);
	assert_int_equal(read(from[0], &byte, 1), 1);
	for (int i = 0; i < 200 && server_connections(owner_server(o)) > 0; i++)
		clock_sleep_ms(10);
	/* and when it is closed */
	assert_int_equal(count(veiled_body), 0);
	assert_int_equal(count(veiled_token), 0);
	assert_int_equal(write(to[1], &byte, 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	owner_stop(o);
	pair_done(&web);
}

/* The search itself finds what is there. */
static void
test_search_finds(void **state)
{
	char mark[MARK_BYTES + 1];
	auto_buf there = BUF_INIT;

#ifdef WATCHED
	skip();
#endif
	unveil(veiled_body, mark);
	buf_add(&there, mark, MARK_BYTES);
	assert_true(count(veiled_body) >= 1);
	buf_reset(&there);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_search_finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
