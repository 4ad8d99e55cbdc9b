/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/notice.h"

#include "vault/offer.h"
#include "vault/policy.h"
#include "vault/withdrawn.h"

#define OFFERS_MAX 1000 /* counted */

static int
read_last(struct call *c, const struct session_begun *s, struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;

	bind_uuid(&b, &s->user);
	bind_uuid(&b, &s->at.chain);
	bind_bigint(&b, s->at.seq);
	return db_exec(vault_reader(c->v), c->f, STMT_NOTICE_LAST_LOGIN, &b, ret, e);
}

static int
read_list(struct call *c, const struct session_begun *s, struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;

	bind_uuid(&b, &s->user);
	bind_uuid(&b, &s->at.chain);
	bind_bigint(&b, s->at.seq);
	bind_bigint(&b, s->at.set_up_seq);
	bind_bool(&b, policy_has(s->role, CAP_USERS));
	bind_int(&b, NOTICES_MAX + 1);
	return db_exec(vault_reader(c->v), c->f, STMT_NOTICE_LIST, &b, ret, e);
}

/* In emergency an administrator may have ended their sessions: the journal alone knows. */
static int
find_ending(struct call *c, const struct session_begun *s, struct withdrawn_ending *ret,
	    struct rows **ret_actor, struct err *e)
{
	auto_binds b = BINDS_INIT;

	if (!withdrawn_last_ending(c->v->withdrawn, &s->user, ret))
		return 0;
	bind_uuid(&b, &ret->actor);
	return db_exec(vault_reader(c->v), c->f, STMT_USER_BY_ID, &b, ret_actor, e);
}

static void
write_last(struct json_out *out, const struct rows *r)
{
	if (!rows_count(r)) {
		json_out_null(out, "last_login");
		return;
	}
	json_out_object(out, "last_login");
	json_out_time(out, "at", row_time(r, 0, COL_NOTICE_LAST_LOGIN_AT));
	json_out_text(out, "address", row_text(r, 0, COL_NOTICE_LAST_LOGIN_ADDRESS));
	policy_write_named(out, "node", r, 0, COL_NOTICE_LAST_LOGIN_NODE);
	json_out_end_object(out);
}

static void
write_ending(struct json_out *out, const struct session_begun *s, const struct withdrawn_ending *x,
	     const struct rows *actor)
{
	json_out_object(out, NULL);
	json_out_text(out, "what", "sessions_ended");
	json_out_null(out, "value");
	json_out_time(out, "at", x->at_us);
	json_out_object(out, "user");
	json_out_uuid(out, "id", &s->user);
	json_out_text(out, "name", s->name);
	json_out_end_object(out);
	if (rows_count(actor)) {
		json_out_object(out, "by");
		json_out_uuid(out, "id", &x->actor);
		json_out_text(out, "name", row_text(actor, 0, COL_USER_BY_ID_NAME));
		json_out_end_object(out);
	} else {
		json_out_null(out, "by");
	}
	json_out_text(out, "address", x->address);
	json_out_null(out, "node");
	json_out_end_object(out);
}

static void
write_row(struct json_out *out, const struct rows *r, int i)
{
	json_out_object(out, NULL);
	json_out_text(out, "what", row_text(r, i, COL_NOTICE_LIST_WHAT));
	json_out_text(out, "value",
		      row_null(r, i, COL_NOTICE_LIST_VALUE)
			      ? NULL
			      : row_text(r, i, COL_NOTICE_LIST_VALUE));
	json_out_time(out, "at", row_time(r, i, COL_NOTICE_LIST_AT));
	policy_write_named(out, "user", r, i, COL_NOTICE_LIST_OBJECT);
	policy_write_named(out, "by", r, i, COL_NOTICE_LIST_ACTOR);
	json_out_text(out, "address", row_text(r, i, COL_NOTICE_LIST_ADDRESS));
	policy_write_named(out, "node", r, i, COL_NOTICE_LIST_NODE);
	json_out_end_object(out);
}

int
notice_write(struct call *c, const struct session_begun *s, struct json_out *out, struct err *e)
{
	auto_rows last = NULL;
	auto_rows list = NULL;
	auto_rows actor = NULL;
	struct withdrawn_ending ending;
	int offers = 0;
	int rc = read_last(c, s, &last, e);

	if (!rc)
		rc = read_list(c, s, &list, e);
	if (!rc)
		rc = find_ending(c, s, &ending, &actor, e);
	if (!rc)
		rc = offer_count(c, &s->user, OFFERS_MAX, &offers, e);
	if (rc)
		return rc;
	write_last(out, last);
	json_out_array(out, "notices");
	if (actor)
		write_ending(out, s, &ending, actor);
	for (int i = 0; i < rows_count(list) && i < NOTICES_MAX; i++)
		write_row(out, list, i);
	json_out_end_array(out);
	if (rows_count(list) > NOTICES_MAX)
		json_out_bool(out, "more_notices", true);
	if (offers)
		json_out_int(out, "offers", offers);
	return 0;
}
