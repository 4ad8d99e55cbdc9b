/* SPDX-License-Identifier: Apache-2.0
 *
 * Login, second factor, lock-out, the cache, and sessions of an emergency that come home.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "crypto/password.h"
#include "crypto/totp.h"
#include "fixture.h"
#include "ledger/event_body.h"
#include "vault/lockout.h"
#include "vault/session_impl.h"

#define PASSWORD "correct horse battery"

/* Limits are so long, and pass() lets time pass: by the test's clock, where there is one, so that no machine is too slow for them. */
#ifdef HF_FAULTS
enum { MOMENT_MS = 60000 };
static char skew[] = "HOLDFAST_CLOCK_SKEW_MS=0000000000000000";

static void
pass(int64_t ms)
{
	static int64_t ahead_ms;
	char *value = strchr(skew, '=') + 1;

	ahead_ms += ms;
	snprintf(value, sizeof(skew) - (size_t)(value - skew), "%016lld", (long long)ahead_ms);
	putenv(skew);
}
#else
enum { MOMENT_MS = 400 };

static void
pass(int64_t ms)
{
	usleep((useconds_t)ms * 1000);
}
#endif

static struct uuid alice;

static void
make_alice(struct fixture *x, struct fiber *f, void *arg)
{
	struct call c = { .v = &x->v, .f = f, .a = arena_new() };
	struct event ev[2] = { { .kind = EVENT_USER_CREATED, .address = "" },
			       { .kind = EVENT_USER_PASSWORD, .address = "" } };
	struct err e = { 0 };
	struct buf body = BUF_INIT;
	struct json_out w;
	char hash[128];

	uuid_new(&alice);
	assert_int_equal(session_hash_password(&c, &alice, PASSWORD, hash, &e), 0);
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "password_hash", hash);
	json_out_end_object(&w);
	ev[0].body = "{\"name\":\"Alice\",\"role\":\"user\"}";
	ev[1].body = buf_str(&body);
	ev[0].object = ev[1].object = alice;
	assert_int_equal(ledger_append(x->v.ledger, f, ev, 2, NULL, &e), 0);
	buf_done(&body);
	arena_free(c.a);
}

static int
setup(void **state)
{
	struct fixture *x = fixture_new();

	fixture_run(x, make_alice, NULL);
	*state = x;
	return 0;
}

static int
teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

/* What a test asks for, and what it got. */
struct
try {
	const char *name, *password, *code;
	const char *address; /* NULL: 192.0.2.1 */
	int rc;
	struct session_begun got;
	struct who who;
};

static void
login(struct fixture *x, struct fiber *f, void *arg)
{
	struct try *t = arg;
	struct call c = { .v = &x->v,
			  .f = f,
			  .a = arena_new(),
			  .who.address = t->address ? t->address : "192.0.2.1" };
	struct err e = { 0 };

	memset(&t->got, 0, sizeof(t->got));
	t->rc = session_login(&c, t->name, t->password, t->code, &t->got, &e);
	t->who = c.who;
	t->who.name = t->got.name = NULL;
	arena_free(c.a);
}

static void
check(struct fixture *x, struct fiber *f, void *arg)
{
	struct try *t = arg;
	struct arena *a = arena_new();
	struct err e = { 0 };

	memset(&t->who, 0, sizeof(t->who));
	t->rc = session_check(&x->v, f, t->got.token, a, &t->who, &e);
	if (!t->rc)
		assert_string_equal(t->who.name, "Alice");
	t->who.name = NULL;
	arena_free(a);
}

static void
logout(struct fixture *x, struct fiber *f, void *arg)
{
	struct try *t = arg;
	struct call c = { .v = &x->v, .f = f, .a = arena_new(), .who = t->who };
	struct err e = { 0 };

	assert_int_equal(session_end(&c, &e), 0);
	arena_free(c.a);
}

static int
try_login(struct fixture *x, struct try *t, const char *name, const char *password,
	  const char *code)
{
	t->name = name;
	t->password = password;
	t->code = code;
	fixture_run(x, login, t);
	return t->rc;
}

static int
try_check(struct fixture *x, struct try *t)
{
	fixture_run(x, check, t);
	return t->rc;
}

static void
in_and_out(void **state)
{
	struct fixture *x = *state;
	struct try t = { 0 };

	assert_int_equal(try_login(x, &t, "aLICE", PASSWORD, NULL), 0);
	assert_int_equal(strlen(t.got.token), 43);
	assert_int_equal(try_check(x, &t), 0);
	assert_true(uuid_eq(&t.who.user, &alice) && uuid_eq(&t.who.session, &t.got.session));
	assert_true(t.who.role == ROLE_USER && !t.who.journal_only);
	assert_int_equal(sessions_count(x->v.sessions), 1);
	/* Nobody who reads the database can be anybody: the token is not in it, in no form that logs in. */
	assert_int_equal(
		fixture_count(x, "SELECT count(*) FROM session WHERE octet_length(mac) = 32"), 1);
	/* A restart of the service ends no session. */
	fixture_close(x);
	fixture_open(x, FIXTURE_NODE_A);
	assert_int_equal(try_check(x, &t), 0);
	fixture_run(x, logout, &t);
	assert_int_equal(try_check(x, &t), ERR_UNAUTHENTICATED);
	assert_int_equal(sessions_count(x->v.sessions), 0);
	assert_int_equal(
		fixture_count(x, "SELECT count(*) FROM session WHERE ended_at IS NOT NULL"), 1);
}

static void
bad_tokens(void **state)
{
	struct fixture *x = *state;
	struct try t = { 0 };

	assert_int_equal(try_check(x, &t), ERR_UNAUTHENTICATED);
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), 0);
	t.got.token[5] = t.got.token[5] == 'A' ? 'B' : 'A';
	assert_int_equal(try_check(x, &t), ERR_UNAUTHENTICATED);
}

/* The hot path: after the first check neither keyd nor the database is asked. */
static void
cached(void **state)
{
	struct fixture *x = *state;
	struct try t = { 0 };
	uint64_t before, after, batches;

	assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), 0);
	assert_int_equal(try_check(x, &t), 0);
	keys_stats(x->v.keys, &before, &batches);
	pgtemp_sql(x->pg, "DELETE FROM session");
	for (int i = 0; i < 50; i++)
		assert_int_equal(try_check(x, &t), 0);
	keys_stats(x->v.keys, &after, &batches);
	assert_int_equal(before, after);
}

static void
limits(void **state)
{
	struct fixture *x = *state;
	struct try t = { 0 };

	assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), 0);
	assert_int_equal(try_check(x, &t), 0);
	x->settings.session_idle = MOMENT_MS;
	pass(MOMENT_MS * 3 / 2);
	assert_int_equal(try_check(x, &t), ERR_UNAUTHENTICATED);
	settings_defaults(&x->settings);
	x->settings.session_max = MOMENT_MS;
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), 0);
	assert_int_equal(try_check(x, &t), 0);
	pass(MOMENT_MS * 3 / 2);
	assert_int_equal(try_check(x, &t), ERR_UNAUTHENTICATED);
}

/* The log hears of a session in use, but not of every use. */
static void
seen(void **state)
{
	struct fixture *x = *state;
	struct try t = { 0 };

	assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), 0);
	x->settings.session_idle = 6 * MOMENT_MS; /* told of once each moment */
	for (int i = 0; i < 20; i++) {
		assert_int_equal(try_check(x, &t), 0);
		pass(MOMENT_MS / 2);
	}
	/* They are written beside the checks. */
	int64_t written = 0;
	for (int i = 0; i < 2000 && written < 6; i++) {
		fixture_run(x, check, &t);
		usleep(10000);
		written = fixture_count(x, "SELECT count(*) FROM event WHERE kind = :SESSION_SEEN");
	}
	assert_in_range(written, 6, 12);
	assert_int_equal(
		fixture_count(x, "SELECT count(*) FROM session WHERE seen_at > created_at"), 1);
}

static void
disable(struct fixture *x, struct fiber *f, void *arg)
{
	struct event ev = {
		.kind = EVENT_USER_CHANGED, .object = alice, .address = "", .body = arg
	};
	struct err e = { 0 };

	assert_int_equal(ledger_append(x->v.ledger, f, &ev, 1, NULL, &e), 0);
}

static void
disabled_at_once(void **state)
{
	struct fixture *x = *state;
	struct try t = { 0 };

	assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), 0);
	assert_int_equal(try_check(x, &t), 0);
	fixture_run(x, disable, (char *)"{\"disabled\":true}");
	assert_int_equal(try_check(x, &t), ERR_UNAUTHENTICATED);
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), ERR_BAD_LOGIN);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :LOGIN_FAILED "
					  "AND body LIKE '%disabled%'"),
			 1);
}

static void
lock_out(void **state)
{
	struct fixture *x = *state;
	struct try t = { 0 };

	x->settings.lockout_ms = MOMENT_MS;
	for (int i = 0; i < 5; i++)
		assert_int_equal(try_login(x, &t, "alice", "wrong", NULL), ERR_BAD_LOGIN);
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), ERR_LOCKED_OUT);
	/* A restart does not forget. */
	fixture_close(x);
	fixture_open(x, FIXTURE_NODE_A);
	assert_int_equal(try_login(x, &t, "ALICE", PASSWORD, NULL), ERR_LOCKED_OUT);
	pass(MOMENT_MS * 9 / 8);
	assert_int_equal(try_login(x, &t, "alice", "wrong", NULL), ERR_BAD_LOGIN);
	pass(MOMENT_MS * 9 / 8); /* the second wait is twice as long */
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), ERR_LOCKED_OUT);
	pass(MOMENT_MS * 9 / 8);
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), 0);
	assert_int_equal(fixture_count(x, "SELECT failed FROM principal"), 0);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :LOGIN_FAILED"),
			 6);
}

#ifdef HF_FAULTS
/* Failures of an hour from now do not lock for an hour: the next one counts as always, and a log-in ends them. */
static void
failures_of_a_clock_that_was_ahead(void **state)
{
	struct fixture *x = *state;
	struct try t = { 0 };

	x->settings.lockout_ms = MOMENT_MS;
	pass(60 * MOMENT_MS);
	for (int i = 0; i < 5; i++)
		assert_int_equal(try_login(x, &t, "alice", "wrong", NULL), ERR_BAD_LOGIN);
	pass(-60 * MOMENT_MS);
	fixture_close(x);
	fixture_open(x, FIXTURE_NODE_A);
	assert_int_equal(try_login(x, &t, "alice", "wrong", NULL), ERR_BAD_LOGIN);
	assert_int_equal(fixture_count(x, "SELECT failed FROM principal"), 6);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), ERR_LOCKED_OUT);
		fixture_close(x);
		fixture_open(x, FIXTURE_NODE_A);
	}
	pass(MOMENT_MS * 18 / 8);
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), 0);
	assert_int_equal(fixture_count(x, "SELECT failed FROM principal"), 0);
}
#endif

/* A name that nobody has behaves the same, and what was typed is not in the log. */
static void
unknown_name(void **state)
{
	struct fixture *x = *state;
	struct try t = { 0 };

	for (int i = 0; i < 5; i++)
		assert_int_equal(try_login(x, &t, "hunter2", PASSWORD, NULL), ERR_BAD_LOGIN);
	assert_int_equal(try_login(x, &t, "HUNTER2", PASSWORD, NULL), ERR_LOCKED_OUT);
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), 0);
	assert_int_equal(
		fixture_count(
			x,
			"SELECT count(*) FROM event WHERE kind = :LOGIN_FAILED AND actor IS NULL"),
		5);
	assert_int_equal(
		fixture_count(x, "SELECT count(*) FROM event WHERE body ILIKE '%hunter2%'"), 0);
	assert_int_equal(try_login(x, &t, "", PASSWORD, NULL), ERR_BAD_LOGIN);
}

#define COMPOSED "J\u00fcrgens Stra\u00dfe 7"
#define DECOMPOSED "Ju\u0308rgens Stra\u00dfe\u00a07" /* as another system types it */

/* A hash as releases before made it: over the bytes that were typed. */
static void
set_password(struct fixture *x, struct fiber *f, void *arg)
{
	struct call c = { .v = &x->v, .f = f, .a = arena_new() };
	struct event ev = { .kind = EVENT_USER_PASSWORD, .object = alice, .address = "" };
	auto_buf body = BUF_INIT, peppered = BUF_INIT;
	uint8_t prehash[KEYS_HASH_BYTES];
	struct err e = { 0 };
	char hash[128];
	struct json_out w;

	if (arg) {
		buf_add(&peppered, alice.b, sizeof(alice.b));
		buf_adds(&peppered, arg);
		assert_int_equal(keys_mac(x->v.keys, f, KEYS_PEPPER, peppered.data, peppered.len,
					  prehash, &e),
				 0);
		assert_int_equal(password_hash(prehash, hash, &e), 0);
	} else {
		assert_int_equal(session_hash_password(&c, &alice, DECOMPOSED, hash, &e), 0);
	}
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "password_hash", hash);
	json_out_end_object(&w);
	ev.body = buf_str(&body);
	assert_int_equal(ledger_append(x->v.ledger, f, &ev, 1, NULL, &e), 0);
	arena_free(c.a);
}

/* How many hashes a login costs; rc is what it must come to. */
static unsigned
cost_of_login(struct fixture *x, const char *name, const char *password, int rc)
{
	uint64_t before = x->v.sessions->hashed;
	struct try t = { 0 };

	assert_int_equal(try_login(x, &t, name, password, NULL), rc);
	return (unsigned)(x->v.sessions->hashed - before);
}

/* However a keyboard composes it; and what was set in another form goes on. */
static void
a_password_is_the_same_however_it_is_typed(void **state)
{
	struct fixture *x = *state;

	x->settings.lockout_after = 1000;
	fixture_run(x, set_password, NULL);
	assert_int_equal(cost_of_login(x, "alice", COMPOSED, 0), 1);
	assert_int_equal(cost_of_login(x, "alice", DECOMPOSED, 0), 1);
	fixture_run(x, set_password, DECOMPOSED);
	assert_int_equal(cost_of_login(x, "alice", DECOMPOSED, 0), 2);
	assert_int_equal(cost_of_login(x, "alice", COMPOSED, ERR_BAD_LOGIN), 1);
	fixture_run(x, set_password, COMPOSED);
	assert_int_equal(cost_of_login(x, "alice", DECOMPOSED, 0), 1);
}

/* H17: what a refused login costs hangs on what was typed, not on whether anybody has the name. */
static void
a_wrong_password_costs_the_same_whoever_it_is(void **state)
{
	struct fixture *x = *state;

	x->settings.lockout_after = 1000;
	for (unsigned i = 0; i < 2; i++) {
		const char *wrong = i ? DECOMPOSED : COMPOSED;

		assert_int_equal(cost_of_login(x, "nobody", wrong, ERR_BAD_LOGIN), i + 1);
		assert_int_equal(cost_of_login(x, "alice", wrong, ERR_BAD_LOGIN), i + 1);
	}
	pgtemp_sql(x->pg, "UPDATE principal SET password_hash = NULL"); /* none is set yet */
	assert_int_equal(cost_of_login(x, "alice", DECOMPOSED, ERR_BAD_LOGIN), 2);
}

/* ---- who is locked out ---- */

static int
login_from(struct fixture *x, const char *address, const char *name, const char *password)
{
	struct try t = { .address = address };

	return try_login(x, &t, name, password, NULL);
}

/* As many failures as all sources together have, from sources of the documentation's network that nobody came from. */
static void
guess_everywhere(struct fixture *x, const char *name)
{
	char address[32];

	for (int i = 0; i < LOCKOUT_SOURCES * x->settings.lockout_after; i++) {
		snprintf(address, sizeof(address), "198.51.100.%d", 1 + i);
		assert_int_equal(login_from(x, address, name, "wrong"), ERR_BAD_LOGIN);
	}
}

/* H17: a source that guesses waits; nobody else does. */
static void
a_source_is_locked_out_alone(void **state)
{
	struct fixture *x = *state;

	x->settings.lockout_ms = MOMENT_MS;
	for (int i = 0; i < 5; i++)
		assert_int_equal(login_from(x, "2001:db8::1", "alice", "wrong"), ERR_BAD_LOGIN);
	assert_int_equal(login_from(x, "2001:db8::2", "alice", PASSWORD), ERR_LOCKED_OUT);
	fixture_close(x);
	fixture_open(x, FIXTURE_NODE_A);
	assert_int_equal(login_from(x, "2001:db8::3", "alice", PASSWORD), ERR_LOCKED_OUT);
	assert_int_equal(login_from(x, "2001:db8:0:1::1", "alice", PASSWORD), 0);
	assert_int_equal(login_from(x, "2001:db8::1", "alice", PASSWORD), 0); /* all begin anew */
}

/* H17: guesses from many sources lock out whoever comes from elsewhere, but not the right person where they came before, and behind a start neither. */
static void
whoever_came_before_gets_in(void **state)
{
	struct fixture *x = *state;

	x->settings.lockout_after = 2;
	x->settings.lockout_ms = MOMENT_MS;
	assert_int_equal(login_from(x, "192.0.2.9", "alice", PASSWORD), 0);
	guess_everywhere(x, "alice");
	fixture_close(x);
	fixture_open(x, FIXTURE_NODE_A);
	assert_int_equal(login_from(x, "203.0.113.1", "alice", PASSWORD), ERR_LOCKED_OUT);
	assert_int_equal(login_from(x, "192.0.2.9", "alice", "wrong"), ERR_BAD_LOGIN);
	assert_int_equal(login_from(x, "192.0.2.9", "alice", PASSWORD), 0);
	assert_int_equal(login_from(x, "203.0.113.1", "alice", PASSWORD), 0);
}

/* A name that nobody has behaves as one of a user who never logged in. */
static void
an_invented_name_is_locked_out_alike(void **state)
{
	struct fixture *x = *state;

	x->settings.lockout_after = 2;
	x->settings.lockout_ms = MOMENT_MS;
	guess_everywhere(x, "alice");
	guess_everywhere(x, "nobody");
	assert_int_equal(login_from(x, "203.0.113.1", "alice", "wrong"), ERR_LOCKED_OUT);
	assert_int_equal(login_from(x, "203.0.113.1", "nobody", "wrong"), ERR_LOCKED_OUT);
}

struct together {
	unsigned bad, locked, in;
};

static void
wrong_login(struct fixture *x, struct fiber *f, void *arg)
{
	struct together *n = arg;
	struct try t = { .name = "alice", .password = "wrong" };

	login(x, f, &t);
	n->bad += t.rc == ERR_BAD_LOGIN;
	n->locked += t.rc == ERR_LOCKED_OUT;
	n->in += t.rc == 0;
}

/* Many tries at once are not more tries. */
static void
all_at_once(void **state)
{
	struct fixture *x = *state;
	struct together n = { 0 };

	x->settings.lockout_ms = 60000;
	fixture_run_many(x, wrong_login, &n, 40);
	assert_int_equal(n.bad, 5);
	assert_int_equal(n.locked, 35);
}

/* ---- second factor ---- */

static const uint8_t secret[TOTP_SECRET_BYTES] = "abcdefghijklmnopqrs";

static void
set_totp(struct fixture *x, struct fiber *f, void *arg)
{
	struct buf sealed = BUF_INIT, body = BUF_INIT;
	struct event ev = { .kind = EVENT_USER_TOTP, .object = alice, .address = "" };
	uint8_t ad[TOTP_AD_LEN];
	struct err e = { 0 };
	char b64[256];
	struct json_out w;

	totp_ad(arg, ad);
	assert_int_equal(keys_seal(x->v.keys, f, x->v.data_key, ad, sizeof(ad), secret,
				   sizeof(secret), &sealed, &e),
			 0);
	sodium_bin2base64(b64, sizeof(b64), (const uint8_t *)sealed.data, sealed.len,
			  sodium_base64_VARIANT_ORIGINAL);
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "totp_sealed", b64);
	json_out_end_object(&w);
	ev.body = buf_str(&body);
	assert_int_equal(ledger_append(x->v.ledger, f, &ev, 1, NULL, &e), 0);
	buf_done(&sealed);
	buf_done(&body);
}

/* An order of the pair by alice, with the code of the next step. */
static void
order_with_code(struct fixture *x, struct fiber *f, void *arg)
{
	struct event ev = { .kind = EVENT_HA_ORDERED, .actor = alice, .address = "" };
	auto_buf body = BUF_INIT;
	struct err e = { 0 };
	struct json_out w;

	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "order", "promote");
	json_out_int(&w, "totp_step", clock_now_us() / 30000000 + 1);
	json_out_end_object(&w);
	ev.body = buf_str(&body);
	assert_int_equal(ledger_append(x->v.ledger, f, &ev, 1, NULL, &e), 0);
}

static void
second_factor(void **state)
{
	struct fixture *x = *state;
	struct try t = { 0 };
	struct err e = { 0 };
	struct uuid other;
	char code[7];

	fixture_run(x, set_totp, &alice);
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), ERR_SECOND_FACTOR);
	assert_int_equal(try_login(x, &t, "alice", "wrong", NULL), ERR_BAD_LOGIN);
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, "000000"), ERR_BAD_LOGIN);
	assert_int_equal(totp_code(secret, clock_now_us() / 1000000, code, &e), 0);
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, code), 0);
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, code), ERR_BAD_LOGIN); /* once only */
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM principal WHERE totp_step > 0"), 1);
	/* Nor does one that an order went with (O2 of agent/orderer.h). */
	assert_int_equal(totp_code(secret, clock_now_us() / 1000000 + 30, code, &e), 0);
	fixture_run(x, order_with_code, NULL);
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, code), ERR_BAD_LOGIN);
	/* A secret that was sealed for someone else opens nothing. */
	uuid_new(&other);
	fixture_run(x, set_totp, &other);
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, code), ERR_CRYPTO);
}

/* Guessed passwords do not lock out who has a second factor; guessed codes do, for they come from whoever has the password. */
static void
guesses_at_the_factor(void **state)
{
	struct fixture *x = *state;
	struct try t = { .address = "203.0.113.1" };
	char address[32];

	x->settings.lockout_after = 2;
	x->settings.lockout_ms = MOMENT_MS;
	fixture_run(x, set_totp, &alice);
	guess_everywhere(x, "alice");
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), ERR_SECOND_FACTOR);
	for (int i = 0; i < LOCKOUT_SOURCES * x->settings.lockout_after; i++) {
		struct try guess = { .address = address };

		snprintf(address, sizeof(address), "198.51.100.%d", 101 + i);
		assert_int_equal(try_login(x, &guess, "alice", PASSWORD, "000000"), ERR_BAD_LOGIN);
	}
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), ERR_LOCKED_OUT);
}

/* ---- emergency ---- */

static void
reload(struct fixture *x, struct fiber *f, void *arg)
{
	struct err e = { 0 };

	assert_int_equal(sessions_reload(x->v.sessions, f, &e), 0);
}

static void
enter(struct fixture *x, enum ha_state s)
{
	fixture_state(x, s, false);
	fixture_run(x, reload, NULL);
}

/* H4, H5, H7: sessions of before go on, new ones live in the journal, survive a restart, and go on at home. */
static void
emergency(void **state)
{
	struct fixture *x = *state;
	struct try before = { 0 }, here = { 0 }, ended = { 0 };

	assert_int_equal(try_login(x, &before, "alice", PASSWORD, NULL), 0);
	fixture_close(x);
	fixture_state(x, HA_EMERGENCY, false);
	fixture_open(x, FIXTURE_NODE_A);
	assert_int_equal(try_check(x, &before), 0);
	assert_false(session_is_journal_only(&before.who));
	assert_int_equal(try_login(x, &here, "alice", PASSWORD, NULL), 0);
	assert_true(session_is_journal_only(&here.who));
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM session"), 1);
	assert_int_equal(try_check(x, &here), 0);
	assert_true(session_is_journal_only(&here.who));
	assert_int_equal(try_login(x, &ended, "alice", PASSWORD, NULL), 0);
	assert_int_equal(try_check(x, &ended), 0);
	fixture_run(x, logout, &ended);
	assert_int_equal(try_check(x, &ended), ERR_UNAUTHENTICATED);
	/* A session of before that ends here is over here. */
	fixture_run(x, logout, &before);
	assert_int_equal(try_check(x, &before), ERR_UNAUTHENTICATED);

	fixture_close(x);
	fixture_open(x, FIXTURE_NODE_A);
	assert_int_equal(try_check(x, &here), 0);
	assert_true(session_is_journal_only(&here.who));
	assert_int_equal(try_check(x, &ended), ERR_UNAUTHENTICATED);
	assert_int_equal(try_check(x, &before), ERR_UNAUTHENTICATED);

	/* The way home. */
	enter(x, HA_MERGING);
	assert_int_equal(try_check(x, &here), 0);
	assert_true(session_is_journal_only(&here.who));
	enter(x, HA_ALONE);
	assert_int_equal(try_login(x, &before, "alice", PASSWORD, NULL),
			 0); /* any event: the journal is adopted */
	assert_int_equal(try_check(x, &here), 0);
	assert_false(session_is_journal_only(&here.who));
	assert_int_equal(try_check(x, &ended), ERR_UNAUTHENTICATED);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM session"), 4);
}

/* In state MERGING it is noticed within a moment that a session has come home. */
static void
comes_home(void **state)
{
	struct fixture *x = *state;
	struct try here = { 0 };

	fixture_close(x);
	fixture_state(x, HA_EMERGENCY, false);
	fixture_open(x, FIXTURE_NODE_A);
	assert_int_equal(try_login(x, &here, "alice", PASSWORD, NULL), 0);
	enter(x, HA_MERGING);
	assert_int_equal(try_check(x, &here), 0);
	assert_true(here.who.journal_only);
	/* The replicated row arrives: made here by hand, by its id alone. */
	enter(x, HA_ALONE);
	fixture_run(x, disable, (char *)"{\"role\":\"administrator\"}");
	fixture_state(x, HA_MERGING, false);
	usleep(250000);
	assert_int_equal(try_check(x, &here), 0);
	assert_false(here.who.journal_only);
	assert_int_equal(here.who.role, ROLE_ADMINISTRATOR);
}

/* As what another node wrote comes in, by replication or a merge: alice's credentials began anew there. */
static void
ended_elsewhere(struct fixture *x)
{
	auto_buf sql = BUF_INIT;
	char text[UUID_STR_LEN];

	uuid_str(&alice, text);
	buf_addf(&sql, "INSERT INTO ending VALUES ('%s', '" FIXTURE_NODE_B "', 7, now())", text);
	fixture_sql(x, buf_str(&sql));
}

/* H15: a reset that an emergency did not know of ends its sessions, as soon as it is heard of and for good. */
static void
emergency_ends_by_what_comes(void **state)
{
	struct fixture *x = *state;
	struct try here = { 0 }, knowing = { 0 };

	fixture_close(x);
	fixture_state(x, HA_EMERGENCY, false);
	fixture_open(x, FIXTURE_NODE_A);
	assert_int_equal(try_login(x, &here, "alice", PASSWORD, NULL), 0);
	assert_int_equal(try_check(x, &here), 0);
	ended_elsewhere(x);
	assert_int_equal(try_login(x, &knowing, "alice", PASSWORD, NULL), 0);
	enter(x, HA_MERGING);
	assert_int_equal(try_check(x, &here), ERR_UNAUTHENTICATED);
	assert_int_equal(try_check(x, &knowing), 0);
	enter(x, HA_ALONE);
	fixture_run(x, fixture_change, NULL); /* any event: the journal is adopted */
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM session"), 2);
	assert_int_equal(try_check(x, &here), ERR_UNAUTHENTICATED);
	assert_int_equal(try_check(x, &knowing), 0);
	assert_false(session_is_journal_only(&knowing.who));
}

static void
begin(struct fixture *x, struct fiber *f, void *arg)
{
	struct try *t = arg;
	struct call c = { .v = &x->v, .f = f, .a = arena_new() };
	struct session_of of = { alice, "Alice", false, -1, t->code };
	struct err e = { 0 };

	assert_int_equal(session_begin(&c, &of, &t->got, &e), 0);
	t->got.name = NULL;
	arena_free(c.a);
}

/* The password was right, and was reset before the log-in was in the log. */
static void
a_reset_meanwhile_ends_what_begins(void **state)
{
	struct fixture *x = *state;
	struct try late = { .code = FIXTURE_NODE_A "/99" }, good = { 0 };

	fixture_run(x, begin, &late);
	assert_int_equal(try_check(x, &late), 0);
	ended_elsewhere(x);
	fixture_run(x, begin, &late);
	assert_int_equal(try_check(x, &late), ERR_UNAUTHENTICATED);
	good.code = FIXTURE_NODE_A "/99 " FIXTURE_NODE_B "/7";
	fixture_run(x, begin, &good);
	assert_int_equal(try_check(x, &good), 0);
}

/* H6: a code used in emergency is not taken twice, and failures count, although the table stands still. */
static void
emergency_memory(void **state)
{
	struct fixture *x = *state;
	struct try t = { 0 };
	struct err e = { 0 };
	char code[7];

	fixture_run(x, set_totp, &alice);
	fixture_close(x);
	fixture_state(x, HA_EMERGENCY, false);
	fixture_open(x, FIXTURE_NODE_A);
	assert_int_equal(totp_code(secret, clock_now_us() / 1000000, code, &e), 0);
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, code), 0);
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, code), ERR_BAD_LOGIN);
	fixture_close(x);
	fixture_open(x, FIXTURE_NODE_A);
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, code), ERR_BAD_LOGIN);
	for (int i = 0; i < 3; i++)
		assert_int_equal(try_login(x, &t, "alice", "wrong", NULL), ERR_BAD_LOGIN);
	assert_int_equal(try_login(x, &t, "alice", PASSWORD, NULL), ERR_LOCKED_OUT);
	assert_int_equal(fixture_count(x, "SELECT failed FROM principal"), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(in_and_out),
		TEST(bad_tokens),
		TEST(cached),
		TEST(limits),
		TEST(seen),
		TEST(disabled_at_once),
		TEST(lock_out),
#ifdef HF_FAULTS
		TEST(failures_of_a_clock_that_was_ahead),
#endif
		TEST(unknown_name),
		TEST(a_source_is_locked_out_alone),
		TEST(whoever_came_before_gets_in),
		TEST(an_invented_name_is_locked_out_alike),
		TEST(guesses_at_the_factor),
		TEST(all_at_once),
		TEST(second_factor),
		TEST(emergency),
		TEST(comes_home),
		TEST(emergency_ends_by_what_comes),
		TEST(a_reset_meanwhile_ends_what_begins),
		TEST(emergency_memory),
		TEST(a_password_is_the_same_however_it_is_typed),
		TEST(a_wrong_password_costs_the_same_whoever_it_is),
	};

	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
