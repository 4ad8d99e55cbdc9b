/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/orderer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/keys.h"
#include "crypto/password.h"
#include "crypto/totp.h"
#include "ha/order_words.h"
#include "store/db.h"

#define KEYS_MS 2000	  /* a keyd that does not answer for so long is none */
#define KEYS_COME_MS 5000 /* so long another connection to it is waited for */
#define RETRY_MS 500
#define STEPS                                                                                      \
	64 /* users whose last code is remembered: more than order within the life of a code */
#define ADMINISTRATOR "administrator"

/* The last code of a user. */
struct step {
	struct uuid user;
	int64_t step;
};

struct orderer {
	char *conninfo;
	pthread_mutex_t turn; /* whoever checks a claim */
	struct keys *keys;    /* theirs */
	struct step steps[STEPS];
	unsigned next, wrong; /* wrong: in a row */
	int64_t closed_until_ms;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t came;
	int keys_fd; /* to be taken over, -1 none */
	bool wanted;
	int64_t asked_ms;
};

/* ---- what there is ---- */

static const char *const names[] = { "promote", "switchover", "remove", "emergency on",
				     "emergency off" };

const char *
orderer_name(unsigned i)
{
	return i < ARRAY_LEN(names) ? names[i] : NULL;
}

int
orderer_find(const char *order, const char **ret_verb, const char **ret_with, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct order_goal *g = order_goal(names[i]);

		if (strcmp(names[i], order) != 0)
			continue;
		*ret_verb = g ? g->verb : names[i];
		*ret_with = g ? g->with : "";
		return 0;
	}
	return err_set(e, ERR_USAGE, "the console knows no order \"%s\"", order);
}

/* ---- keyd ---- */

void
orderer_attach(struct orderer *o, int keys_fd)
{
	struct timeval patience = { .tv_sec = KEYS_MS / 1000 };

	setsockopt(keys_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(keys_fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	pthread_mutex_lock(&o->lock);
	if (o->keys_fd >= 0)
		close(o->keys_fd);
	o->keys_fd = keys_fd;
	o->wanted = false;
	pthread_cond_broadcast(&o->came);
	pthread_mutex_unlock(&o->lock);
}

bool
orderer_lost_keys(struct orderer *o, int64_t now_ms, bool *ret_ask)
{
	pthread_mutex_lock(&o->lock);
	bool wanted = o->wanted;
	*ret_ask = wanted && now_ms - o->asked_ms >= RETRY_MS;
	if (*ret_ask)
		o->asked_ms = now_ms;
	pthread_mutex_unlock(&o->lock);
	return wanted;
}

/* The agent's loop asks the supervisor for a connection. */
static int
await_keys(struct orderer *o)
{
	struct timespec until;
	int fd, timed_out = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += KEYS_COME_MS / 1000;
	pthread_mutex_lock(&o->lock);
	o->wanted = o->keys_fd < 0;
	while (o->keys_fd < 0 && !timed_out)
		timed_out = pthread_cond_clockwait(&o->came, &o->lock, CLOCK_MONOTONIC, &until);
	o->wanted = false;
	fd = o->keys_fd;
	o->keys_fd = -1;
	pthread_mutex_unlock(&o->lock);
	return fd;
}

static int
have_keys(struct orderer *o, struct err *e)
{
	int fd;

	if (o->keys && keys_available(o->keys))
		return 0;
	fd = await_keys(o);
	if (fd < 0)
		return err_set(e, ERR_KEYS_UNAVAILABLE,
			       "the key process does not answer: nothing "
			       "was ordered");
	keys_free(o->keys);
	o->keys = keys_new(NULL, fd);
	return 0;
}

/* ---- the user ---- */

struct giver {
	char *name, *role, *hash; /* hash NULL: none */
	bool disabled;
	struct buf totp; /* sealed; empty: none */
	int64_t totp_step;
};

static void
giver_done(struct giver *g)
{
	free(g->name);
	free(g->role);
	free(g->hash);
	buf_done(&g->totp);
}

static int
read_row(struct db *db, const struct uuid *user, struct giver *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	const void *totp;
	size_t n;
	int rc;

	bind_uuid(&b, user);
	rc = db_exec(db, NULL, STMT_ORDER_GIVER, &b, &r, e);
	if (rc)
		return rc;
	if (!rows_count(r))
		return err_set(e, ERR_FORBIDDEN, "there is no such user");
	ret->name = mem_dup(row_text(r, 0, COL_ORDER_GIVER_NAME));
	ret->role = mem_dup(row_text(r, 0, COL_ORDER_GIVER_ROLE));
	ret->disabled = row_bool(r, 0, COL_ORDER_GIVER_DISABLED);
	ret->totp_step = row_bigint(r, 0, COL_ORDER_GIVER_TOTP_STEP);
	if (!row_null(r, 0, COL_ORDER_GIVER_PASSWORD_HASH))
		ret->hash = mem_dup(row_text(r, 0, COL_ORDER_GIVER_PASSWORD_HASH));
	if (!row_null(r, 0, COL_ORDER_GIVER_TOTP_SEALED)) {
		totp = row_bytea(r, 0, COL_ORDER_GIVER_TOTP_SEALED, &n);
		buf_add(&ret->totp, totp, n);
	}
	return 0;
}

static int
read_giver(struct orderer *o, const struct uuid *user, struct giver *ret, struct err *e)
{
	auto_buf info = BUF_INIT;
	struct db_options opt = { .application = "holdfast orders" };
	struct db *db;
	int rc;

	buf_addf(&info, "%s connect_timeout=3 options='-c statement_timeout=3000'", o->conninfo);
	opt.conninfo = buf_str(&info);
	db = db_open(&opt, e);
	if (!db)
		return e->code;
	rc = read_row(db, user, ret, e);
	db_free(db);
	return rc;
}

/* ---- what they showed ---- */

/* As a log-in does (vault/session.h): in the one form, or as it was typed. */
static int
fits(struct orderer *o, const struct uuid *user, const char *text, const char *hash, bool *ret,
     struct err *e)
{
	uint8_t prehash[KEYS_HASH_BYTES];
	auto_buf b = BUF_INIT;
	int rc;

	buf_add(&b, user->b, sizeof(user->b));
	buf_adds(&b, text);
	rc = keys_mac(o->keys, NULL, KEYS_PEPPER, b.data, b.len, prehash, e);
	*ret = !rc && password_verify(hash, prehash);
	secret_wipe(prehash, sizeof(prehash));
	return rc;
}

static int
check_password(struct orderer *o, const struct orderer_claim *c, const struct giver *g,
	       struct err *e)
{
	auto_buf prepared = BUF_INIT;
	const char *hash = g->hash ? g->hash : password_dummy();
	bool right;
	int rc;

	password_prepare(c->password, &prepared);
	rc = fits(o, &c->user, buf_str(&prepared), hash, &right, e);
	if (!rc && !right && strcmp(buf_str(&prepared), c->password) != 0)
		rc = fits(o, &c->user, c->password, hash, &right, e);
	if (rc)
		return rc;
	return right && g->hash ? 0 : err_set(e, ERR_BAD_LOGIN, "the password is wrong");
}

static int64_t *
step_of(struct orderer *o, const struct uuid *user)
{
	for (size_t i = 0; i < STEPS; i++) {
		if (uuid_eq(&o->steps[i].user, user))
			return &o->steps[i].step;
	}
	o->steps[o->next] = (struct step){ .user = *user };
	int64_t *ret = &o->steps[o->next].step;
	o->next = (o->next + 1) % STEPS;
	return ret;
}

static int
check_code(struct orderer *o, const struct orderer_claim *c, const struct giver *g, struct err *e)
{
	int64_t *known = step_of(o, &c->user), now_s = clock_now_us() / 1000000, step;
	uint8_t ad[TOTP_AD_LEN];
	auto_buf secret = BUF_INIT;
	int rc;

	if (!g->totp.len)
		return 0;
	if (!c->code || !c->code[0])
		return err_set(e, ERR_SECOND_FACTOR, "%s", err_info(ERR_SECOND_FACTOR)->text);
	totp_ad(&c->user, ad);
	rc = keys_open(o->keys, NULL, ad, sizeof(ad), g->totp.data, g->totp.len, &secret, e);
	if (!rc && secret.len != TOTP_SECRET_BYTES)
		rc = err_set(e, ERR_CRYPTO, "the second factor's secret has a wrong length");
	if (rc)
		return rc;
	rc = totp_verify((const uint8_t *)secret.data, c->code, now_s,
			 *known > g->totp_step ? *known : g->totp_step, &step);
	if (rc)
		return totp_refused(rc, now_s, e);
	*known = step;
	return 0;
}

/* The role is looked at last: nobody learns it without the password. */
static int
check(struct orderer *o, const struct orderer_claim *c, struct err *e)
{
	FREE_WITH(giver_done) struct giver g = { 0 };
	int rc = have_keys(o, e);

	if (!rc)
		rc = read_giver(o, &c->user, &g, e);
	if (!rc)
		rc = check_password(o, c, &g, e);
	if (!rc && (g.disabled || strcmp(g.role, ADMINISTRATOR) != 0))
		rc = err_set(e, ERR_FORBIDDEN, "only an administrator orders this");
	if (!rc)
		rc = check_code(o, c, &g, e);
	if (!rc)
		log_notice("%s orders from the console: %s%s%s", g.name, c->order,
			   c->node ? " " : "", c->node ? c->node : "");
	return rc;
}

static int
check_open(const struct orderer *o, int64_t now_ms, struct err *e)
{
	if (now_ms >= o->closed_until_ms)
		return 0;
	return err_set(e, ERR_LOCKED_OUT,
		       "too many orders came with a wrong password or code: for %lld s none is "
		       "taken from the console. The command line on this node's machine takes "
		       "them",
		       (long long)((o->closed_until_ms - now_ms + 999) / 1000));
}

static void
count(struct orderer *o, int rc, int64_t now_ms)
{
	if (!rc)
		o->wrong = 0;
	if (rc != ERR_BAD_LOGIN || ++o->wrong < ORDERER_TRIES)
		return;
	o->wrong = 0;
	o->closed_until_ms = now_ms + ORDERER_CLOSED_MS;
	log_warning("%d orders in a row came from the console with a wrong password or code: none "
		    "is taken from there for %d s",
		    ORDERER_TRIES, ORDERER_CLOSED_MS / 1000);
}

int
orderer_prove(struct orderer *o, const struct orderer_claim *c, struct err *e)
{
	int64_t now_ms;
	int rc;

	pthread_mutex_lock(&o->turn);
	now_ms = clock_mono_ms();
	rc = check_open(o, now_ms, e);
	if (!rc) {
		rc = check(o, c, e);
		count(o, rc, now_ms);
	}
	pthread_mutex_unlock(&o->turn);
	return rc;
}

struct orderer *
orderer_new(const char *conninfo)
{
	struct orderer *o = mem_new(sizeof(*o));

	o->conninfo = mem_dup(conninfo);
	o->keys_fd = -1;
	pthread_mutex_init(&o->turn, NULL);
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->came, NULL);
	return o;
}
