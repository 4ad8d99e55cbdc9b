/* SPDX-License-Identifier: Apache-2.0
 *
 * Login and logout. An unknown name costs the same work and locks out in the same way as a known
 * one; what was wrong is in the log, never in the answer.
 */
#include "vault/session_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/fiber_sleep.h"
#include "base/json_out.h"
#include "base/secret.h"
#include "base/source.h"
#include "crypto/password.h"
#include "crypto/totp.h"
#include "ledger/event_body.h"
#include "vault/lockout.h"
#include "vault/record_lock.h"
#include "vault/policy.h"
#include "vault/refusals.h"
#include "vault/withdrawn.h"

/* What the table says of a name: of one who has it. */
struct candidate {
	bool known, shared; /* shared: others have it too */
	const char *why;    /* it is not they who log in; NULL: they were not tried, or it is */
	struct uuid id;	    /* of a name that nobody has: made from it */
	const char *name, *hash, *knew;
	enum role role;
	bool disabled;
	struct buf totp; /* sealed; empty: none */
	struct lockout_of of;
	const char *doing; /* what else than to log in; NULL: nothing */
};

#define FAILED_STEP_MS 100
#define CANDIDATES_MAX 4 /* as many as login_by_name gives */

struct candidates {
	struct candidate v[CANDIDATES_MAX];
	size_t n;
};

static void
candidates_done(struct candidates *all)
{
	for (size_t i = 0; i < all->n; i++)
		buf_done(&all->v[i].totp);
}

static void
wipe_bytes(uint8_t (*p)[TOKEN_BYTES])
{
	secret_wipe(p, sizeof(*p));
}

static void
take_candidate(struct call *c, const struct rows *rows, int i, struct candidate *u)
{
	const void *totp;
	size_t n;

	u->known = true;
	row_uuid(rows, i, COL_LOGIN_BY_NAME_ID, &u->id);
	u->name = arena_strdup(c->a, row_text(rows, i, COL_LOGIN_BY_NAME_NAME));
	u->role = policy_role(row_text(rows, i, COL_LOGIN_BY_NAME_ROLE));
	u->disabled = row_bool(rows, i, COL_LOGIN_BY_NAME_DISABLED) ||
		      withdrawn_user(c->v->withdrawn, &u->id);
	u->hash = row_null(rows, i, COL_LOGIN_BY_NAME_PASSWORD_HASH)
			  ? NULL
			  : arena_strdup(c->a, row_text(rows, i, COL_LOGIN_BY_NAME_PASSWORD_HASH));
	u->knew = row_null(rows, i, COL_LOGIN_BY_NAME_KNEW)
			  ? NULL
			  : arena_strdup(c->a, row_text(rows, i, COL_LOGIN_BY_NAME_KNEW));
	u->knew = withdrawn_knew(c->v->withdrawn, c->a, &u->id, u->knew);
	if (!row_null(rows, i, COL_LOGIN_BY_NAME_TOTP_SEALED)) {
		totp = row_bytea(rows, i, COL_LOGIN_BY_NAME_TOTP_SEALED, &n);
		buf_add(&u->totp, totp, n);
	}
	u->shared = row_bool(rows, i, COL_LOGIN_BY_NAME_SHARED);
	u->of = lockout_user(c->v->sessions->lockout, &u->id, c->who.address);
	u->of.totp_step = row_bigint(rows, i, COL_LOGIN_BY_NAME_TOTP_STEP);
	u->of.all.failed = row_int(rows, i, COL_LOGIN_BY_NAME_FAILED);
	u->of.all.failed_us = row_time(rows, i, COL_LOGIN_BY_NAME_FAILED_AT);
	u->of.factor = u->totp.len > 0;
}

/* How often it failed from where the caller is, and whether the user ever came from there: only asked where it may matter. */
static int
find_here(struct call *c, struct candidate *u, struct err *e)
{
	char network[SOURCE_TEXT_LEN];
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	int rc;

	lockout_recall(c->v->sessions->lockout, &u->of);
	if (!u->known || u->of.all.failed < c->v->settings->lockout_after || !c->who.address ||
	    !source_network(c->who.address, network))
		return 0;
	bind_uuid(&b, &u->id);
	bind_text(&b, network);
	rc = db_exec(vault_reader(c->v), c->f, STMT_LOGIN_FROM, &b, &rows, e);
	if (rc)
		return rc;
	u->of.came = row_bool(rows, 0, COL_LOGIN_FROM_CAME);
	if (row_int(rows, 0, COL_LOGIN_FROM_FAILED) > u->of.here.failed)
		u->of.here.failed = row_int(rows, 0, COL_LOGIN_FROM_FAILED);
	if (!u->of.here.failed_us && !row_null(rows, 0, COL_LOGIN_FROM_FAILED_AT))
		u->of.here.failed_us = row_time(rows, 0, COL_LOGIN_FROM_FAILED_AT);
	return 0;
}

/* One at least: a name that nobody has is tried like any. */
static int
find(struct call *c, const char *name, struct candidates *ret, struct err *e)
{
	auto_rows rows = NULL;
	struct candidate *u = ret->v;
	int rc;

	rc = policy_by_name(c, STMT_LOGIN_BY_NAME, name, &rows, e);
	if (rc)
		return rc;
	assert(rows_count(rows) <= CANDIDATES_MAX);
	for (int i = 0; i < rows_count(rows); i++)
		take_candidate(c, rows, i, &ret->v[ret->n++]);
	if (!ret->n) {
		u->of = lockout_name(c->v->sessions->lockout, name, c->who.address);
		memcpy(u->id.b, u->of.all.key, sizeof(u->id.b));
		ret->n = 1;
	}
	for (size_t i = 0; i < ret->n && !rc; i++)
		rc = find_here(c, &ret->v[i], e);
	return rc;
}

/* People type passwords into name fields: a name that nobody has is logged as a keyed hash. */
static int
failed_body(struct call *c, const struct candidate *u, const char *name, const char *why,
	    struct buf *body, struct err *e)
{
	uint8_t mac[KEYS_HASH_BYTES];
	struct json_out w;

	json_out_init(&w, body);
	json_out_object(&w, NULL);
	if (u->known) {
		json_out_text(&w, "name", u->name);
	} else {
		int rc = keys_mac(c->v->keys, c->f, KEYS_SESSION, name, strlen(name), mac, e);

		if (rc)
			return rc;
		event_body_hex(&w, "name_hash", mac, 8);
	}
	json_out_text(&w, "why", why);
	if (u->doing)
		json_out_text(&w, "doing", u->doing);
	json_out_end_object(&w);
	return 0;
}

/* Whether an event of its own says so. What is counted has no actor, so that it is no failure of whoever has the name. */
static bool
take_refusal(const struct call *c, const struct candidate *u, const char *why, bool summed)
{
	struct refusal x = {
		.kind = EVENT_LOGIN_FAILED, .address = c->who.address, .what = why, .summed = summed
	};

	if (u->known)
		x.object = u->id;
	return refusals_take(c->v->refusals, &x);
}

/* The failure is in the log before it is answered, since the log is what counts them, but of names that nobody has, which may be many; the memory counts on from
 * what the table said. */
static int
fail(struct call *c, const struct candidate *u, const char *name, const char *why, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct event ev = { .kind = EVENT_LOGIN_FAILED,
			    .address = c->who.address ? c->who.address : "" };
	int rc;

	lockout_sync(c->v->sessions->lockout, &u->of);
	if (!u->known) {
		lockout_fail(c->v->sessions->lockout, &u->of);
		if (!take_refusal(c, u, why, false))
			return err_set(e, ERR_BAD_LOGIN, "%s", err_info(ERR_BAD_LOGIN)->text);
	}
	rc = failed_body(c, u, name, why, &body, e);
	if (rc)
		return rc;
	if (u->known)
		ev.actor = ev.object = u->id;
	ev.body = vault_body(c, buf_str(&body));
	rc = ledger_append(c->v->ledger, c->f, &ev, 1, &c->durability, e);
	return rc ? rc : err_set(e, ERR_BAD_LOGIN, "%s", err_info(ERR_BAD_LOGIN)->text);
}

/* The password was right, so more can be said than in other failures. */
static int
fail_code(struct call *c, const struct candidate *u, const char *name, int verified, struct err *e)
{
	int rc = fail(c, u, name, verified == ERR_EXISTS ? "code used before" : "code", e);

	return rc == ERR_BAD_LOGIN ? totp_refused(verified, clock_now_us() / 1000000, e) : rc;
}

/* 0 and the step, ERR_SECOND_FACTOR, ERR_BAD_LOGIN, ERR_EXISTS (a used one), or why the secret could not be opened. */
static int
check_code(struct call *c, const struct candidate *u, const char *code, int64_t *ret_step,
	   struct err *e)
{
	uint8_t ad[TOTP_AD_LEN];
	auto_buf secret = BUF_INIT;
	int rc;

	if (!u->totp.len)
		return 0;
	if (!code || !code[0])
		return err_set(e, ERR_SECOND_FACTOR, "%s", err_info(ERR_SECOND_FACTOR)->text);
	totp_ad(&u->id, ad);
	rc = keys_open(c->v->keys, c->f, ad, sizeof(ad), u->totp.data, u->totp.len, &secret, e);
	if (rc)
		return rc;
	if (secret.len != TOTP_SECRET_BYTES)
		return err_set(e, ERR_CRYPTO, "the second factor's secret has a wrong length");
	return totp_verify((const uint8_t *)secret.data, code, clock_now_us() / 1000000,
			   u->of.totp_step, ret_step);
}

/* Whether it is they: 0; or ERR_BAD_LOGIN, and u->why. */
static int
try(struct call *c, struct candidate *u, const char *password, struct err *e)
{
	int rc = session_verify_password(c, &u->id, password, u->hash, e);

	if (rc && rc != ERR_BAD_LOGIN)
		return rc;
	if (!u->known)
		u->why = "unknown";
	else if (rc)
		u->why = u->hash ? "password" : "no password is set yet";
	else if (u->disabled)
		u->why = "disabled";
	return u->why ? ERR_BAD_LOGIN : 0;
}

static int
login(struct call *c, const struct candidate *u, const char *name, const char *code,
      struct session_begun *ret, struct err *e)
{
	struct session_of of = { u->id, u->name, u->role, -1, u->knew };
	int rc = check_code(c, u, code, &of.totp_step, e);

	if (rc == ERR_BAD_LOGIN || rc == ERR_EXISTS)
		return fail_code(c, u, name, rc, e);
	if (!rc)
		rc = session_begin(c, &of, ret, e);
	if (!rc)
		ret->shared = u->shared;
	return rc;
}

/* It was nobody's password: a failure of each who was tried. locked: what is said when nobody was. */
static int
fail_all(struct call *c, const struct candidates *all, const char *name, const struct err *locked,
	 struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < all->n && (!rc || rc == ERR_BAD_LOGIN); i++)
		if (all->v[i].why)
			rc = fail(c, &all->v[i], name, all->v[i].why, e);
	if (!rc) {
		*e = *locked;
		rc = locked->code;
	}
	return rc;
}

/* Whose password it is. That the same one is not another's who has the name tells nothing, and is no failure. */
static int
login_any(struct call *c, struct candidates *all, const char *name, const char *password,
	  const char *code, struct session_begun *ret, struct err *e)
{
	struct err locked = { 0 };

	for (size_t i = 0; i < all->n; i++) {
		struct candidate *u = &all->v[i];
		int rc;

		if (lockout_check(c->v->settings, &u->of, &locked)) {
			take_refusal(c, u, "locked out", true);
			continue;
		}
		rc = try(c, u, password, e);
		if (!rc)
			return login(c, u, name, code, ret, e);
		if (rc != ERR_BAD_LOGIN)
			return rc;
	}
	return fail_all(c, all, name, &locked, e);
}

/* One by one from each source, so that each sees the failures of those before it. However much of its suffix is given: it is one name. */
static int
take_turn(struct call *c, const char *name, struct record_lock **ret, struct err *e)
{
	const char *plain = name, *tail;
	struct uuid id;

	policy_split_suffix(c->a, name, &plain, &tail);
	id = lockout_turn(c->v->sessions->lockout, plain, c->who.address);
	if (record_lock_waiting(c->v->record_locks, &id) >= SESSION_LOGIN_QUEUE)
		return err_set(e, ERR_LOCKED_OUT,
			       "too many logins with this name at once; wait and try again");
	*ret = record_lock_take(c->v->record_locks, c->f, &id);
	return 0;
}

/* Whether the log was waited for tells whether somebody has the name: failures are answered at full steps of time alone. */
static void
even_out(struct call *c, int64_t began_ms)
{
	int64_t took = clock_mono_ms() - began_ms;

	fiber_sleep_ms(c->v->loop, c->f, (unsigned)(FAILED_STEP_MS - took % FAILED_STEP_MS));
}

int
session_login(struct call *c, const char *name, const char *password, const char *code,
	      struct session_begun *ret, struct err *e)
{
	FREE_WITH(candidates_done) struct candidates all = { 0 };
	auto_record_lock turn = NULL;
	int64_t began_ms = clock_mono_ms();
	int rc;

	if (!name[0] || strlen(name) > SESSION_NAME_MAX || strlen(password) > SESSION_PASSWORD_MAX)
		return err_set(e, ERR_BAD_LOGIN, "%s", err_info(ERR_BAD_LOGIN)->text);
	rc = take_turn(c, name, &turn, e);
	if (rc)
		return rc;
	rc = find(c, name, &all, e);
	if (!rc)
		rc = login_any(c, &all, name, password, code, ret, e);
	if (rc == ERR_BAD_LOGIN || rc == ERR_LOCKED_OUT)
		even_out(c, began_ms);
	return rc;
}

/* ---- once more, before a change ---- */

/* The caller, as the table has them. */
static int
find_caller(struct call *c, struct candidate *u, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	const void *totp;
	size_t n;
	int rc;

	bind_uuid(&b, &c->who.user);
	rc = db_exec(vault_reader(c->v), c->f, STMT_USER_SECRETS, &b, &rows, e);
	if (rc)
		return rc;
	if (!rows_count(rows))
		return err_set(e, ERR_NOT_FOUND, "there is no such user");
	u->known = true;
	u->id = c->who.user;
	u->name = arena_strdup(c->a, row_text(rows, 0, COL_USER_SECRETS_NAME));
	u->hash = row_null(rows, 0, COL_USER_SECRETS_PASSWORD_HASH)
			  ? NULL
			  : arena_strdup(c->a, row_text(rows, 0, COL_USER_SECRETS_PASSWORD_HASH));
	if (!row_null(rows, 0, COL_USER_SECRETS_TOTP_SEALED)) {
		totp = row_bytea(rows, 0, COL_USER_SECRETS_TOTP_SEALED, &n);
		buf_add(&u->totp, totp, n);
	}
	u->of = lockout_user(c->v->sessions->lockout, &u->id, c->who.address);
	u->of.totp_step = row_bigint(rows, 0, COL_USER_SECRETS_TOTP_STEP);
	u->of.all.failed = row_int(rows, 0, COL_USER_SECRETS_FAILED);
	u->of.all.failed_us = row_time(rows, 0, COL_USER_SECRETS_FAILED_AT);
	u->of.factor = u->totp.len > 0;
	return find_here(c, u, e);
}

static int
prove(struct call *c, struct candidate *u, const struct session_proof *p, int64_t *ret_step,
      struct err *e)
{
	int rc = lockout_check(c->v->settings, &u->of, e);

	if (rc)
		take_refusal(c, u, "locked out", true);
	else
		rc = try(c, u, p->password, e);
	if (rc == ERR_BAD_LOGIN) {
		rc = fail(c, u, u->name, u->why, e);
		return rc == ERR_BAD_LOGIN ? err_set(e, rc, "the password is wrong") : rc;
	}
	if (!rc)
		rc = check_code(c, u, p->code, ret_step, e);
	return rc == ERR_BAD_LOGIN || rc == ERR_EXISTS ? fail_code(c, u, u->name, rc, e) : rc;
}

int
session_prove(struct call *c, const struct session_proof *p, struct record_lock **ret_turn,
	      int64_t *ret_step, struct err *e)
{
	FREE_WITH(candidates_done) struct candidates one = { .n = 1 };
	auto_record_lock turn = NULL;
	int64_t step = -1;
	int rc = take_turn(c, c->who.name, &turn, e);

	one.v[0].doing = p->doing;
	if (!rc)
		rc = find_caller(c, &one.v[0], e);
	if (!rc)
		rc = prove(c, &one.v[0], p, &step, e);
	if (rc)
		return rc;
	*ret_step = step;
	*ret_turn = TAKE(turn);
	return 0;
}

static void
login_body(struct buf *body, const struct session_begun *s,
	   const uint8_t mac[static KEYS_HASH_BYTES], const struct session_of *of)
{
	struct json_out w;

	json_out_init(&w, body);
	json_out_object(&w, NULL);
	json_out_uuid(&w, "session", s->session.b);
	event_body_hex(&w, "mac", mac, KEYS_HASH_BYTES);
	json_out_time(&w, "expires", s->expires_us);
	if (of->totp_step >= 0)
		json_out_int(&w, "totp_step", of->totp_step);
	if (of->knew)
		json_out_text(&w, "knew", of->knew);
	json_out_end_object(&w);
}

int
session_begin(struct call *c, const struct session_of *of, struct session_begun *ret, struct err *e)
{
	struct session_begun s = { .user = of->user, .role = of->role };
	FREE_WITH(wipe_bytes) uint8_t token[TOKEN_BYTES];
	uint8_t mac[KEYS_HASH_BYTES];
	auto_buf body = BUF_INIT;
	struct uuid nobody = c->who.user;
	int rc;

	token_new(token);
	rc = keys_mac(c->v->keys, c->f, KEYS_SESSION, token, sizeof(token), mac, e);
	if (rc)
		return rc;
	uuid_new(&s.session);
	s.expires_us = clock_now_us() + c->v->settings->session_max * 1000;
	login_body(&body, &s, mac, of);
	c->who.user = of->user;
	struct event ev = policy_event(c, EVENT_LOGIN, &of->user, buf_str(&body));
	rc = policy_append(c, &ev, 1, e);
	if (rc) {
		c->who.user = nobody;
		return rc;
	}
	s.name = arena_strdup(c->a, of->name);
	c->who.session = s.session;
	c->who.name = s.name;
	c->who.role = of->role;
	c->who.journal_only = c->durability == LEDGER_JOURNAL;
	s.at = (struct session_place){ .chain = ev.node, .seq = ev.seq };
	token_str(token, s.token);
	*ret = s;
	secret_wipe(&s, sizeof(s));
	return 0;
}

struct event
session_ending(const struct call *c, const struct uuid *user, struct buf *body)
{
	struct json_out w;

	json_out_init(&w, body);
	json_out_object(&w, NULL);
	json_out_uuid(&w, "keep",
		      uuid_eq(user, &c->who.user) ? &c->who.session : &(struct uuid){ 0 });
	json_out_end_object(&w);
	return policy_event(c, EVENT_SESSIONS_ENDED, user, buf_str(body));
}

int
session_end_all(struct call *c, const struct uuid *user, struct err *e)
{
	auto_buf body = BUF_INIT;
	int rc = withdrawn_room(c->v->withdrawn, e);

	if (rc)
		return rc;
	struct event ev = session_ending(c, user, &body);
	return policy_append(c, &ev, 1, e);
}

int
session_end(struct call *c, struct err *e)
{
	return vault_append(c, EVENT_LOGOUT, &c->who.session, "{}", e);
}
