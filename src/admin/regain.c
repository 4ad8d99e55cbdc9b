/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/regain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "admin/keycheck.h"
#include "admin/keyhost.h"
#include "base/clock.h"
#include "base/name.h"
#include "base/statepage.h"
#include "base/secret.h"
#include "ledger/recover.h"
#include "pg/cluster.h"
#include "store/db.h"
#include "vault/user.h"

#define WAIT_MS 20000
#define POLL_MS 50

/* ---- checks, before anything is asked for ---- */

static int
check_state(const struct home *h, struct err *e)
{
	char path[HOME_PATH_MAX];
	struct statepage_quick q;
	struct statepage *p;

	home_path(h, HOME_STATE, path);
	bool runs = access(path, F_OK) == 0 || errno != ENOENT;
	int rc = runs ? statepage_open(path, &p, e) : 0;
	if (rc)
		return rc;
	if (runs) {
		q = statepage_quick(p);
		statepage_free(p);
		runs = clock_mono_ms() - q.beat_mono_ms <= STATEPAGE_BEAT_MAX_MS;
	}
	if (!runs)
		return err_set(
			e, ERR_UNREACHABLE,
			"this node does not run: start it (holdfast serve), then repeat; only a "
			"running node can write this to its log");
	if (state_serves(q.state) == SERVES_EVERYONE)
		return 0;
	return err_set(
		e, ERR_PRECONDITION,
		"this node is not the serving primary (its state is %s): run this on the "
		"primary's machine; `holdfast ha status` names it. If that is lost for good, make "
		"this node the primary first: holdfast ha promote",
		state_name(q.state));
}

static int
say_several(const struct rows *r, const char *user, struct err *e)
{
	auto_buf list = BUF_INIT;
	char suffix[NAME_SUFFIX_LEN];
	struct uuid id;

	for (int i = 0; i < rows_count(r); i++) {
		row_uuid(r, i, COL_RECOVER_USER_ID, &id);
		name_suffix(&id, suffix);
		buf_addf(&list, "%s%s%s", i ? ", " : "", user, suffix);
	}
	return err_set(e, ERR_PRECONDITION, "more than one user has this name; say which: %s",
		       buf_str(&list));
}

static int
check_user(const struct rows *r, const char *user, struct err *e)
{
	if (rows_count(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no user \"%s\"", user);
	if (rows_count(r) > 1)
		return say_several(r, user, e);
	const char *name = row_text(r, 0, COL_RECOVER_USER_NAME);
	if (row_bool(r, 0, COL_RECOVER_USER_STANDBY))
		return err_set(
			e, ERR_PRECONDITION,
			"this node is a secondary: run this on the machine of the primary, %s",
			row_text(r, 0, COL_RECOVER_USER_PRIMARY_NAME));
	if (!row_bool(r, 0, COL_RECOVER_USER_ADMINISTRATOR))
		return err_set(e, ERR_PRECONDITION,
			       "%s is not an administrator; any administrator can let them in "
			       "again: holdfast user reset",
			       name);
	if (row_bool(r, 0, COL_RECOVER_USER_DISABLED) &&
	    row_bigint(r, 0, COL_RECOVER_USER_OTHERS) > 0)
		return err_set(
			e, ERR_PRECONDITION,
			"%s is disabled, and another administrator can enable them: holdfast user "
			"enable",
			name);
	return 0;
}

static struct db *
connect_to(const struct home *h, struct err *e)
{
	auto_buf conninfo = BUF_INIT;

	cluster_conninfo(h, "holdfast", &conninfo);
	const struct db_options o = { .conninfo = buf_str(&conninfo),
				      .application = "holdfast admin recover" };
	return db_open(&o, e);
}

static int
read_user(struct db *d, const char *user, struct rows **ret, struct err *e)
{
	const char *suffix = name_find_suffix(user);
	auto_buf plain = BUF_INIT;
	auto_binds b = BINDS_INIT;

	buf_add(&plain, user, suffix ? (size_t)(suffix - user) : 0);
	bind_text(&b, user);
	bind_text(&b, buf_str(&plain));
	bind_text(&b, suffix ? suffix + 1 : "");
	return db_exec(d, NULL, STMT_RECOVER_USER, &b, ret, e);
}

/* ---- asking ---- */

/* With a keyd of our own, which has read the key file. */
static int
make_token(struct keys *k, struct recover *r, struct regain_result *ret, struct buf *body,
	   struct err *e)
{
	uint8_t token[TOKEN_BYTES];

	token_new(token);
	r->until_us = clock_now_us() + TOKEN_SETUP_HOURS * INT64_C(3600000000);
	int rc = user_setup_mac(k, NULL, &r->user, token, r->setup_mac, e);
	if (!rc)
		rc = recover_body(k, NULL, r, body, e);
	if (!rc)
		token_str(token, ret->token);
	secret_wipe(token, sizeof(token));
	ret->until_us = r->until_us;
	return rc;
}

static int
with_keys(const struct home *h, const char *key_file, struct recover *r, struct regain_result *ret,
	  struct buf *body, struct err *e)
{
	int control = -1, fd = -1;
	int rc = keyhost_start(h, key_file, &control, &fd, e);

	if (rc)
		return rc;
	struct keys *k = keys_new(NULL, fd);
	rc = make_token(k, r, ret, body, e);
	keys_free(k);
	keyhost_stop(control);
	return rc;
}

static int
look(struct db *d, int64_t id, const struct recover *r, bool *ret_waits, bool *ret_done,
     struct err *e)
{
	char mac[2 * KEYS_HASH_BYTES + 1];
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;

	for (size_t i = 0; i < KEYS_HASH_BYTES; i++)
		snprintf(mac + 2 * i, 3, "%02x", r->setup_mac[i]);
	bind_bigint(&b, id);
	bind_uuid(&b, &r->user);
	bind_text(&b, mac);
	int rc = db_exec(d, NULL, STMT_RECOVER_LOOK, &b, &rows, e);
	if (rc)
		return rc;
	*ret_waits = row_bool(rows, 0, COL_RECOVER_LOOK_WAITS);
	*ret_done = row_bool(rows, 0, COL_RECOVER_LOOK_DONE);
	return 0;
}

/* What waited in vain must not come true later, when nobody has the token. */
static int
withdraw(struct db *d, int64_t id, const struct recover *r, struct err *e)
{
	auto_binds b = BINDS_INIT;
	bool waits, done;

	bind_bigint(&b, id);
	int rc = db_exec(d, NULL, STMT_RECOVER_WITHDRAW, &b, NULL, e);
	if (!rc)
		rc = look(d, id, r, &waits, &done, e);
	if (rc)
		return rc;
	return done ? 0
		    : err_set(e, ERR_TIMEOUT,
			      "the vault did not write this to the log within %d s, and nothing "
			      "was changed: is it serving? (holdfast ha status)",
			      WAIT_MS / 1000);
}

static int
wait_for_writer(struct db *d, int64_t id, const struct recover *r, struct err *e)
{
	int64_t until = clock_mono_ms() + WAIT_MS;

	for (;; clock_sleep_ms(POLL_MS)) {
		bool waits = true, done = false;
		int rc = look(d, id, r, &waits, &done, e);

		if (rc || done)
			return rc;
		if (!waits)
			return err_set(
				e, ERR_REFUSED,
				"the vault refused it, and nothing was changed; its log says why");
		if (clock_mono_ms() > until)
			return withdraw(d, id, r, e);
	}
}

static int
ask(struct db *d, const struct recover *r, const struct buf *body, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;

	bind_uuid(&b, &r->user);
	bind_text(&b, buf_str(body));
	int rc = db_exec(d, NULL, STMT_RECOVER_ASK, &b, &rows, e);
	return rc ? rc : wait_for_writer(d, row_bigint(rows, 0, COL_RECOVER_ASK_ID), r, e);
}

static int
regain_with(struct db *d, const struct home *h, const char *key_file, const char *user,
	    struct recover *r, struct regain_result *ret, struct err *e)
{
	auto_buf body = BUF_INIT;
	auto_rows rows = NULL;
	int rc = read_user(d, user, &rows, e);

	if (!rc)
		rc = check_user(rows, user, e);
	if (rc)
		return rc;
	row_uuid(rows, 0, COL_RECOVER_USER_ID, &r->user);
	r->name = row_text(rows, 0, COL_RECOVER_USER_NAME);
	r->knew = row_null(rows, 0, COL_RECOVER_USER_KNEW)
			  ? ""
			  : row_text(rows, 0, COL_RECOVER_USER_KNEW);
	r->enable = ret->enabled = row_bool(rows, 0, COL_RECOVER_USER_DISABLED);
	snprintf(ret->name, sizeof(ret->name), "%s", r->name);
	rc = with_keys(h, key_file, r, ret, &body, e);
	return rc ? rc : ask(d, r, &body, e);
}

int
regain_run(const struct home *h, const char *key_file, const char *user, struct regain_result *ret,
	   struct err *e)
{
	struct recover r = { .uid = getuid() };
	struct keycheck_result key;
	int rc = check_state(h, e);

	if (!rc)
		rc = keycheck_run(h, key_file, &key, e);
	if (rc)
		return rc;
	struct db *d = connect_to(h, e);
	if (!d)
		return e->code;
	rc = regain_with(d, h, key.key_file, user, &r, ret, e);
	db_free(d);
	if (rc)
		secret_wipe(ret->token, sizeof(ret->token));
	return rc;
}
