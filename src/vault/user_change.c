/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/user_impl.h"

#include <string.h>
#include "base/clock.h"
#include "base/secret.h"
#include "ledger/event_body.h"
#include "vault/hold.h"
#include "vault/principal.h"
#include "vault/withdrawn.h"

#define US_PER_S 1000000LL

/* One lock for whatever may leave the vault without an administrator. */
static const struct uuid administrators_gate = { { 1 } };

/* A fresh set-up token of a user: as text for the person, as keyed hash for the log. */
struct setup {
	char text[TOKEN_STR_LEN];
	uint8_t mac[KEYS_HASH_BYTES];
	int64_t until_us;
};

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
	auto_buf known = BUF_INIT;

	if (policy_role(role) != ROLE_NONE)
		return 0;
	policy_list_roles(&known);
	return err_set(e, ERR_BAD_FIELD, "role: %s", buf_str(&known));
}

/* Whoever can let others in again when nobody else can; one of them has to remain (query/word.sql). */
static bool
administers(const char *role)
{
	return policy_role(role) == ROLE_ADMINISTRATOR;
}

static int
answer_with_setup(struct call *c, const struct uuid *id, const struct setup *s,
		  struct json_out *out, struct err *e)
{
	json_out_object(out, NULL);
	int rc = user_write(c, id, "user", out, e);
	if (rc)
		return rc;
	if (s) {
		json_out_text(out, "setup_token", s->text);
		json_out_time(out, "setup_until", s->until_us);
	}
	json_out_end_object(out);
	return 0;
}

/* Before somebody becomes an administrator: whoever is one only because nobody else was left
 * (query/word.sql) would not be one any more, although they may be the one who does it. This says
 * that they stay one: *ret_n is 1 then, otherwise 0. The body is in buf. */
static int
say_who_remains(struct call *c, struct buf *buf, struct event *ret, size_t *ret_n, struct err *e)
{
	auto_rows r = NULL;
	struct json_out w;
	struct uuid id;
	int rc = db_exec(vault_reader(c->v), c->f, STMT_USER_REMAINING, NULL, &r, e);
	*ret_n = 0;
	if (rc || rows_count(r) == 0)
		return rc;
	row_uuid(r, 0, COL_USER_REMAINING_ID, &id);
	json_out_init(&w, buf);
	json_out_object(&w, NULL);
	json_out_text(&w, "role", policy_role_name(ROLE_ADMINISTRATOR));
	json_out_bool(&w, "disabled", false);
	json_out_text(&w, "upon_role", row_text(r, 0, COL_USER_REMAINING_ROLE));
	json_out_text(&w, "upon_disabled", row_text(r, 0, COL_USER_REMAINING_DISABLED));
	json_out_end_object(&w);
	*ret = policy_event(c, EVENT_USER_CHANGED, &id, buf_str(buf));
	*ret_n = 1;
	return 0;
}

static int
append_created(struct call *c, const struct uuid *id, const char *role, const char *body,
	       struct err *e)
{
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, &administrators_gate);
	auto_buf remains = BUF_INIT;
	struct event ev[2];
	size_t n = 0;
	int rc = administers(role) ? say_who_remains(c, &remains, ev, &n, e) : 0;
	if (rc)
		return rc;
	ev[n++] = policy_event(c, EVENT_USER_CREATED, id, body);
	return policy_append(c, ev, n, e);
}

int
user_create(struct call *c, const char *name, const char *role, struct json_out *out, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct setup setup;
	struct uuid id;
	role = role ? role : policy_role_name(ROLE_USER);
	int rc = principal_take_name(c, &name, e);
	if (rc == 0)
		rc = check_role(role, e);
	if (rc)
		return rc;
	rc = principal_check_free(c, name, NULL, e);
	if (rc)
		return rc;
	uuid_new(&id);
	rc = new_setup(c, &id, &setup, e);
	if (rc)
		return rc;
	user_created_body(&body, name, role, setup.mac, setup.until_us);
	rc = append_created(c, &id, role, buf_str(&body), e);
	if (rc == 0)
		rc = answer_with_setup(c, &id, &setup, out, e);
	secret_wipe(&setup, sizeof(setup));
	return rc;
}

/* Users cannot lock themselves out, and the vault keeps an administrator who can log in. */
static int
check_change(struct call *c, const struct uuid *id, const struct user_change *ch, struct err *e)
{
	bool demoted = ch->role && !administers(ch->role);
	bool disabled = ch->set_disabled && ch->disabled;
	bool self = uuid_eq(id, &c->who.user);
	if (self && (demoted || disabled))
		return err_set(e, ERR_REFUSED, "you cannot demote or disable yourself");
	if (self && ch->reset_password)
		return err_set(e, ERR_REFUSED, "change your own password with the old one");
	if (self && ch->remove_totp)
		return err_set(e, ERR_REFUSED,
			       "remove your own second factor with your password and its code "
			       "(holdfast totp --off)");
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

/* The endings that are known of (query/ending.sql), as an event names them. */
static int
read_knew(struct call *c, const struct uuid *id, const char **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, id);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_ENDING_KNOWN, &b, &r, e);
	if (rc == 0)
		*ret = user_knew_of(c->a, r, 0, COL_ENDING_KNOWN_KNEW);
	return rc;
}

/* At most one event of each of four kinds. stands: what a new role or state is made upon, NULL
 * without one. knew: what a new password is. */
static size_t
change_events(struct call *c, const struct uuid *id, const struct user_change *ch,
	      const struct rows *stands, const char *knew, const struct setup *s,
	      struct buf bodies[static 4], struct event ev[static 4])
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
	/* A new set-up token ends the sessions by itself. */
	if (ch->remove_totp && !ch->reset_password)
		ev[n++] = session_ending(c, id, &bodies[3]);
	return n;
}

/* Whether somebody may be an administrator behind it who was not. */
static bool
lets_in(const struct user_change *ch)
{
	return (ch->role && administers(ch->role)) || (ch->set_disabled && !ch->disabled);
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
	auto_buf remains = BUF_INIT;
	struct buf bodies[4] = { 0 };
	struct event ev[5];
	size_t n = 0;
	if (lets_in(ch))
		rc = say_who_remains(c, &remains, ev, &n, e);
	if (rc)
		return rc;
	n += change_events(c, id, ch, stands, knew, setup, bodies, ev + n);
	if (n)
		rc = policy_append(c, ev, n, e);
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		buf_done(&bodies[i]);
	return rc;
}

int
user_disable(struct call *c, const struct uuid *id, struct err *e)
{
	static const struct user_change ch = { .set_disabled = true, .disabled = true };
	struct setup none = { 0 };
	return change_gated(c, id, &ch, &none, e);
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
		rc = principal_take_name(c, &ch->name, e);
	if (rc == 0 && ch->name)
		rc = principal_check_free(c, ch->name, id, e);
	if (rc == 0)
		rc = user_read(c, STMT_USER_GET, id, &r, e);
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
	int rc = user_read(c, STMT_USER_GET, id, &r, e);
	return rc ? rc : session_end_all(c, id, e);
}

int
user_release(struct call *c, const struct uuid *id, struct json_out *out, struct err *e)
{
	auto_rows r = NULL;
	int rc = user_read(c, STMT_USER_GET, id, &r, e);
	return rc ? rc : hold_release(c, id, out, e);
}
