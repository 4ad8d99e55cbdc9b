/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/user_impl.h"

#include "vault/offer.h"
#include "vault/withdrawn.h"

#define UNIT 500	 /* events that are appended together */
#define LEAVE_MOST 10000 /* folders and resources of one call */

/* Who leaves, and who gets what they own. */
struct leave {
	struct uuid from, to;
	const char *name;
	bool disabled; /* they are already */
	bool told;     /* the log says that they leave */
	int moved;
};

static int
read_leave(struct call *c, const struct uuid *id, const char *to, struct leave *ret, struct err *e)
{
	auto_rows from = NULL;
	auto_rows other = NULL;
	const char *name;
	int rc = user_read(c, STMT_USER_GET, id, &from, e);
	if (rc)
		return rc;
	*ret = (struct leave){ .from = *id,
			       .name = arena_strdup(c->a, row_text(from, 0, COL_USER_ROW_NAME)),
			       .disabled = row_bool(from, 0, COL_USER_ROW_DISABLED) };
	if (uuid_eq(id, &c->who.user))
		return err_set(e, ERR_REFUSED,
			       "you cannot leave by yourself: another administrator hands over "
			       "what you own");
	rc = user_find(c, to, &ret->to, &name, e);
	if (rc == 0)
		rc = user_read(c, STMT_USER_GET, &ret->to, &other, e);
	if (rc == ERR_NOT_FOUND)
		return err_set(e, ERR_BAD_FIELD, "to: there is no such user");
	if (rc == 0 && uuid_eq(&ret->to, id))
		return err_set(e, ERR_BAD_FIELD, "to: it is the user who leaves");
	if (rc == 0 && row_bool(other, 0, COL_USER_ROW_DISABLED))
		return err_set(e, ERR_BAD_FIELD, "to: this user is disabled");
	return rc;
}

static const char *
left_body(struct call *c, const struct leave *x)
{
	auto_buf body = BUF_INIT;
	struct json_out w;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_uuid(&w, "left", &x->from);
	json_out_text(&w, "name", x->name);
	json_out_end_object(&w);
	return arena_strdup(c->a, buf_str(&body));
}

/* What can be owned. The statements have the same columns. */
static const struct owned {
	enum stmt list;
	enum event_kind change;
} owned[] = {
	{ STMT_FOLDER_OWNED, EVENT_FOLDER_CHANGED },
	{ STMT_RESOURCE_OWNED, EVENT_RESOURCE_CHANGED },
};

static const char *
owner_body(struct call *c, const struct leave *x, const struct owned *o)
{
	char id[UUID_STR_LEN];
	if (o->change == EVENT_RESOURCE_CHANGED)
		return offer_owner_body(c->a, &x->to);
	uuid_str(&x->to, id);
	return arena_printf(c->a, "{\"owner\":\"%s\"}", id);
}

/* The next of what they own, behind *after; *ret_n: how many. */
static int
hand_over(struct call *c, struct leave *x, const struct owned *o, struct uuid *after, int *ret_n,
	  struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct event *ev = arena_alloc(c->a, (UNIT + 1) * sizeof(*ev));
	struct uuid *id = arena_alloc(c->a, UNIT * sizeof(*id));
	size_t n = 0;
	bind_uuid(&b, &x->from);
	bind_uuid(&b, after);
	bind_int(&b, UNIT);
	int rc = db_exec(vault_reader(c->v), c->f, o->list, &b, &r, e);
	*ret_n = rc ? 0 : rows_count(r);
	if (rc)
		return rc;
	if (!x->told)
		ev[n++] = policy_event(c, EVENT_USER_LEFT, &x->to, left_body(c, x));
	for (int i = 0; i < *ret_n; i++) {
		row_uuid(r, i, COL_OWNED_ID, &id[i]);
		ev[n++] = policy_event(c, o->change, &id[i], owner_body(c, x, o));
		*after = id[i];
	}
	if (n)
		rc = policy_append(c, ev, n, e);
	x->told = x->told || rc == 0;
	x->moved += rc ? 0 : *ret_n;
	return rc;
}

int
user_leave(struct call *c, const struct uuid *id, const char *to, struct json_out *out,
	   struct err *e)
{
	struct leave x;
	int n = 0;
	int rc = read_leave(c, id, to, &x, e);
	if (rc == 0 && !x.disabled)
		rc = user_disable(c, id, e);
	for (size_t i = 0; i < ARRAY_LEN(owned) && rc == 0 && n < UNIT; i++) {
		struct uuid after = { 0 };
		n = UNIT;
		while (rc == 0 && n == UNIT && x.moved < LEAVE_MOST)
			rc = hand_over(c, &x, &owned[i], &after, &n, e);
	}
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_int(out, "moved", x.moved);
	json_out_bool(out, "more", n == UNIT);
	json_out_end_object(out);
	return 0;
}
