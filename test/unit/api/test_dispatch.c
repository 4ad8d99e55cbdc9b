/* SPDX-License-Identifier: Apache-2.0
 *
 * The API on a real database, real keys and a real ledger: requests as an HTTP thread would hand them in, replies as it
 * would send them. What a test says of H1, H2, H5, H6 and H7 is docs/ha.md's promise of that number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/dispatch.h"
#include "base/clock.h"
#include "crypto/totp.h"
#include "fixture.h"
#include "ha/orders.h"
#include "vault/age_limit.h"
#include "vault/user.h"

#define ADMIN "ada"
#define ADMIN_PASSWORD "correct horse battery"
#define USER_PASSWORD "staple staple staple"

static struct fixture *x;
static struct api *api;
static char admin_token[TOKEN_STR_LEN], user_token[TOKEN_STR_LEN];

/* ---- asking ---- */

struct reply {
	bool done;
	bool admitted, known; /* its body may come; it has shown a session */
	int status;
	char mode[32], durability[16], as_of[64], location[512], cookie[256];
	struct buf body;
	json_t *json; /* NULL when the body is none */
};

static void
take_header(struct reply *r, const char *name, const char *value)
{
	const struct {
		const char *name;
		char *ret;
		size_t n;
	} rows[] = {
		{ "Holdfast-Mode", r->mode, sizeof(r->mode) },
		{ "Holdfast-Durability", r->durability, sizeof(r->durability) },
		{ "Holdfast-As-Of", r->as_of, sizeof(r->as_of) },
		{ "Location", r->location, sizeof(r->location) },
		{ "Set-Cookie", r->cookie, sizeof(r->cookie) },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(name, rows[i].name) == 0)
			snprintf(rows[i].ret, rows[i].n, "%s", value);
}

static void
on_send(struct request *rq)
{
	struct reply *r = rq->owner;
	r->status = rq->status;
	for (unsigned i = 0; i < rq->nheaders; i++)
		take_header(r, rq->headers[i].name, rq->headers[i].value);
	buf_add(&r->body, buf_str(&rq->reply), rq->reply.len);
	r->json = json_loads(buf_str(&r->body), JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	r->done = true;
	request_free(rq);
}

static void
on_admit(struct request *rq)
{
	struct reply *r = rq->owner;
	r->done = r->admitted = true;
	request_free(rq);
}

static void
on_known(struct request *rq)
{
	((struct reply *)rq->owner)->known = true;
}

static void
reply_done(struct reply *r)
{
	buf_done(&r->body);
	json_decref(r->json);
}

#define auto_reply FREE_WITH(reply_done) struct reply

static struct request *
make(struct reply *r, const char *method, const char *target, const char *token, const char *body)
{
	struct request *rq = request_new();
	struct err e = { 0 };
	memset(r, 0, sizeof(*r));
	rq->owner = r;
	rq->send = on_send;
	rq->admit = on_admit;
	rq->known = on_known;
	rq->method = request_method(method);
	assert_int_equal(request_target(rq, target, &e), 0);
	rq->address = "203.0.113.5";
	rq->bearer = token ? arena_strdup(rq->arena, token) : NULL;
	if (body) {
		rq->content_type = body[0] == '{' ? "application/json" : "text/csv";
		buf_adds(&rq->body, body);
	}
	return rq;
}

static void
hand_in(struct request *rq)
{
	struct reply *r = rq->owner;
	api_on_request(api, rq);
	while (!r->done)
		uv_run(&x->loop, UV_RUN_ONCE);
}

static void
ask(struct reply *r, const char *method, const char *target, const char *token, const char *body)
{
	hand_in(make(r, method, target, token, body));
}

static void
askf(struct reply *r, const char *method, const char *token, const char *body, const char *fmt, ...)
{
	char target[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(target, sizeof(target), fmt, ap);
	va_end(ap);
	ask(r, method, target, token, body);
}

/* "user.name", "nodes.0.id": a text of the reply; fails when it is not there. */
static json_t *
at(const struct reply *r, const char *path)
{
	char copy[128], *save = NULL;
	json_t *j = r->json;
	snprintf(copy, sizeof(copy), "%s", path);
	for (char *p = strtok_r(copy, ".", &save); p; p = strtok_r(NULL, ".", &save))
		j = json_is_array(j) ? json_array_get(j, (size_t)atoi(p)) : json_object_get(j, p);
	return j;
}

static const char *
text(const struct reply *r, const char *path)
{
	const char *s = json_string_value(at(r, path));
	if (!s)
		print_error("no %s in %d %s\n", path, r->status, buf_str(&r->body));
	assert_non_null(s);
	return s;
}

static void
expect(const struct reply *r, int status, const char *code)
{
	if (r->status != status)
		print_error("got %d %s\n", r->status, buf_str(&r->body));
	assert_int_equal(r->status, status);
	if (code)
		assert_string_equal(text(r, "error.code"), code);
}

static int64_t
events(int kind)
{
	char sql[96];
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM event WHERE kind = %d", kind);
	return fixture_count(x, sql);
}

/* ---- set-up ---- */

struct first {
	char token[TOKEN_STR_LEN];
};

/* As `init` does it: the first administrator is an event of nobody. */
static void
create_first(struct fixture *fx, struct fiber *f, void *arg)
{
	struct first *first = arg;
	struct err e = { 0 };
	auto_arena a = arena_new();
	auto_buf body = BUF_INIT;
	struct call c = { .v = &fx->v, .f = f, .a = a, .who = { .address = "" } };
	uint8_t token[TOKEN_BYTES], mac[KEYS_HASH_BYTES];
	struct uuid id;
	uuid_new(&id);
	token_new(token);
	token_str(token, first->token);
	assert_int_equal(user_setup_mac(fx->v.keys, f, &id, token, mac, &e), 0);
	user_created_body(&body, ADMIN, "administrator", mac, clock_now_us() + 3600000000LL);
	assert_int_equal(vault_append(&c, EVENT_USER_CREATED, &id, buf_str(&body), &e), 0);
}

static void
set_up_with(const char *name, const char *token, const char *password, char ret[TOKEN_STR_LEN])
{
	char body[512];
	auto_reply r;
	snprintf(body, sizeof(body), "{\"name\":\"%s\",\"setup_token\":\"%s\",\"password\":\"%s\"}",
		 name, token, password);
	ask(&r, "POST", "/v1/setup", NULL, body);
	expect(&r, 200, NULL);
	snprintf(ret, TOKEN_STR_LEN, "%s", text(&r, "token"));
	assert_string_equal(text(&r, "user.name"), name);
	assert_string_equal(r.durability, "local");
	assert_string_equal(r.mode, "primary");
}

static void
make_user(const char *name, char ret[TOKEN_STR_LEN])
{
	char body[256];
	auto_reply r;
	snprintf(body, sizeof(body), "{\"name\":\"%s\"}", name);
	ask(&r, "POST", "/v1/users", admin_token, body);
	expect(&r, 201, NULL);
	set_up_with(name, text(&r, "setup_token"), USER_PASSWORD, ret);
}

static void
reload_sessions(struct fixture *fx, struct fiber *f, void *arg)
{
	struct err e = { 0 };
	assert_int_equal(sessions_reload(fx->v.sessions, f, &e), 0);
}

/* As the agent does it, and vaultd upon it. */
static void
set_state(enum ha_state s)
{
	struct statepage_view *v = calloc(1, sizeof(*v));
	assert_non_null(v);
	statepage_read(x->statepage_writer, v);
	v->state = s;
	v->state_seq++;
	v->term = 3;
	v->as_of_us = 1767225600000000;
	strcpy(v->primary_url, s == HA_RESEED ? "" : "https://p.test:7272");
	strcpy(v->reason, "a test");
	statepage_write(x->statepage_writer, v);
	statepage_beat(x->statepage_writer);
	free(v);
	fixture_run(x, reload_sessions, NULL);
}

static int
set_up(void **state)
{
	struct first first;
	x = fixture_new();
	fixture_state(x, HA_SINGLE, false);
	fixture_close(x);
	fixture_open(x, FIXTURE_NODE_A);
	const struct api_options o = { &x->v, "a.test" };
	x->v.health.serving = true;
	fixture_run(x, create_first, &first);
	api = api_new(&o);
	set_up_with(ADMIN, first.token, ADMIN_PASSWORD, admin_token);
	make_user("bob", user_token);
	return 0;
}

static int
tear_down(void **state)
{
	api_free(api);
	uv_run(&x->loop, UV_RUN_NOWAIT);
	fixture_free(x);
	return 0;
}

/* A resource of the user's with one account and a first version; gives both ids. */
static void
make_account(const char *name, char ret_resource[UUID_STR_LEN], char ret_account[UUID_STR_LEN])
{
	char body[256];
	auto_reply r, s;
	snprintf(body, sizeof(body), "{\"name\":\"%s\",\"url\":\"https://%s.test\"}", name, name);
	ask(&r, "POST", "/v1/resources", user_token, body);
	expect(&r, 201, NULL);
	snprintf(ret_resource, UUID_STR_LEN, "%s", text(&r, "id"));
	askf(&s, "POST", user_token,
	     "{\"login\":\"root\",\"fields\":{\"password\":\"s3cret \\\"q\\\" "
	     "\\u00e4\",\"pin\":\"1\"}}",
	     "/v1/resources/%s/accounts", ret_resource);
	expect(&s, 201, NULL);
	snprintf(ret_account, UUID_STR_LEN, "%s", text(&s, "id"));
}

/* ---- who may ---- */

static void
strangers_get_nothing(void **state)
{
	auto_reply a, b, c, d, f;
	ask(&a, "GET", "/v1/resources", NULL, NULL);
	expect(&a, 401, "unauthenticated");
	ask(&b, "GET", "/v1/resources", "bm90IGEgdG9rZW4gYnV0IG9mIHRoZSByaWdodCBsZW5ndGg", NULL);
	expect(&b, 401, "unauthenticated");
	ask(&c, "GET", "/v1/nothing", user_token, NULL);
	expect(&c, 404, "not_found");
	ask(&d, "DELETE", "/v1/resources", user_token, NULL);
	expect(&d, 405, "method");
	ask(&f, "GET", "/v1/resources?no=1", user_token, NULL);
	assert_int_equal(f.status, 400);
}

static void
login_gives_session_cookie_and_nodes(void **state)
{
	auto_reply bad, good, me, out, gone;
	ask(&bad, "POST", "/v1/session", NULL, "{\"name\":\"bob\",\"password\":\"wrong\"}");
	expect(&bad, 401, "bad_login");
	ask(&good, "POST", "/v1/session", NULL,
	    "{\"name\":\"BOB\",\"password\":\"" USER_PASSWORD "\"}");
	expect(&good, 200, NULL);
	assert_non_null(strstr(good.cookie, "Secure; HttpOnly; SameSite=Strict"));
	assert_memory_equal(good.cookie, "__Host-holdfast=", 16);
	assert_true(json_is_array(at(&good, "nodes")));
	ask(&me, "GET", "/v1/session", text(&good, "token"), NULL);
	assert_string_equal(text(&me, "user.name"), "bob");
	assert_string_equal(text(&me, "user.role"), "user");
	ask(&out, "DELETE", "/v1/session", text(&good, "token"), NULL);
	expect(&out, 204, NULL);
	ask(&gone, "GET", "/v1/session", text(&good, "token"), NULL);
	expect(&gone, 401, "unauthenticated");
}

static void
missing_right_is_refused_and_written_down(void **state)
{
	static const char *const targets[] = { "/v1/users", "/v1/audit", "/v1/audit/verify",
					       "/v1/nodes" };
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		auto_reply r;
		int64_t before = events(EVENT_FORBIDDEN);
		ask(&r, "GET", targets[i], user_token, NULL);
		expect(&r, 403, "forbidden");
		assert_int_equal(events(EVENT_FORBIDDEN), before + 1);
	}
}

static void
setup_token_works_once(void **state)
{
	auto_reply r, twice, wrong;
	char body[512], token[TOKEN_STR_LEN];
	ask(&r, "POST", "/v1/users", admin_token, "{\"name\":\"once\"}");
	expect(&r, 201, NULL);
	snprintf(token, sizeof(token), "%s", text(&r, "setup_token"));
	ask(&wrong, "POST", "/v1/setup", NULL,
	    "{\"name\":\"once\",\"setup_token\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
	    "\"password\":"
	    "\"long enough password\"}");
	expect(&wrong, 401, "bad_login");
	set_up_with("once", token, USER_PASSWORD, (char[TOKEN_STR_LEN]){ 0 });
	snprintf(body, sizeof(body),
		 "{\"name\":\"once\",\"setup_token\":\"%s\",\"password\":\"x%s\"}", token,
		 USER_PASSWORD);
	ask(&twice, "POST", "/v1/setup", NULL, body);
	expect(&twice, 401, "bad_login");
}

static void
nobody_locks_themselves_out(void **state)
{
	auto_reply me, r, s, t;
	ask(&me, "GET", "/v1/users/me", admin_token, NULL);
	askf(&r, "PATCH", admin_token, "{\"disabled\":true}", "/v1/users/%s", text(&me, "id"));
	expect(&r, 409, "refused");
	askf(&s, "PATCH", admin_token, "{\"role\":\"user\"}", "/v1/users/%s", text(&me, "id"));
	expect(&s, 409, "refused");
	ask(&t, "POST", "/v1/users", admin_token, "{\"name\":\"BOB\"}");
	expect(&t, 409, "conflict");
}

static void
disabled_is_out_at_once(void **state)
{
	char token[TOKEN_STR_LEN];
	auto_reply me, r, gone, login;
	make_user("dora", token);
	ask(&me, "GET", "/v1/users/me", token, NULL);
	expect(&me, 200, NULL);
	askf(&r, "PATCH", admin_token, "{\"disabled\":true}", "/v1/users/%s", text(&me, "id"));
	expect(&r, 200, NULL);
	ask(&gone, "GET", "/v1/users/me", token, NULL);
	expect(&gone, 401, "unauthenticated");
	ask(&login, "POST", "/v1/session", NULL,
	    "{\"name\":\"dora\",\"password\":\"" USER_PASSWORD "\"}");
	expect(&login, 401, "bad_login");
}

static void
password_change_ends_other_sessions(void **state)
{
	char one[TOKEN_STR_LEN];
	auto_reply two, wrong, weak, ok, first, second;
	make_user("paul", one);
	ask(&two, "POST", "/v1/session", NULL,
	    "{\"name\":\"paul\",\"password\":\"" USER_PASSWORD "\"}");
	expect(&two, 200, NULL);
	int64_t before = events(EVENT_LOGIN_FAILED);
	ask(&wrong, "POST", "/v1/users/me/password", one,
	    "{\"old\":\"nope\",\"new\":\"new password 1\"}");
	expect(&wrong, 401, "bad_login");
	assert_int_equal(events(EVENT_LOGIN_FAILED), before + 1);
	ask(&weak, "POST", "/v1/users/me/password", one,
	    "{\"old\":\"" USER_PASSWORD "\",\"new\":\"short\"}");
	expect(&weak, 400, "weak_password");
	ask(&ok, "POST", "/v1/users/me/password", one,
	    "{\"old\":\"" USER_PASSWORD "\",\"new\":\"new password 1\"}");
	expect(&ok, 204, NULL);
	ask(&first, "GET", "/v1/session", one, NULL);
	expect(&first, 200, NULL);
	ask(&second, "GET", "/v1/session", text(&two, "token"), NULL);
	expect(&second, 401, "unauthenticated");
}

static void
people_are_told_once(void **state)
{
	static const char login[] = "{\"name\":\"nora\",\"password\":\"" USER_PASSWORD "\"}";
	char token[TOKEN_STR_LEN];
	auto_reply me, r, first, second;
	make_user("nora", token);
	ask(&me, "GET", "/v1/users/me", token, NULL);
	askf(&r, "PATCH", admin_token, "{\"name\":\"nora\",\"disabled\":false}", "/v1/users/%s",
	     text(&me, "id"));
	expect(&r, 200, NULL);
	ask(&first, "POST", "/v1/session", NULL, login);
	expect(&first, 200, NULL);
	assert_int_equal(json_array_size(at(&first, "notices")), 2);
	assert_non_null(strstr(buf_str(&first.body), "\"what\":\"renamed\""));
	assert_non_null(strstr(buf_str(&first.body), "\"what\":\"enabled\""));
	assert_string_equal(text(&first, "last_login.address"), "203.0.113.5");
	ask(&second, "POST", "/v1/session", NULL, login);
	expect(&second, 200, NULL);
	assert_int_equal(json_array_size(at(&second, "notices")), 0);
}

static void
second_factor_round(void **state)
{
	char token[TOKEN_STR_LEN], body[1024], code[7];
	uint8_t secret[TOTP_SECRET_BYTES];
	struct err e = { 0 };
	auto_reply begin, bad, good, login, removed;
	make_user("tom", token);
	ask(&begin, "POST", "/v1/users/me/totp", token, "{\"password\":\"" USER_PASSWORD "\"}");
	expect(&begin, 200, NULL);
	assert_non_null(strstr(text(&begin, "uri"), text(&begin, "secret")));
	/* The phone's side: base32 of the secret back to bytes. */
	const char *s = text(&begin, "secret");
	for (unsigned i = 0, bits = 0, have = 0, n = 0; s[i] && n < sizeof(secret); i++) {
		bits = bits << 5 | (unsigned)(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", s[i]) -
					      "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
		for (have += 5; have >= 8; have -= 8)
			secret[n++] = (uint8_t)(bits >> (have - 8));
	}
	snprintf(body, sizeof(body),
		 "{\"password\":\"" USER_PASSWORD "\",\"pending\":\"%s\",\"code\":\"000000\"}",
		 text(&begin, "pending"));
	ask(&bad, "POST", "/v1/users/me/totp", token, body);
	assert_int_equal(totp_code(secret, clock_now_us() / 1000000, code, &e), 0);
	if (strcmp(code, "000000"))
		expect(&bad, 401, "bad_login");
	snprintf(body, sizeof(body),
		 "{\"password\":\"" USER_PASSWORD "\",\"pending\":\"%s\",\"code\":\"%s\"}",
		 text(&begin, "pending"), code);
	ask(&good, "POST", "/v1/users/me/totp", token, body);
	expect(&good, 200, NULL);
	ask(&login, "POST", "/v1/session", NULL,
	    "{\"name\":\"tom\",\"password\":\"" USER_PASSWORD "\"}");
	expect(&login, 401, "second_factor");
	/* The code that confirmed it is used up; the next step's is in the window. */
	assert_int_equal(totp_code(secret, clock_now_us() / 1000000 + 30, code, &e), 0);
	snprintf(body, sizeof(body), "{\"password\":\"" USER_PASSWORD "\",\"code\":\"%s\"}", code);
	ask(&removed, "DELETE", "/v1/users/me/totp", token, body);
	expect(&removed, 204, NULL);
}

static void
foreign_pages_cannot_use_the_cookie(void **state)
{
	static const struct {
		const char *fetch_site, *origin;
		int status;
	} rows[] = {
		{ NULL, NULL, 403 },
		{ "cross-site", NULL, 403 },
		{ "same-site", NULL, 403 },
		{ "none", "https://a.test:7272", 403 },
		{ "same-origin", NULL, 201 },
		{ NULL, "https://evil.test", 403 },
		{ NULL, "https://a.test:7272", 201 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_reply r;
		char body[64];
		snprintf(body, sizeof(body), "{\"name\":\"csrf %zu\"}", i);
		struct request *rq = make(&r, "POST", "/v1/resources", NULL, body);
		rq->cookie = user_token;
		rq->fetch_site = rows[i].fetch_site;
		rq->origin = rows[i].origin;
		hand_in(rq);
		expect(&r, rows[i].status, NULL);
	}
}

/* ---- secrets ---- */

static void
retrieval_is_logged_before_it_is_answered(void **state)
{
	char resource[UUID_STR_LEN], account[UUID_STR_LEN];
	auto_reply r;
	make_account("retr1", resource, account);
	int64_t before = events(EVENT_RETRIEVED);
	askf(&r, "POST", user_token, "{\"reason\":\"because\"}", "/v1/accounts/%s/retrieve",
	     account);
	expect(&r, 200, NULL);
	assert_int_equal(events(EVENT_RETRIEVED), before + 1);
	assert_string_equal(text(&r, "fields.password"), "s3cret \"q\" \xc3\xa4");
	assert_string_equal(text(&r, "fields.pin"), "1");
	assert_string_equal(text(&r, "resource.name"), "retr1");
	assert_int_equal(json_integer_value(at(&r, "version")), 1);
	assert_string_equal(r.durability, "local");
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE body LIKE '%s3cret%'"),
			 0);
}

static void
what_is_not_shared_does_not_exist(void **state)
{
	char resource[UUID_STR_LEN], account[UUID_STR_LEN];
	auto_reply a, b, c, d, f;
	make_account("hidden1", resource, account);
	int64_t before = events(EVENT_FORBIDDEN);
	askf(&a, "POST", admin_token, "{}", "/v1/accounts/%s/retrieve", account);
	expect(&a, 404, "not_found");
	askf(&b, "GET", admin_token, NULL, "/v1/resources/%s", resource);
	expect(&b, 404, "not_found");
	assert_int_equal(events(EVENT_FORBIDDEN), before + 2);
	/* What really is not there is no event: nobody was kept from anything. */
	askf(&c, "POST", admin_token, "{}", "/v1/accounts/%s/retrieve", resource);
	expect(&c, 404, "not_found");
	askf(&d, "POST", admin_token, "{}", "/v1/accounts/%s/retrieve", "x");
	expect(&d, 404, "not_found");
	assert_int_equal(events(EVENT_FORBIDDEN), before + 2);
	ask(&f, "GET", "/v1/resources?q=hidden1", admin_token, NULL);
	assert_int_equal(json_array_size(at(&f, "resources")), 0);
}

static void
share_gives_its_level_and_no_more(void **state)
{
	char resource[UUID_STR_LEN], account[UUID_STR_LEN], guest[TOKEN_STR_LEN];
	auto_reply grant, get, list, put, again, modify, withdraw, gone;
	make_account("shared1", resource, account);
	make_user("guest", guest);
	askf(&grant, "POST", user_token, "{\"user\":\"guest\",\"level\":\"view\"}",
	     "/v1/accounts/%s/shares", account);
	expect(&grant, 200, NULL);
	askf(&get, "POST", guest, "{}", "/v1/accounts/%s/retrieve", account);
	expect(&get, 200, NULL);
	ask(&list, "GET", "/v1/resources", guest, NULL);
	assert_int_equal(json_array_size(at(&list, "resources")), 1);
	assert_true(json_is_null(at(&list, "resources.0.level")));
	assert_string_equal(text(&list, "resources.0.accounts.0.level"), "view");
	askf(&put, "POST", guest, "{\"fields\":{\"password\":\"n\"}}", "/v1/accounts/%s/versions",
	     account);
	expect(&put, 403, "forbidden");
	askf(&again, "POST", guest, "{\"user\":\"guest\",\"level\":\"manage\"}",
	     "/v1/accounts/%s/shares", account);
	expect(&again, 403, "forbidden");
	askf(&modify, "POST", user_token, "{\"user\":\"guest\",\"level\":\"modify\"}",
	     "/v1/resources/%s/shares", resource);
	expect(&modify, 200, NULL);
	auto_reply put2;
	askf(&put2, "POST", guest, "{\"fields\":{\"password\":\"n\"}}", "/v1/accounts/%s/versions",
	     account);
	expect(&put2, 201, NULL);
	askf(&withdraw, "DELETE", user_token, NULL, "/v1/resources/%s/shares/guest", resource);
	expect(&withdraw, 204, NULL);
	auto_reply withdraw2;
	askf(&withdraw2, "DELETE", user_token, NULL, "/v1/accounts/%s/shares/guest", account);
	expect(&withdraw2, 204, NULL);
	askf(&gone, "POST", guest, "{}", "/v1/accounts/%s/retrieve", account);
	expect(&gone, 404, "not_found");
}

static void
check_and_set_keeps_both_writers_honest(void **state)
{
	char resource[UUID_STR_LEN], account[UUID_STR_LEN];
	auto_reply late, history, old;
	struct reply both[2];
	make_account("cas1", resource, account);
	/* Two at once upon the same version: one wins, one is told. */
	for (int i = 0; i < 2; i++) {
		char target[128];
		snprintf(target, sizeof(target), "/v1/accounts/%s/versions", account);
		api_on_request(api, make(&both[i], "POST", target, user_token,
					 "{\"fields\":{\"password\":\"two\"},\"if_version\":1}"));
	}
	while (!both[0].done || !both[1].done)
		uv_run(&x->loop, UV_RUN_ONCE);
	assert_int_equal(both[0].status + both[1].status, 201 + 409);
	for (int i = 0; i < 2; i++)
		reply_done(&both[i]);
	askf(&late, "POST", user_token, "{\"fields\":{\"password\":\"x\"},\"if_version\":1}",
	     "/v1/accounts/%s/versions", account);
	expect(&late, 409, "version_conflict");
	askf(&history, "GET", user_token, NULL, "/v1/accounts/%s/versions", account);
	assert_int_equal(json_array_size(at(&history, "versions")), 2);
	assert_string_equal(text(&history, "versions.0.author.name"), "bob");
	assert_null(strstr(buf_str(&history.body), "sealed"));
	askf(&old, "POST", user_token, "{\"version\":1}", "/v1/accounts/%s/retrieve", account);
	assert_string_equal(text(&old, "fields.pin"), "1");
}

/* Neighbours in one batch do not suffer for the one that is refused. */
static void
same_name_at_once_is_refused_once(void **state)
{
	enum { N = 40 };
	static struct reply r[N];
	int made = 0, refused = 0;
	for (int i = 0; i < N; i++) {
		char body[64];
		snprintf(body, sizeof(body), "{\"name\":\"race %d\"}", i / 2);
		api_on_request(api, make(&r[i], "POST", "/v1/resources", user_token, body));
	}
	for (int i = 0; i < N; i++) {
		while (!r[i].done)
			uv_run(&x->loop, UV_RUN_ONCE);
		made += r[i].status == 201;
		refused += r[i].status == 409;
		reply_done(&r[i]);
	}
	assert_int_equal(made, N / 2);
	assert_int_equal(refused, N / 2);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM resource WHERE name LIKE 'race %'"),
			 N / 2);
}

/* More at once than there are fibers: they wait for their turn, and none is lost. */
static void
burst_beyond_the_fibers_is_served(void **state)
{
	enum { N = 6000 };
	struct reply *r = calloc(N, sizeof(*r));
	assert_non_null(r);
	for (int i = 0; i < N; i++)
		api_on_request(api, make(&r[i], "GET", "/v1/session", user_token, NULL));
	for (int i = 0; i < N; i++) {
		while (!r[i].done)
			uv_run(&x->loop, UV_RUN_ONCE);
		assert_int_equal(r[i].status, 200);
		reply_done(&r[i]);
	}
	free(r);
}

static void
ha_says_little_to_users_and_nothing_to_strangers(void **state)
{
	auto_reply stranger, user, near;
	ask(&stranger, "GET", "/v1/ha", NULL, NULL);
	expect(&stranger, 401, "unauthenticated");
	ask(&user, "GET", "/v1/ha", user_token, NULL);
	expect(&user, 200, NULL);
	assert_string_equal(text(&user, "state"), "single");
	struct request *rq = make(&near, "GET", "/v1/ha", NULL, NULL);
	rq->loopback = true;
	hand_in(rq);
	expect(&near, 200, NULL);
}

/* The headers alone, of a body of that length; -1: it is not said. */
static void
knock(struct reply *r, const char *method, const char *target, const char *token, int64_t length)
{
	struct request *rq = make(r, method, target, token, NULL);
	rq->chunked = length < 0;
	rq->content_length = length < 0 ? 0 : length;
	api_on_head(api, rq);
	while (!r->done)
		uv_run(&x->loop, UV_RUN_ONCE);
}

/* H17: no body that may be large is let in before its session, and its sender's right, are known. */
static void
large_bodies_wait_for_the_session(void **state)
{
	static const char *const targets[] = {
		"/v1/import?format=plain",
		"/v1/accounts/01890000-0000-7000-8000-000000000000/versions",
	};
	static const int64_t lengths[] = { SERVER_UNCHECKED_MAX + 1, -1 };
	char nobody[TOKEN_STR_LEN];
	memset(nobody, 'A', sizeof(nobody) - 1);
	nobody[sizeof(nobody) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		for (size_t k = 0; k < ARRAY_LEN(lengths); k++) {
			auto_reply none, other, user;
			knock(&none, "POST", targets[i], NULL, lengths[k]);
			expect(&none, 401, "unauthenticated");
			knock(&other, "POST", targets[i], nobody, lengths[k]);
			expect(&other, 401, "unauthenticated");
			assert_false(none.known || other.known);
			knock(&user, "POST", targets[i], user_token, lengths[k]);
			assert_true(user.admitted && user.known);
		}
	}
	auto_reply lost, small, raw, direct;
	knock(&lost, "POST", "/v1/nowhere", user_token, 20000);
	expect(&lost, 404, "not_found");
	/* small JSON is read beside the checks; what is no JSON never is */
	knock(&small, "POST", targets[1], nobody, SERVER_UNCHECKED_MAX);
	assert_true(small.admitted);
	assert_false(small.known);
	knock(&raw, "POST", targets[0], nobody, 10);
	expect(&raw, 401, "unauthenticated");
	/* who has shown a session is known by any request */
	ask(&direct, "GET", "/v1/session", user_token, NULL);
	assert_true(direct.known);
}

static void
failed_login_makes_nobody_known(void **state)
{
	auto_reply bad, good;
	ask(&bad, "POST", "/v1/session", NULL,
	    "{\"name\":\"" ADMIN "\",\"password\":\"not it at all\"}");
	expect(&bad, 401, "bad_login");
	assert_false(bad.known);
	ask(&good, "POST", "/v1/session", NULL,
	    "{\"name\":\"" ADMIN "\",\"password\":\"" ADMIN_PASSWORD "\"}");
	expect(&good, 200, NULL);
	assert_true(good.known);
}

/* A sealed row that was moved to another account does not open there. */
static void
rows_cannot_be_swapped(void **state)
{
	char resource[UUID_STR_LEN], account[2][UUID_STR_LEN], sql[512];
	auto_reply r;
	make_account("swap1", resource, account[0]);
	make_account("swap2", resource, account[1]);
	snprintf(sql, sizeof(sql),
		 "UPDATE version SET sealed = (SELECT sealed FROM version WHERE account = '%s') "
		 "WHERE account = '%s'",
		 account[0], account[1]);
	pgtemp_sql(x->pg, sql);
	askf(&r, "POST", user_token, "{}", "/v1/accounts/%s/retrieve", account[1]);
	expect(&r, 500, "crypto");
	assert_null(strstr(buf_str(&r.body), "s3cret"));
}

static void
reason_can_be_required(void **state)
{
	char resource[UUID_STR_LEN], account[UUID_STR_LEN];
	auto_reply r, s;
	make_account("reason1", resource, account);
	x->settings.reason_required = true;
	askf(&r, "POST", user_token, "{}", "/v1/accounts/%s/retrieve", account);
	askf(&s, "POST", user_token, "{\"reason\":\"audit\"}", "/v1/accounts/%s/retrieve", account);
	x->settings.reason_required = false;
	expect(&r, 400, "bad_field");
	expect(&s, 200, NULL);
}

static void
search_takes_wildcards_as_letters(void **state)
{
	auto_reply a, b, c, d;
	ask(&a, "POST", "/v1/resources", user_token, "{\"name\":\"100% sure_thing\"}");
	expect(&a, 201, NULL);
	ask(&b, "GET", "/v1/resources?q=0%25+sure_", user_token, NULL);
	ask(&c, "GET", "/v1/resources?q=0%25%20sure_", user_token, NULL);
	assert_int_equal(json_array_size(at(&c, "resources")), 1);
	ask(&d, "GET", "/v1/resources?q=1_0%25%20sure", user_token, NULL);
	assert_int_equal(json_array_size(at(&d, "resources")), 0);
}

/* filter: "" or "&q=…"; three a page. */
static void
follow_pages(const char *filter, int least)
{
	char after[64] = "";
	int seen = 0, pages = 0;
	auto_reply all;
	askf(&all, "GET", user_token, NULL, "/v1/resources?limit=200%s", filter);
	int want = (int)json_array_size(at(&all, "resources"));
	do {
		auto_reply r;
		askf(&r, "GET", user_token, NULL, "/v1/resources?limit=3%s%s%s", filter,
		     after[0] ? "&after=" : "", after);
		expect(&r, 200, NULL);
		json_t *rows = at(&r, "resources");
		for (size_t i = 0; i < json_array_size(rows); i++) {
			json_t *same = json_array_get(at(&all, "resources"), (size_t)seen++);
			assert_true(json_equal(json_object_get(json_array_get(rows, i), "id"),
					       json_object_get(same, "id")));
		}
		const char *next = json_string_value(at(&r, "next"));
		snprintf(after, sizeof(after), "%s", next ? next : "");
		pages++;
	} while (after[0]);
	assert_int_equal(seen, want);
	assert_true(pages > least);
}

static void
pages_follow_each_other(void **state)
{
	follow_pages("", 2);
}

/* From the best to what merely has it somewhere. */
static void
pages_of_a_search_follow_each_other(void **state)
{
	static const char *const names[] = { "pager",	"Pager 2",   "old pager", "wallpager",
					     "repager", "the pager", "pagers" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char body[64];
		auto_reply r;
		snprintf(body, sizeof(body), "{\"name\":\"%s\"}", names[i]);
		ask(&r, "POST", "/v1/resources", user_token, body);
		expect(&r, 201, NULL);
	}
	follow_pages("&q=pager", 2);
}

/* ---- audit ---- */

static void
audit_lists_without_secrets_and_verifies(void **state)
{
	auto_reply r, v, next;
	int64_t before = events(EVENT_AUDIT_READ);
	ask(&r, "GET", "/v1/audit?limit=5&kind=version_added", admin_token, NULL);
	expect(&r, 200, NULL);
	assert_int_equal(events(EVENT_AUDIT_READ), before + 1);
	assert_int_equal(json_array_size(at(&r, "events")), 5);
	assert_string_equal(text(&r, "events.0.kind"), "version_added");
	assert_string_equal(text(&r, "events.0.actor.name"), "bob");
	assert_null(strstr(buf_str(&r.body), "sealed"));
	askf(&next, "GET", admin_token, NULL, "/v1/audit?limit=5&kind=version_added&before=%s",
	     text(&r, "next"));
	expect(&next, 200, NULL);
	assert_true(json_integer_value(at(&next, "events.0.seq")) <
		    json_integer_value(at(&r, "events.4.seq")));
	ask(&v, "GET", "/v1/audit/verify", admin_token, NULL);
	expect(&v, 200, NULL);
	assert_true(json_is_true(at(&v, "good")));
}

/* ---- import ---- */

static void
import_tells_what_comes(void **state)
{
	auto_reply good, bad, some, existing, dry;
	int64_t before = fixture_count(x, "SELECT count(*) FROM account");
	ask(&dry, "POST", "/v1/import?dry_run=true", user_token,
	    "resource,login,password\nimp1,root,pw1\nimp1,www,pw2\n\nIMP1,ROOT,pw2\n");
	expect(&dry, 200, NULL);
	assert_int_equal(json_integer_value(at(&dry, "accounts")), 2);
	assert_int_equal(json_integer_value(at(&dry, "skipped")), 1);
	assert_int_equal(json_integer_value(at(&dry, "lines.2.line")), 5);
	assert_string_equal(text(&dry, "lines.2.why"), "the same resource and login as line 2");
	ask(&bad, "POST", "/v1/import?all_or_nothing=true", user_token,
	    "resource,login,password\nimp1,root,pw1\nimp2,root\n");
	expect(&bad, 400, "bad_field");
	assert_memory_equal(text(&bad, "error.detail"), "line 3: ", 8);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM account"), before);
	ask(&good, "POST", "/v1/import?format=plain", user_token,
	    "Resource,Login,Password,URL,Notes,Safe\nimp1,root,\"p,\"\"w\",https://"
	    "imp1.test,n,7\nimp1,www,b,https://other.test,,\n");
	expect(&good, 200, NULL);
	assert_int_equal(json_integer_value(at(&good, "resources")), 1);
	ask(&existing, "POST", "/v1/import", user_token, "resource,login,password\nimp1,Root,x\n");
	expect(&existing, 200, NULL);
	assert_int_equal(json_integer_value(at(&existing, "skipped")), 1);
	ask(&some, "POST", "/v1/import", user_token,
	    "resource,login,password\nimp3,root,x\nimp3,b\n");
	expect(&some, 200, NULL);
	assert_int_equal(json_integer_value(at(&some, "accounts")), 1);
	assert_int_equal(json_integer_value(at(&some, "refused")), 1);
	auto_reply list, fields;
	ask(&list, "GET", "/v1/resources?name=IMP1", user_token, NULL);
	assert_string_equal(text(&list, "resources.0.url"), "https://imp1.test");
	askf(&fields, "POST", user_token, "{}", "/v1/accounts/%s/retrieve",
	     text(&list, "resources.0.accounts.0.id"));
	assert_string_equal(text(&fields, "fields.password"), "p,\"w");
	assert_string_equal(text(&fields, "fields.Safe"), "7");
	assert_string_equal(text(&fields, "fields.notes"), "n");
	auto_reply other;
	askf(&other, "POST", user_token, "{}", "/v1/accounts/%s/retrieve",
	     text(&list, "resources.0.accounts.1.id"));
	assert_string_equal(text(&other, "fields.url"), "https://other.test");
}

/* Under its id an import is done once; who stopped it is sure that it is not done later. */
static void
import_is_done_once_under_its_id(void **state)
{
	static const char stored[] = "01976b33-0000-7000-8000-00000000aaaa",
			  stopped[] = "01976b33-0000-7000-8000-00000000bbbb",
			  rows[] = "resource,login,password\nonce,root,x\n";
	auto_reply first, again, told, theirs, late, unknown, stop;
	askf(&unknown, "GET", user_token, NULL, "/v1/import/%s", stored);
	assert_string_equal(text(&unknown, "state"), "unknown");
	askf(&first, "POST", user_token, rows, "/v1/import?id=%s", stored);
	expect(&first, 200, NULL);
	assert_string_equal(text(&first, "id"), stored);
	int64_t events = fixture_count(x, "SELECT count(*) FROM event WHERE kind = :IMPORTED");
	askf(&again, "POST", user_token, rows, "/v1/import?id=%s", stored);
	expect(&again, 200, NULL);
	assert_string_equal(text(&again, "state"), "stored");
	assert_int_equal(json_integer_value(at(&again, "accounts")), 1);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :IMPORTED"),
			 events);
	askf(&told, "DELETE", user_token, NULL, "/v1/import/%s", stored);
	assert_string_equal(text(&told, "state"), "stored");
	assert_int_equal(json_integer_value(at(&told, "accounts")), 1);
	/* Somebody else learns nothing of it. */
	askf(&theirs, "GET", admin_token, NULL, "/v1/import/%s", stored);
	assert_string_equal(text(&theirs, "state"), "unknown");
	askf(&stop, "DELETE", user_token, NULL, "/v1/import/%s", stopped);
	expect(&stop, 200, NULL);
	assert_string_equal(text(&stop, "state"), "stopped");
	askf(&late, "POST", user_token, "resource,login,password\nlate,root,x\n",
	     "/v1/import?id=%s", stopped);
	expect(&late, 409, "conflict");
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM resource WHERE name = 'late'"), 0);
}

static void
import_reads_keepassxc(void **state)
{
	auto_reply r, list;
	ask(&r, "POST", "/v1/import", user_token,
	    "\"Group\",\"Title\",\"Username\",\"Password\",\"URL\",\"Notes\",\"TOTP\",\"Icon\","
	    "\"Last "
	    "Modified\",\"Created\"\n"
	    "\"Root\",\"kx1\",\"u\",\"p\",\"https://"
	    "kx1.test\",\"two\nlines\",\"\",\"0\",\"2026-01-01T00:00:00Z\",\"2026-01-01T00:00:"
	    "00Z\"\n"
	    "\"Root/Net/Core\",\"kx1\",\"\",\"p2\",\"\",\"\",\"otpauth://totp/"
	    "x\",\"0\",\"\",\"\"\n");
	expect(&r, 200, NULL);
	assert_int_equal(json_integer_value(at(&r, "resources")), 2);
	ask(&list, "GET", "/v1/resources?name=net/core/KX1", user_token, NULL);
	assert_string_equal(text(&list, "resources.0.name"), "Net/Core/kx1");
}

static void
import_of_10000_accounts(void **state)
{
	auto_buf csv = BUF_INIT;
	auto_reply r;
	buf_adds(&csv, "resource,login,password\n");
	for (int i = 0; i < 10000; i++)
		buf_addf(&csv, "bulk %d,login,password of %d\n", i, i);
	int64_t from = clock_mono_ms();
	ask(&r, "POST", "/v1/import", user_token, buf_str(&csv));
	int64_t took = clock_mono_ms() - from;
	expect(&r, 200, NULL);
	print_message("10,000 accounts in %lld ms\n", (long long)took);
	assert_int_equal(json_integer_value(at(&r, "accounts")), 10000);
	assert_int_equal(
		fixture_count(x,
			      "SELECT count(*) FROM version v JOIN account a ON a.id = v.account "
			      "WHERE a.current_n = v.n AND a.login = 'login'"),
		10000);
}

/* ---- the node and the pair ---- */

static void
health_is_true_to_the_core(void **state)
{
	auto_reply good, stuck, back, why;
	ask(&good, "GET", "/v1/sys/health", NULL, NULL);
	expect(&good, 200, NULL);
	assert_string_equal(text(&good, "mode"), "primary");
	clock_sleep_ms(1700); /* nobody runs the loop */
	ask(&stuck, "GET", "/v1/sys/health", NULL, NULL);
	expect(&stuck, 503, NULL);
	for (int i = 0; i < 5; i++)
		uv_run(&x->loop, UV_RUN_ONCE);
	ask(&back, "GET", "/v1/sys/health", NULL, NULL);
	expect(&back, 200, NULL);
	x->v.health.serving = false;
	strcpy(x->v.health.why, "the disk is full");
	auto_reply refused;
	ask(&refused, "GET", "/v1/resources", user_token, NULL);
	for (int i = 0; i < 3; i++) {
		clock_sleep_ms(60);
		uv_run(&x->loop, UV_RUN_ONCE);
	}
	ask(&why, "GET", "/v1/sys/health", NULL, NULL);
	x->v.health.serving = true;
	x->v.health.why[0] = '\0';
	for (int i = 0; i < 3; i++) {
		clock_sleep_ms(60);
		uv_run(&x->loop, UV_RUN_ONCE);
	}
	expect(&why, 503, NULL);
	assert_string_equal(text(&why, "why"), "the disk is full");
	expect(&refused, 503, "not_serving");
	assert_string_equal(text(&refused, "error.detail"), "the disk is full");
}

static void
metrics_are_for_loopback_or_token(void **state)
{
	auto_reply no, wrong, yes, near;
	ask(&no, "GET", "/v1/metrics", NULL, NULL);
	expect(&no, 403, "forbidden");
	strcpy(x->settings.metrics_token, "prometheus");
	ask(&wrong, "GET", "/v1/metrics", "prometheux", NULL);
	expect(&wrong, 403, "forbidden");
	ask(&yes, "GET", "/v1/metrics", "prometheus", NULL);
	expect(&yes, 200, NULL);
	assert_non_null(strstr(buf_str(&yes.body), "\nholdfast_retrievals_total "));
	x->settings.metrics_token[0] = '\0';
	struct request *rq = make(&near, "GET", "/v1/metrics", NULL, NULL);
	rq->loopback = true;
	hand_in(rq);
	expect(&near, 200, NULL);
}

/* H1: where the primary is, and nothing else – whoever asks for whatever. */
static void
standby_redirects_and_reveals_nothing(void **state)
{
	auto_reply known, unknown, login, health, reseed;
	set_state(HA_STANDBY);
	auto_reply body;
	knock(&body, "POST", "/v1/import?format=plain", user_token, 1 << 20);
	expect(&body, 307, "standby");
	ask(&known, "GET", "/v1/resources?q=a%26b%20c&limit=3", user_token, NULL);
	ask(&unknown, "GET", "/v1/resources?q=a%26b%20c&limit=3", NULL, NULL);
	ask(&login, "POST", "/v1/session", NULL, "{\"name\":\"bob\",\"password\":\"wrong\"}");
	ask(&health, "GET", "/v1/sys/health", NULL, NULL);
	set_state(HA_RESEED);
	ask(&reseed, "GET", "/v1/resources", user_token, NULL);
	set_state(HA_SINGLE);
	expect(&known, 307, "standby");
	assert_string_equal(known.location, "https://p.test:7272/v1/resources?q=a%26b%20c&limit=3");
	assert_string_equal(known.mode, "standby");
	assert_string_equal(buf_str(&known.body), buf_str(&unknown.body));
	expect(&login, 307, "standby");
	assert_string_equal(buf_str(&known.body), buf_str(&login.body));
	expect(&health, 429, NULL);
	expect(&reseed, 503, "not_serving");
}

/* A state event as vaultd writes it into this node's log. */
static void
log_says(enum event_kind kind, const char *body, bool own)
{
	struct event ev = { .node = x->v.node, .kind = kind, .address = "", .body = body };

	if (!own)
		ev.node.b[15] ^= 1;
	age_limit_on_event(&x->v, &ev);
}

/* H5: past max_emergency_age nothing is given out until an administrator unlocks this outage; then everything as before. */
static void
old_data_is_locked(const char *account, const char *token)
{
	auto_reply none, refused, user, unlocked, good, bad_body, again;

	ask(&none, "POST", "/v1/ha/unlock", admin_token, "{}");
	expect(&none, 409, "refused");
	x->settings.max_emergency_age = 3600000;
	askf(&refused, "POST", token, "{}", "/v1/accounts/%s/retrieve", account);
	expect(&refused, 403, "emergency_too_old");
	assert_non_null(strstr(text(&refused, "error.detail"), "2026-01-01T00:00:00.000000Z"));
	assert_non_null(strstr(text(&refused, "error.detail"), "60 min"));
	assert_non_null(strstr(text(&refused, "error.detail"), "holdfast ha unlock"));
	assert_string_equal(refused.as_of, "2026-01-01T00:00:00.000000Z");
	ask(&user, "POST", "/v1/ha/unlock", token, "{}");
	expect(&user, 403, "forbidden");
	ask(&bad_body, "POST", "/v1/ha/unlock", admin_token, "{\"why\":1}");
	expect(&bad_body, 400, "bad_field");
	ask(&unlocked, "POST", "/v1/ha/unlock", admin_token, "{\"reason\":\"fire\"}");
	expect(&unlocked, 200, NULL);
	assert_string_equal(unlocked.durability, "journal");
	askf(&good, "POST", token, "{}", "/v1/accounts/%s/retrieve", account);
	expect(&good, 200, NULL);
	/* It goes on while the journal goes home, and behind a fall of the service; another node's log says nothing of it. */
	log_says(EVENT_HA_STATE, "{\"to\":\"merging\"}", true);
	log_says(EVENT_HA_STATE, "{\"to\":\"standby\"}", false);
	log_says(EVENT_NODE_STARTED, "{\"state\":\"emergency\"}", true);
	assert_true(x->v.unlocked);
	log_says(EVENT_HA_STATE, "{\"to\":\"standby\"}", true);
	assert_false(x->v.unlocked);
	askf(&again, "POST", token, "{}", "/v1/accounts/%s/retrieve", account);
	expect(&again, 403, "emergency_too_old");
	log_says(EVENT_EMERGENCY_UNLOCKED, "{}", false);
	assert_false(x->v.unlocked);
	log_says(EVENT_EMERGENCY_UNLOCKED, "{}", true);
	assert_true(x->v.unlocked);
	log_says(EVENT_NODE_STARTED, "{\"state\":\"standby\"}", true);
	assert_false(x->v.unlocked);
	for (int s = 0; s < HA_STATE_COUNT; s++) {
		bool outage = s == HA_EMERGENCY || s == HA_MERGING || s == HA_PROMOTING ||
			      s == HA_DUPLICATE;

		x->v.unlocked = true;
		age_limit_on_state(&x->v, (enum ha_state)s);
		assert_int_equal(x->v.unlocked, outage);
	}
	x->v.unlocked = false;
	x->settings.max_emergency_age = 0;
}

/* Where changes are allowed in emergency is for administrators to say. */
static void
emergency_policy_is_for_administrators(void **state)
{
	static const char path[] = "/v1/policy/emergency-changes";
	char resource[UUID_STR_LEN], account[UUID_STR_LEN];
	auto_reply user, on, got, word, nobody, everywhere, back, list, none;
	make_account("policy1", resource, account);
	int64_t before = events(EVENT_EMERGENCY_POLICY);
	ask(&user, "PUT", path, user_token, "{\"state\":\"on\"}");
	expect(&user, 403, "forbidden");
	ask(&on, "PUT", path, admin_token, "{\"state\":\"on\",\"resource\":\"POLICY1\"}");
	expect(&on, 200, NULL);
	ask(&got, "GET", "/v1/policy", admin_token, NULL);
	expect(&got, 200, NULL);
	assert_string_equal(text(&got, "emergency_changes.everywhere"), "off");
	assert_string_equal(text(&got, "emergency_changes.resources.0.resource.id"), resource);
	assert_string_equal(text(&got, "emergency_changes.resources.0.state"), "on");
	ask(&word, "PUT", path, admin_token, "{\"state\":\"perhaps\"}");
	expect(&word, 400, "bad_field");
	ask(&nobody, "PUT", path, admin_token, "{\"state\":\"on\",\"resource\":\"no such\"}");
	expect(&nobody, 400, "bad_field");
	ask(&everywhere, "PUT", path, admin_token, "{\"state\":\"inherit\"}");
	expect(&everywhere, 400, "bad_field");
	ask(&back, "PUT", path, admin_token, "{\"state\":\"inherit\",\"resource\":\"policy1\"}");
	expect(&back, 200, NULL);
	assert_int_equal(events(EVENT_EMERGENCY_POLICY), before + 2);
	ask(&list, "GET", "/v1/changes", user_token, NULL);
	expect(&list, 200, NULL);
	askf(&none, "POST", admin_token, "{\"approve\":true}", "/v1/changes/%s", account);
	expect(&none, 404, "not_found");
}

/* H5, H6, H7: reads go on and are in the journal before they are answered; nothing else does; while the journal goes
 * home, a session that is only in it is served on, others are sent to the primary. Last of all tests: the
 * journal of a single node has no home. */
static void
emergency_reads_and_refuses_changes(void **state)
{
	char resource[UUID_STR_LEN], account[UUID_STR_LEN];
	auto_reply login, get, put, version, health, mine, write, others, stranger, home;
	make_account("emerg1", resource, account);
	int64_t before = events(EVENT_RETRIEVED);
	set_state(HA_EMERGENCY);
	auto_reply body;
	knock(&body, "POST", "/v1/import?format=plain", user_token, 1 << 20);
	expect(&body, 403, "emergency_read_only");
	ask(&login, "POST", "/v1/session", NULL,
	    "{\"name\":\"bob\",\"password\":\"" USER_PASSWORD "\"}");
	expect(&login, 200, NULL);
	assert_string_equal(login.durability, "journal");
	const char *token = text(&login, "token");
	askf(&get, "POST", token, "{}", "/v1/accounts/%s/retrieve", account);
	expect(&get, 200, NULL);
	assert_string_equal(get.mode, "emergency");
	assert_string_equal(get.as_of, "2026-01-01T00:00:00.000000Z");
	assert_string_equal(get.durability, "journal");
	assert_string_equal(text(&get, "fields.pin"), "1");
	assert_int_equal(events(EVENT_RETRIEVED), before);
	ask(&put, "POST", "/v1/resources", token, "{\"name\":\"never\"}");
	expect(&put, 403, "emergency_read_only");
	askf(&version, "POST", token, "{\"fields\":{\"pin\":\"2\"}}", "/v1/accounts/%s/versions",
	     account);
	expect(&version, 403, "emergency_read_only");
	ask(&health, "GET", "/v1/sys/health", NULL, NULL);
	expect(&health, 200, NULL);
	assert_string_equal(text(&health, "mode"), "emergency");
	old_data_is_locked(account, token);

	set_state(HA_MERGING);
	askf(&mine, "POST", token, "{}", "/v1/accounts/%s/retrieve", account);
	expect(&mine, 200, NULL);
	assert_string_equal(mine.mode, "emergency");
	ask(&write, "POST", "/v1/resources", token, "{\"name\":\"never\"}");
	expect(&write, 403, "emergency_read_only");
	askf(&others, "POST", user_token, "{}", "/v1/accounts/%s/retrieve", account);
	expect(&others, 307, "standby");
	ask(&stranger, "POST", "/v1/session", NULL,
	    "{\"name\":\"bob\",\"password\":\"" USER_PASSWORD "\"}");
	expect(&stranger, 307, "standby");
	ask(&home, "GET", "/v1/sys/health", NULL, NULL);
	expect(&home, 429, NULL);
}

/* H14: to unlock is answered in each state as the table of orders has it; where nobody is served, so that its giver asks the next node. */
static void
unlocking_is_answered_in_each_state(void **state)
{
	struct err e = { 0 };

	x->settings.max_emergency_age = 3600000;
	for (int i = 0; i < HA_STATE_COUNT; i++) {
		enum ha_state s = (enum ha_state)i;
		auto_reply user, r;

		set_state(s);
		bool logs = state_row(s)->writes != WRITES_NOWHERE;
		ask(&user, "POST", "/v1/ha/unlock", user_token, "{}");
		expect(&user, logs ? 403 : 503, logs ? "forbidden" : "not_serving");
		ask(&r, "POST", "/v1/ha/unlock", admin_token, "{}");
		if (!order_check("unlock", s, "", &e)) {
			expect(&r, 200, NULL);
			continue;
		}
		bool elsewhere = state_row(s)->health_status == 503;
		expect(&r, elsewhere ? 503 : 409, elsewhere ? "not_serving" : "refused");
		assert_string_equal(text(&r, "error.detail"), e.text);
	}
	set_state(HA_SINGLE);
	x->v.unlocked = false;
	x->settings.max_emergency_age = 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strangers_get_nothing),
		cmocka_unit_test(login_gives_session_cookie_and_nodes),
		cmocka_unit_test(missing_right_is_refused_and_written_down),
		cmocka_unit_test(setup_token_works_once),
		cmocka_unit_test(nobody_locks_themselves_out),
		cmocka_unit_test(disabled_is_out_at_once),
		cmocka_unit_test(password_change_ends_other_sessions),
		cmocka_unit_test(people_are_told_once),
		cmocka_unit_test(second_factor_round),
		cmocka_unit_test(foreign_pages_cannot_use_the_cookie),
		cmocka_unit_test(retrieval_is_logged_before_it_is_answered),
		cmocka_unit_test(what_is_not_shared_does_not_exist),
		cmocka_unit_test(share_gives_its_level_and_no_more),
		cmocka_unit_test(check_and_set_keeps_both_writers_honest),
		cmocka_unit_test(same_name_at_once_is_refused_once),
		cmocka_unit_test(burst_beyond_the_fibers_is_served),
		cmocka_unit_test(ha_says_little_to_users_and_nothing_to_strangers),
		cmocka_unit_test(large_bodies_wait_for_the_session),
		cmocka_unit_test(failed_login_makes_nobody_known),
		cmocka_unit_test(rows_cannot_be_swapped),
		cmocka_unit_test(reason_can_be_required),
		cmocka_unit_test(search_takes_wildcards_as_letters),
		cmocka_unit_test(pages_follow_each_other),
		cmocka_unit_test(pages_of_a_search_follow_each_other),
		cmocka_unit_test(audit_lists_without_secrets_and_verifies),
		cmocka_unit_test(import_tells_what_comes),
		cmocka_unit_test(import_is_done_once_under_its_id),
		cmocka_unit_test(import_reads_keepassxc),
		cmocka_unit_test(import_of_10000_accounts),
		cmocka_unit_test(health_is_true_to_the_core),
		cmocka_unit_test(metrics_are_for_loopback_or_token),
		cmocka_unit_test(standby_redirects_and_reveals_nothing),
		cmocka_unit_test(emergency_policy_is_for_administrators),
		cmocka_unit_test(emergency_reads_and_refuses_changes),
		cmocka_unit_test(unlocking_is_answered_in_each_state),
	};
	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
