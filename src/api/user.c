/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/user.h"

#include "api/bodies.h"
#include "api/handlers.h"

int
on_user_list(struct api_call *c, struct err *e)
{
	struct policy_page page;
	int rc = call_query_page(c, POLICY_PAGE, &page, e);
	const char *q = request_query(c->rq, "q");
	if (q)
		q = policy_nfc(c->rq->arena, q);
	return rc ? rc : user_list(&c->call, q, &page, &c->w, e);
}

int
on_user_new(struct api_call *c, struct err *e)
{
	const struct body_user_new *b = c->body;
	return user_create(&c->call, b->name, b->role, &c->w, e);
}

int
on_user_me(struct api_call *c, struct err *e)
{
	return user_get(&c->call, &c->call.who.user, &c->w, e);
}

int
on_user_get(struct api_call *c, struct err *e)
{
	return user_get(&c->call, call_id(c), &c->w, e);
}

int
on_user_change(struct api_call *c, struct err *e)
{
	const struct body_user_change *b = c->body;
	const struct user_change ch = {
		.role = b->role,
		.set_disabled = BODY_HAS(c->seen, user_change, disabled),
		.disabled = b->disabled,
		.reset_password = b->reset_password,
		.remove_totp = b->remove_totp,
	};
	return user_change(&c->call, call_id(c), &ch, &c->w, e);
}

int
on_user_password(struct api_call *c, struct err *e)
{
	const struct body_password *b = c->body;
	return user_set_password(&c->call, b->old, b->new, e);
}

int
on_user_totp(struct api_call *c, struct err *e)
{
	const struct body_totp *b = c->body;
	if (!b->pending && !b->code)
		return user_totp_begin(&c->call, &c->w, e);
	if (!b->pending || !b->code)
		return err_set(e, ERR_BAD_FIELD, "pending and code belong together");
	int rc = user_totp_confirm(&c->call, b->pending, b->code, e);
	if (rc)
		return rc;
	json_out_object(&c->w, NULL);
	json_out_bool(&c->w, "totp", true);
	json_out_end_object(&c->w);
	return 0;
}

int
on_user_totp_remove(struct api_call *c, struct err *e)
{
	const struct body_code *b = c->body;
	return user_totp_remove(&c->call, b->code, e);
}

int
on_admin_conflict_list(struct api_call *c, struct err *e)
{
	struct policy_page page;
	int rc = call_query_page(c, POLICY_PAGE_MAX, &page, e);
	return rc ? rc : user_admin_conflicts(&c->call, &page, &c->w, e);
}

int
on_admin_acknowledge(struct api_call *c, struct err *e)
{
	return user_acknowledge(&c->call, call_id(c), e);
}
