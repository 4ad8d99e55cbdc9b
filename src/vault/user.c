/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/user.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/secret.h"
#include "crypto/password.h"
#include "crypto/totp.h"
#include "ledger/event_body.h"
#include "vault/lists.h"
#include "vault/withdrawn.h"

#define US_PER_S 1000000LL

/* One lock for whatever may leave the vault without an administrator. */
static const struct uuid administrators_gate = { { 1 } };

int
user_setup_mac(struct keys *k, struct fiber *f, const struct uuid *user,
	       const uint8_t token[static TOKEN_BYTES], uint8_t ret[static KEYS_HASH_BYTES],
	       struct err *e)
{
	uint8_t in[sizeof(user->b) + TOKEN_BYTES];
	memcpy(in, user->b, sizeof(user->b));
	memcpy(in + sizeof(user->b), token, TOKEN_BYTES);
	int rc = keys_mac(k, f, KEYS_SETUP, in, sizeof(in), ret, e);
	secret_wipe(in, sizeof(in));
	return rc;
}

static void
write_setup(struct json_out *w, const uint8_t mac[static KEYS_HASH_BYTES], int64_t until_us)
{
	event_body_hex(w, "setup_mac", mac, KEYS_HASH_BYTES);
	json_out_time(w, "setup_until", until_us);
}

void
user_created_body(struct buf *out, const char *name, const char *role,
		  const uint8_t mac[static KEYS_HASH_BYTES], int64_t until_us)
{
	struct json_out w;
	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "name", name);
	json_out_text(&w, "role", role);
	write_setup(&w, mac, until_us);
	json_out_end_object(&w);
}

/* The endings that a row names (query/ending.sql); "": there are none. */
static const char *
knew_of(struct arena *a, const struct rows *r, int i, int column)
{
	return row_null(r, i, column) ? "" : arena_strdup(a, row_text(r, i, column));
}

/* ---- reading ---- */

static void
write_user(const struct call *c, struct json_out *out, const char *name, const struct rows *r,
	   int i)
{
	struct uuid id;
	row_uuid(r, i, COL_USER_ROW_ID, &id);
	json_out_object(out, name);
	json_out_uuid(out, "id", &id);
	json_out_text(out, "name", row_text(r, i, COL_USER_ROW_NAME));
	policy_write_suffix(out, &id, row_bool(r, i, COL_USER_ROW_SHARED));
	json_out_text(out, "role", row_text(r, i, COL_USER_ROW_ROLE));
	json_out_bool(out, "disabled",
		      row_bool(r, i, COL_USER_ROW_DISABLED) ||
			      withdrawn_user(c->v->withdrawn, &id));
	json_out_bool(out, "totp", row_bool(r, i, COL_USER_ROW_TOTP));
	json_out_bool(out, "password_set", row_bool(r, i, COL_USER_ROW_PASSWORD_SET));
	json_out_time(out, "created", row_time(r, i, COL_USER_ROW_CREATED));
	json_out_int(out, "owns", row_bigint(r, i, COL_USER_ROW_OWNS));
	json_out_end_object(out);
}

static int
read_by_id(struct call *c, enum stmt s, const struct uuid *id, struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, id);
	int rc = lists_ask(c, s, &b, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no such user");
	*ret = TAKE(r);
	return 0;
}

static int
write_one(struct call *c, const struct uuid *id, const char *name, struct json_out *out,
	  struct err *e)
{
	auto_rows r = NULL;
	int rc = read_by_id(c, STMT_USER_GET, id, &r, e);
	if (rc == 0)
		write_user(c, out, name, r, 0);
	return rc;
}

int
user_get(struct call *c, const struct uuid *id, struct json_out *out, struct err *e)
{
	return write_one(c, id, NULL, out, e);
}

int
user_list(struct call *c, const char *q, const struct policy_page *page, struct json_out *out,
	  struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	const char *place, *tail;
	int rc = policy_place(c, STMT_USER_PLACE, page, &place, e);
	if (rc)
		return rc;
	if (q) /* a suffix is no part of a name */
		policy_split_suffix(c->a, q, &q, &tail);
	if (q)
		bind_text(&b, policy_pattern(c->a, q));
	if (place) {
		policy_bind_page(&b, place, page);
		rc = lists_ask(c, q ? STMT_USER_SEARCH : STMT_USER_PAGE, &b, &r, e);
	}
	if (rc)
		return rc;
	struct uuid last = { 0 };
	int n = r ? rows_count(r) : 0;
	json_out_object(out, NULL);
	json_out_array(out, "users");
	for (int i = 0; i < n && i < page->rows; i++) {
		write_user(c, out, NULL, r, i);
		row_uuid(r, i, COL_USER_ROW_ID, &last);
	}
	json_out_end_array(out);
	json_out_uuid(out, "next", n > page->rows ? &last : &(struct uuid){ 0 });
	json_out_end_object(out);
	return 0;
}

int
user_find(struct call *c, const char *text, struct uuid *ret, const char **ret_name, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct uuid id;
	bool by_id = uuid_parse(text, &id) == 0;
	int rc;
	if (by_id) {
		bind_uuid(&b, &id);
		rc = db_exec(vault_reader(c->v), c->f, STMT_USER_BY_ID, &b, &r, e);
	} else {
		rc = policy_by_name(c, STMT_USER_BY_NAME, text, &r, e);
	}
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no such user");
	if (rows_count(r) > 1)
		return policy_several(r, COL_USER_FOUND_ID, "more than one user has this name", e);
	row_uuid(r, 0, COL_USER_FOUND_ID, ret);
	*ret_name = arena_strdup(c->a, row_text(r, 0, COL_USER_FOUND_NAME));
	return 0;
}

static void
write_node(struct json_out *out, const struct rows *r, int i, bool all)
{
	struct uuid id;
	row_uuid(r, i, COL_USER_NODES_ID, &id);
	json_out_object(out, NULL);
	json_out_uuid(out, "id", &id);
	json_out_text(out, "name", row_text(r, i, COL_USER_NODES_NAME));
	json_out_int(out, "https_port", row_int(r, i, COL_USER_NODES_HTTPS_PORT));
	if (all) {
		json_out_int(out, "pair_port", row_int(r, i, COL_USER_NODES_PAIR_PORT));
		json_out_text(out, "slot",
			      row_null(r, i, COL_USER_NODES_SLOT)
				      ? NULL
				      : row_text(r, i, COL_USER_NODES_SLOT));
		json_out_time(out, "joined", row_time(r, i, COL_USER_NODES_JOINED));
	}
	json_out_text(out, "web_cert",
		      row_null(r, i, COL_USER_NODES_WEB_CERT)
			      ? NULL
			      : row_text(r, i, COL_USER_NODES_WEB_CERT));
	json_out_bool(out, "primary", row_bool(r, i, COL_USER_NODES_IS_PRIMARY));
	json_out_end_object(out);
}

int
user_write_nodes(struct call *c, struct json_out *out, const char *name, bool all, struct err *e)
{
	auto_rows r = NULL;
	int rc = db_exec(vault_reader(c->v), c->f, STMT_USER_NODES, NULL, &r, e);
	if (rc)
		return rc;
	json_out_array(out, name);
	for (int i = 0; i < rows_count(r); i++)
		write_node(out, r, i, all);
	json_out_end_array(out);
	return 0;
}

/* ---- administrators ---- */

/* A fresh set-up token of a user: as text for the person, as keyed hash for the log. */
struct setup {
	char text[TOKEN_STR_LEN];
	uint8_t mac[KEYS_HASH_BYTES];
	int64_t until_us;
};

static int
new_setup(struct call *c, const struct uuid *user, struct setup *ret, struct err *e)
{
	uint8_t token[TOKEN_BYTES];
	token_new(token);
	token_str(token, ret->text);
	ret->until_us = clock_now_us() + TOKEN_SETUP_HOURS * 3600 * US_PER_S;
	int rc = user_setup_mac(c->v->keys, c->f, user, token, ret->mac, e);
	secret_wipe(token, sizeof(token));
	return rc;
}

static int
check_role(const char *role, struct err *e)
{
	if (strcmp(role, "administrator") && strcmp(role, "user"))
		return err_set(e, ERR_BAD_FIELD, "role: administrator or user");
	return 0;
}

static int
answer_with_setup(struct call *c, const struct uuid *id, const struct setup *s,
		  struct json_out *out, struct err *e)
{
	json_out_object(out, NULL);
	int rc = write_one(c, id, "user", out, e);
	if (rc)
		return rc;
	if (s) {
		json_out_text(out, "setup_token", s->text);
		json_out_time(out, "setup_until", s->until_us);
	}
	json_out_end_object(out);
	return 0;
}

/* A name that is to be: in the form that names have, and no id. */
static int
take_name(struct call *c, const char **name, struct err *e)
{
	struct uuid id;
	int rc = policy_take_name(c->a, name, "name", e);
	if (rc == 0 && uuid_parse(*name, &id) == 0)
		return err_set(e, ERR_BAD_FIELD, "name: this looks like an id");
	return rc;
}

/* but: whose name it may be, or NULL. */
static int
check_free(struct call *c, const char *name, const struct uuid *but, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_text(&b, name);
	bind_uuid(&b, but);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_USER_NAME_TAKEN, &b, &r, e);
	if (rc == 0 && row_bool(r, 0, COL_USER_NAME_TAKEN_TAKEN))
		return err_set(e, ERR_CONFLICT, "there is a user of this name already");
	return rc;
}

int
user_create(struct call *c, const char *name, const char *role, struct json_out *out, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct setup setup;
	struct uuid id;
	role = role ? role : "user";
	int rc = take_name(c, &name, e);
	if (rc == 0)
		rc = check_role(role, e);
	if (rc)
		return rc;
	rc = check_free(c, name, NULL, e);
	if (rc)
		return rc;
	uuid_new(&id);
	rc = new_setup(c, &id, &setup, e);
	if (rc)
		return rc;
	user_created_body(&body, name, role, setup.mac, setup.until_us);
	rc = vault_append(c, EVENT_USER_CREATED, &id, buf_str(&body), e);
	if (rc == 0)
		rc = answer_with_setup(c, &id, &setup, out, e);
	secret_wipe(&setup, sizeof(setup));
	return rc;
}

/* Users cannot lock themselves out, and the vault keeps an administrator who can log in. */
static int
check_change(struct call *c, const struct uuid *id, const struct user_change *ch, struct err *e)
{
	bool demoted = ch->role && strcmp(ch->role, "administrator") != 0;
	bool disabled = ch->set_disabled && ch->disabled;
	bool self = uuid_eq(id, &c->who.user);
	if (self && (demoted || disabled))
		return err_set(e, ERR_REFUSED, "you cannot demote or disable yourself");
	if (self && ch->reset_password)
		return err_set(e, ERR_REFUSED, "change your own password with the old one");
	if (!demoted && !disabled && !ch->reset_password)
		return 0;
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, id);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_USER_OTHER_ADMINISTRATORS, &b, &r, e);
	if (rc)
		return rc;
	for (int i = 0; i < rows_count(r); i++) {
		struct uuid other;
		row_uuid(r, i, COL_USER_OTHER_ADMINISTRATORS_ID, &other);
		if (!withdrawn_user(c->v->withdrawn, &other))
			return 0;
	}
	return err_set(e, ERR_REFUSED, "this is the last administrator");
}

/* Unless the node is the primary a user can be disabled, which merges safely, and nothing else: the state may have changed since the request was let in. */
static int
check_emergency(struct call *c, const struct user_change *ch, struct err *e)
{
	bool withdraws = ch->set_disabled && ch->disabled && !ch->name && !ch->role &&
			 !ch->reset_password && !ch->remove_totp;
	enum state_served serves = vault_serves(c->v);
	if (serves == SERVES_EVERYONE || serves == SERVES_LATER)
		return 0;
	if (!withdraws)
		return err_set(e, ERR_EMERGENCY_READ_ONLY,
			       "the primary is not reachable; in emergency you can disable a user, "
			       "and change nothing else about them");
	return withdrawn_room(c->v->withdrawn, e);
}

int
user_standing(struct call *c, const struct uuid *object, const struct uuid *principal,
	      struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	bind_uuid(&b, object);
	bind_uuid(&b, principal);
	return db_exec(vault_reader(c->v), c->f, STMT_USER_STANDING, &b, ret, e);
}

static void
write_named(struct json_out *out, const char *what, const struct uuid *id, const char *name)
{
	json_out_object(out, what);
	json_out_uuid(out, "id", id);
	json_out_text(out, "name", name);
	json_out_end_object(out);
}

/* Null where there is none. */
static void
write_maybe_named(struct json_out *out, const char *what, const struct rows *r, int i, int id,
		  int name)
{
	struct uuid u;

	if (row_null(r, i, name)) {
		json_out_null(out, what);
		return;
	}
	row_uuid(r, i, id, &u);
	write_named(out, what, &u, row_text(r, i, name));
}

static void
write_admin_conflict(struct json_out *out, const struct rows *r, int i)
{
	struct uuid node, id;
	row_uuid(r, i, COL_USER_ADMIN_CONFLICTS_NODE, &node);
	row_uuid(r, i, COL_USER_ADMIN_CONFLICTS_ID, &id);
	json_out_object(out, NULL);
	json_out_uuid(out, "id", &id);
	json_out_text(out, "what", row_text(r, i, COL_USER_ADMIN_CONFLICTS_WHAT));
	json_out_time(out, "at", row_time(r, i, COL_USER_ADMIN_CONFLICTS_AT));
	write_named(out, "node", &node, row_text(r, i, COL_USER_ADMIN_CONFLICTS_NODE_NAME));
	write_maybe_named(out, "user", r, i, COL_USER_ADMIN_CONFLICTS_PRINCIPAL,
			  COL_USER_ADMIN_CONFLICTS_NAME);
	write_maybe_named(out, "target", r, i, COL_USER_ADMIN_CONFLICTS_OBJECT,
			  COL_USER_ADMIN_CONFLICTS_TARGET);
	json_out_text(out, "kept", row_text(r, i, COL_USER_ADMIN_CONFLICTS_KEPT));
	json_out_text(out, "lost", row_text(r, i, COL_USER_ADMIN_CONFLICTS_LOST));
	if (row_null(r, i, COL_USER_ADMIN_CONFLICTS_ACKNOWLEDGED)) {
		json_out_null(out, "acknowledged");
	} else {
		json_out_object(out, "acknowledged");
		json_out_time(out, "at", row_time(r, i, COL_USER_ADMIN_CONFLICTS_ACKNOWLEDGED));
		json_out_text(out, "by",
			      row_null(r, i, COL_USER_ADMIN_CONFLICTS_BY)
				      ? NULL
				      : row_text(r, i, COL_USER_ADMIN_CONFLICTS_BY));
		json_out_end_object(out);
	}
	json_out_end_object(out);
}

#define AT_MAX_US (INT64_C(253402300799) * 1000000) /* the end of 9999: behind all times */

static int
read_admin_conflicts(struct call *c, const struct policy_page *page, struct rows **ret,
		     struct err *e)
{
	auto_binds at = BINDS_INIT, b = BINDS_INIT;
	auto_rows r = NULL;
	bool first = uuid_is_nil(&page->after);
	struct uuid highest;
	memset(&highest, 0xff, sizeof(highest));
	bind_uuid(&at, &page->after);
	int rc = first ? 0 : lists_ask(c, STMT_USER_ADMIN_CONFLICT_PLACE, &at, &r, e);
	if (rc || (!first && rows_count(r) == 0))
		return rc; /* what it would follow is gone, and so nothing does */
	bind_bool(&b, first ? true : row_bool(r, 0, COL_USER_ADMIN_CONFLICT_PLACE_OPEN));
	bind_time(&b, first ? AT_MAX_US : row_time(r, 0, COL_USER_ADMIN_CONFLICT_PLACE_AT));
	bind_uuid(&b, first ? &highest : &page->after);
	bind_int(&b, page->rows + 1);
	return lists_ask(c, STMT_USER_ADMIN_CONFLICTS, &b, ret, e);
}

int
user_admin_conflicts(struct call *c, const struct policy_page *page, struct json_out *out,
		     struct err *e)
{
	auto_rows r = NULL;
	struct uuid last = { 0 };
	int rc = read_admin_conflicts(c, page, &r, e);
	if (rc)
		return rc;
	int n = r ? rows_count(r) : 0;
	json_out_object(out, NULL);
	json_out_array(out, "conflicts");
	for (int i = 0; i < n && i < page->rows; i++) {
		write_admin_conflict(out, r, i);
		row_uuid(r, i, COL_USER_ADMIN_CONFLICTS_ID, &last);
	}
	json_out_end_array(out);
	json_out_uuid(out, "next", n > page->rows ? &last : &(struct uuid){ 0 });
	json_out_end_object(out);
	return 0;
}

int
user_acknowledge(struct call *c, const struct uuid *id, struct err *e)
{
	auto_buf body = BUF_INIT;
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct uuid about;
	struct json_out w;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	bind_uuid(&b, id);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_USER_ADMIN_CONFLICT, &b, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no such conflict of administration");
	if (!row_null(r, 0, COL_USER_ADMIN_CONFLICT_ACKNOWLEDGED))
		return 0;
	row_uuid(r, 0, COL_USER_ADMIN_CONFLICT_ABOUT, &about);
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_uuid(&w, "id", id);
	json_out_text(&w, "what", row_text(r, 0, COL_USER_ADMIN_CONFLICT_WHAT));
	json_out_text(&w, "kept", row_text(r, 0, COL_USER_ADMIN_CONFLICT_KEPT));
	json_out_text(&w, "lost", row_text(r, 0, COL_USER_ADMIN_CONFLICT_LOST));
	json_out_end_object(&w);
	return vault_append(c, EVENT_ADMIN_ACKNOWLEDGED, &about, buf_str(&body), e);
}

/* The endings that are known of (query/ending.sql), as an event names them. */
static int
read_knew(struct call *c, const struct uuid *id, const char **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, id);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_ENDING_KNOWN, &b, &r, e);
	if (rc == 0)
		*ret = knew_of(c->a, r, 0, COL_ENDING_KNOWN_KNEW);
	return rc;
}

/* At most one event of each of three kinds. stands: what a new role or state is made upon, NULL
 * without one. knew: what a new password is. */
static size_t
change_events(struct call *c, const struct uuid *id, const struct user_change *ch,
	      const struct rows *stands, const char *knew, const struct setup *s,
	      struct buf bodies[static 3], struct event ev[static 3])
{
	struct json_out w;
	size_t n = 0;
	if (stands || ch->name) {
		json_out_init(&w, &bodies[0]);
		json_out_object(&w, NULL);
		if (ch->name)
			json_out_text(&w, "name", ch->name);
		if (ch->role)
			json_out_text(&w, "role", ch->role);
		if (ch->set_disabled)
			json_out_bool(&w, "disabled", ch->disabled);
		if (ch->role)
			json_out_text(&w, "upon_role", row_text(stands, 0, COL_USER_STANDING_ROLE));
		if (ch->set_disabled)
			json_out_text(&w, "upon_disabled",
				      row_text(stands, 0, COL_USER_STANDING_DISABLED));
		json_out_end_object(&w);
		ev[n++] = policy_event(c, EVENT_USER_CHANGED, id, buf_str(&bodies[0]));
	}
	if (ch->reset_password) {
		json_out_init(&w, &bodies[1]);
		json_out_object(&w, NULL);
		json_out_null(&w, "password_hash");
		write_setup(&w, s->mac, s->until_us);
		json_out_text(&w, "knew", knew);
		json_out_end_object(&w);
		ev[n++] = policy_event(c, EVENT_USER_PASSWORD, id, buf_str(&bodies[1]));
	}
	if (ch->remove_totp) {
		buf_adds(&bodies[2], "{\"totp_sealed\":null}");
		ev[n++] = policy_event(c, EVENT_USER_TOTP, id, buf_str(&bodies[2]));
	}
	return n;
}

static int
change_gated(struct call *c, const struct uuid *id, const struct user_change *ch,
	     struct setup *setup, struct err *e)
{
	auto_rows stands = NULL;
	const char *knew = NULL;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, &administrators_gate);
	int rc = check_change(c, id, ch, e);
	if (rc == 0 && (ch->role || ch->set_disabled))
		rc = user_standing(c, id, id, &stands, e);
	if (rc == 0 && ch->reset_password)
		rc = read_knew(c, id, &knew, e);
	if (rc == 0 && ch->reset_password)
		rc = new_setup(c, id, setup, e);
	if (rc)
		return rc;
	struct buf bodies[3] = { 0 };
	struct event ev[3];
	size_t n = change_events(c, id, ch, stands, knew, setup, bodies, ev);
	if (n)
		rc = policy_append(c, ev, n, e);
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		buf_done(&bodies[i]);
	return rc;
}

int
user_change(struct call *c, const struct uuid *id, const struct user_change *change,
	    struct json_out *out, struct err *e)
{
	auto_rows r = NULL;
	struct user_change copy = *change, *ch = &copy;
	struct setup setup = { 0 };
	int rc = check_emergency(c, ch, e);
	if (rc == 0 && ch->role)
		rc = check_role(ch->role, e);
	if (rc == 0 && ch->name)
		rc = take_name(c, &ch->name, e);
	if (rc == 0 && ch->name)
		rc = check_free(c, ch->name, id, e);
	if (rc == 0)
		rc = read_by_id(c, STMT_USER_GET, id, &r, e);
	if (rc == 0)
		rc = change_gated(c, id, ch, &setup, e);
	if (rc == 0)
		rc = answer_with_setup(c, id, ch->reset_password ? &setup : NULL, out, e);
	secret_wipe(&setup, sizeof(setup));
	return rc;
}

int
user_end_sessions(struct call *c, const struct uuid *id, struct err *e)
{
	auto_rows r = NULL;
	int rc = read_by_id(c, STMT_USER_GET, id, &r, e);
	return rc ? rc : session_end_all(c, id, e);
}

/* ---- the users themselves ---- */

static int
check_password(const char *password, const char *name, struct err *e)
{
	auto_buf prepared = BUF_INIT;

	if (password_prepare(password, &prepared) < USER_PASSWORD_MIN)
		return err_set(e, ERR_WEAK_PASSWORD, "a password has at least %d characters",
			       USER_PASSWORD_MIN);
	if (name && strcasestr(buf_str(&prepared), name) && strlen(name) >= 3)
		return err_set(e, ERR_WEAK_PASSWORD, "a password may not hold the user's name");
	return 0;
}

/* {"password_hash":…,"keep":session or null,"knew":endings} */
static int
password_body(struct call *c, const struct uuid *user, const char *password,
	      const struct uuid *keep, const char *knew, struct buf *out, struct err *e)
{
	char hash[128];
	struct json_out w;
	int rc = session_hash_password(c, user, password, hash, e);
	if (rc)
		return rc;
	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "password_hash", hash);
	json_out_uuid(&w, "keep", keep);
	json_out_text(&w, "knew", knew);
	json_out_end_object(&w);
	return 0;
}

int
user_set_password(struct call *c, const char *old, const char *new, struct err *e)
{
	auto_rows r = NULL;
	auto_buf body = BUF_INIT;
	const struct uuid *user = &c->who.user;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, user);
	int rc = check_password(new, c->who.name, e);
	if (rc == 0)
		rc = read_by_id(c, STMT_USER_SECRETS, user, &r, e);
	if (rc)
		return rc;
	const char *hash = row_null(r, 0, COL_USER_SECRETS_PASSWORD_HASH)
				   ? NULL
				   : row_text(r, 0, COL_USER_SECRETS_PASSWORD_HASH);
	rc = session_verify_password(c, user, old, hash, e);
	if (rc == ERR_BAD_LOGIN) {
		/* The attempt is written down; the answer stays that of a wrong password. */
		rc = policy_refuse(c, user, true, "change own password", e);
		return rc == ERR_FORBIDDEN ? err_set(e, ERR_BAD_LOGIN, "the old password is wrong")
					   : rc;
	}
	if (rc == 0)
		rc = password_body(c, user, new, &c->who.session,
				   knew_of(c->a, r, 0, COL_USER_SECRETS_KNEW), &body, e);
	if (rc)
		return rc;
	return vault_append(c, EVENT_USER_PASSWORD, user, buf_str(&body), e);
}

static void
base32(const uint8_t *p, size_t n, char *ret)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	unsigned bits = 0, have = 0;
	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | p[i];
		for (have += 8; have >= 5; have -= 5)
			*ret++ = digits[bits >> (have - 5) & 31];
	}
	*ret = '\0'; /* n is a multiple of 5: nothing is left over */
}

static void
write_base64(struct json_out *w, struct arena *a, const char *name, const struct buf *b)
{
	size_t n = sodium_base64_encoded_len(b->len, sodium_base64_VARIANT_ORIGINAL);
	char *text = arena_alloc(a, n);
	sodium_bin2base64(text, n, (const unsigned char *)b->data, b->len,
			  sodium_base64_VARIANT_ORIGINAL);
	json_out_text(w, name, text);
}

static int
write_totp(struct call *c, const uint8_t secret[static TOTP_SECRET_BYTES], const struct buf *sealed,
	   struct json_out *out, struct err *e)
{
	char text[TOTP_SECRET_BYTES / 5 * 8 + 1];
	char *uri = totp_uri(secret, "Holdfast", c->who.name);
	if (!uri)
		return err_set(e, ERR_INTERNAL, "cannot make an otpauth address");
	base32(secret, TOTP_SECRET_BYTES, text);
	json_out_object(out, NULL);
	json_out_text(out, "secret", text);
	json_out_text(out, "uri", uri);
	write_base64(out, c->a, "pending", sealed);
	json_out_end_object(out);
	secret_wipe(text, sizeof(text));
	secret_wipe(uri, strlen(uri));
	free(uri);
	return 0;
}

int
user_totp_begin(struct call *c, struct json_out *out, struct err *e)
{
	auto_rows r = NULL;
	auto_buf sealed = BUF_INIT;
	uint8_t secret[TOTP_SECRET_BYTES], ad[SESSION_TOTP_AD_LEN];
	int rc = read_by_id(c, STMT_USER_SECRETS, &c->who.user, &r, e);
	if (rc)
		return rc;
	if (!row_null(r, 0, COL_USER_SECRETS_TOTP_SEALED))
		return err_set(e, ERR_CONFLICT,
			       "there is a second factor already; remove it first");
	randombytes_buf(secret, sizeof(secret));
	session_totp_ad(&c->who.user, ad);
	rc = keys_seal(c->v->keys, c->f, c->v->data_key, ad, sizeof(ad), secret, sizeof(secret),
		       &sealed, e);
	if (rc == 0)
		rc = write_totp(c, secret, &sealed, out, e);
	secret_wipe(secret, sizeof(secret));
	return rc;
}

/* Opens the sealed secret and holds the code against it. */
static int
check_code(struct call *c, const void *sealed, size_t n, int64_t last_step, const char *code,
	   int64_t *ret_step, struct err *e)
{
	auto_buf secret = BUF_INIT;
	uint8_t ad[SESSION_TOTP_AD_LEN];
	session_totp_ad(&c->who.user, ad);
	int rc = keys_open(c->v->keys, c->f, ad, sizeof(ad), sealed, n, &secret, e);
	if (rc)
		return rc;
	if (secret.len != TOTP_SECRET_BYTES)
		return err_set(e, ERR_CRYPTO, "a second factor of %zu bytes", secret.len);
	int64_t now_s = clock_now_us() / US_PER_S;
	rc = totp_verify((const uint8_t *)secret.data, code, now_s, last_step, ret_step);
	return rc ? totp_refused(rc, now_s, e) : 0;
}

static int
append_totp(struct call *c, const struct buf *sealed, int64_t step, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct json_out w;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	if (sealed)
		write_base64(&w, c->a, "totp_sealed", sealed);
	else
		json_out_null(&w, "totp_sealed");
	json_out_int(&w, "totp_step", step);
	json_out_end_object(&w);
	return vault_append(c, EVENT_USER_TOTP, &c->who.user, buf_str(&body), e);
}

int
user_totp_confirm(struct call *c, const char *pending, const char *code, struct err *e)
{
	auto_rows r = NULL;
	uint8_t bytes[256];
	size_t n;
	int64_t step;
	const char *end;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, &c->who.user);
	if (sodium_base642bin(bytes, sizeof(bytes), pending, strlen(pending), NULL, &n, &end,
			      sodium_base64_VARIANT_ORIGINAL) ||
	    *end)
		return err_set(e, ERR_BAD_FIELD, "pending: not what the first step gave");
	int rc = read_by_id(c, STMT_USER_SECRETS, &c->who.user, &r, e);
	if (rc)
		return rc;
	if (!row_null(r, 0, COL_USER_SECRETS_TOTP_SEALED))
		return err_set(e, ERR_CONFLICT,
			       "there is a second factor already; remove it first");
	rc = check_code(c, bytes, n, row_bigint(r, 0, COL_USER_SECRETS_TOTP_STEP), code, &step, e);
	if (rc == ERR_CRYPTO)
		return err_set(e, ERR_BAD_FIELD, "pending: not what the first step gave");
	if (rc)
		return rc;
	auto_buf sealed = BUF_INIT;
	buf_add(&sealed, bytes, n);
	return append_totp(c, &sealed, step, e);
}

int
user_totp_remove(struct call *c, const char *code, struct err *e)
{
	auto_rows r = NULL;
	int64_t step;
	size_t n;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, &c->who.user);
	int rc = read_by_id(c, STMT_USER_SECRETS, &c->who.user, &r, e);
	if (rc)
		return rc;
	if (row_null(r, 0, COL_USER_SECRETS_TOTP_SEALED))
		return err_set(e, ERR_NOT_FOUND, "there is no second factor");
	const void *sealed = row_bytea(r, 0, COL_USER_SECRETS_TOTP_SEALED, &n);
	rc = check_code(c, sealed, n, row_bigint(r, 0, COL_USER_SECRETS_TOTP_STEP), code, &step, e);
	return rc ? rc : append_totp(c, NULL, step, e);
}

/* ---- set-up ---- */

/* Whether the token is the one of row i of user_setup, and still good. */
static int
check_setup(struct call *c, const struct rows *r, int i, const char *token, struct err *e)
{
	uint8_t bytes[TOKEN_BYTES], mac[KEYS_HASH_BYTES];
	struct uuid id;
	size_t n;
	if (token_parse(token, bytes))
		return err_set(e, ERR_BAD_LOGIN, "this is not a set-up token");
	row_uuid(r, i, COL_USER_SETUP_ID, &id);
	int rc = user_setup_mac(c->v->keys, c->f, &id, bytes, mac, e);
	secret_wipe(bytes, sizeof(bytes));
	if (rc)
		return rc;
	const void *kept = row_bytea(r, i, COL_USER_SETUP_SETUP_MAC, &n);
	if (n != sizeof(mac) || sodium_memcmp(kept, mac, n) != 0)
		return err_set(e, ERR_BAD_LOGIN, "the set-up token is wrong or was used");
	if (row_bool(r, i, COL_USER_SETUP_DISABLED) ||
	    row_time(r, i, COL_USER_SETUP_SETUP_UNTIL) < clock_now_us())
		return err_set(e, ERR_BAD_LOGIN, "the set-up token is over");
	return 0;
}

/* The endings of before and this one, as query/ending.sql has them. */
static const char *
with_ending(struct arena *a, const char *knew, const struct event *ev)
{
	char node[UUID_STR_LEN];
	uuid_str(&ev->node, node);
	return arena_printf(a, "%s%s%s/%lld", knew, *knew ? " " : "", node, (long long)ev->seq);
}

static void
write_knew(const char *knew, struct buf *out)
{
	struct json_out w;
	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "knew", knew);
	json_out_end_object(&w);
}

/* knew: the endings that there were when the token was found good. Of the session that begins, the password that it sets is known too. */
static int
append_setup(struct call *c, const struct uuid *user, const char *password, const char *knew,
	     const char **ret_knew, struct err *e)
{
	auto_buf body = BUF_INIT, used = BUF_INIT;
	int rc = password_body(c, user, password, &(struct uuid){ 0 }, knew, &body, e);
	if (rc)
		return rc;
	write_knew(knew, &used);
	struct event ev[] = {
		policy_event(c, EVENT_USER_SETUP_USED, user, buf_str(&used)),
		policy_event(c, EVENT_USER_PASSWORD, user, buf_str(&body)),
	};
	ev[0].actor = ev[1].actor = *user;
	rc = policy_append(c, ev, ARRAY_LEN(ev), e);
	if (rc == 0)
		*ret_knew = with_ending(c->a, knew, &ev[1]);
	return rc;
}

static int
refuse_setup(struct call *c, const struct uuid *user, struct err *e)
{
	int rc = policy_refuse(c, user, true, "set-up", e);
	return rc == ERR_FORBIDDEN ? err_set(e, ERR_BAD_LOGIN,
					     "the name or the set-up token is wrong, or it is over")
				   : rc;
}

/* Of those who have the name, the one whose token it is: *ret_i is their row. None: 0. */
static int
find_setup(struct call *c, const struct rows *r, const char *token, int *ret_i, struct err *e)
{
	int rc = ERR_BAD_LOGIN;
	*ret_i = 0;
	for (int i = 0; i < rows_count(r) && rc == ERR_BAD_LOGIN; i++) {
		rc = check_setup(c, r, i, token, e);
		*ret_i = rc ? 0 : i;
	}
	return rc;
}

int
user_setup(struct call *c, const char *name, const char *token, const char *password,
	   struct session_begun *ret, struct err *e)
{
	auto_rows r = NULL;
	struct uuid id, found;
	struct session_of of = { .totp_step = -1 };
	int i, rc = policy_by_name(c, STMT_USER_SETUP, name, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_BAD_LOGIN,
			       "the name or the set-up token is wrong, or it is over");
	rc = find_setup(c, r, token, &i, e);
	if (rc && rc != ERR_BAD_LOGIN)
		return rc;
	row_uuid(r, i, COL_USER_SETUP_ID, &id);
	/* Under the lock the token is read again: of two who come at once, one is late. */
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, &id);
	rows_free(TAKE(r));
	rc = policy_by_name(c, STMT_USER_SETUP, name, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_BAD_LOGIN, "the user is gone");
	rc = find_setup(c, r, token, &i, e);
	row_uuid(r, i, COL_USER_SETUP_ID, &found);
	if (rc == 0 && !uuid_eq(&found, &id))
		rc = err_set(e, ERR_BAD_LOGIN, "the user has another name by now");
	if (rc == ERR_BAD_LOGIN)
		return refuse_setup(c, &id, e);
	if (rc == 0)
		rc = check_password(password, row_text(r, i, COL_USER_SETUP_NAME), e);
	if (rc == 0)
		rc = append_setup(c, &id, password, knew_of(c->a, r, i, COL_USER_SETUP_KNEW),
				  &of.knew, e);
	if (rc)
		return rc;
	if (row_bool(r, i, COL_USER_SETUP_TOTP))
		return err_set(e, ERR_SECOND_FACTOR,
			       "the password is set; now log in with it and the code");
	of.user = id;
	of.name = arena_strdup(c->a, row_text(r, i, COL_USER_SETUP_NAME));
	of.administrator = strcmp(row_text(r, i, COL_USER_SETUP_ROLE), "administrator") == 0;
	rc = session_begin(c, &of, ret, e);
	if (rc == 0)
		ret->shared = row_bool(r, i, COL_USER_SETUP_SHARED);
	return rc;
}
