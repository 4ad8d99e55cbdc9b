/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/team.h"

#include "vault/lists.h"
#include "vault/principal.h"
#include "vault/user.h"
#include "vault/withdrawn.h"

/* ---- reading ---- */

static void
write_team(struct json_out *out, const struct rows *r, int i)
{
	struct uuid id;
	row_uuid(r, i, COL_TEAM_ROW_ID, &id);
	json_out_object(out, NULL);
	json_out_uuid(out, "id", &id);
	json_out_text(out, "name", row_text(r, i, COL_TEAM_ROW_NAME));
	policy_write_suffix(out, &id, row_bool(r, i, COL_TEAM_ROW_SHARED));
	json_out_int(out, "members", row_bigint(r, i, COL_TEAM_ROW_MEMBERS));
	json_out_bool(out, "mine", row_bool(r, i, COL_TEAM_ROW_MINE));
	json_out_time(out, "created", row_time(r, i, COL_TEAM_ROW_CREATED));
	json_out_end_object(out);
}

static int
read_team(struct call *c, const struct uuid *id, struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, id);
	bind_uuid(&b, &c->who.user);
	int rc = lists_ask(c, STMT_TEAM_GET, &b, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0 || withdrawn_team(c->v->withdrawn, id))
		return err_set(e, ERR_NOT_FOUND, "there is no such team");
	*ret = TAKE(r);
	return 0;
}

/* One that the caller may know of. */
static int
read_own(struct call *c, const struct uuid *id, struct rows **ret, struct err *e)
{
	auto_rows r = NULL;
	int rc = read_team(c, id, &r, e);
	if (rc)
		return rc;
	if (!policy_may(c, CAP_TEAMS) && (!row_bool(r, 0, COL_TEAM_ROW_MINE) ||
					  withdrawn_member(c->v->withdrawn, id, &c->who.user)))
		return policy_refuse(c, id, false, "read a team", e);
	*ret = TAKE(r);
	return 0;
}

int
team_get(struct call *c, const struct uuid *id, struct json_out *out, struct err *e)
{
	auto_rows r = NULL;
	int rc = read_own(c, id, &r, e);
	if (rc == 0)
		write_team(out, r, 0);
	return rc;
}

/* The statement that lists what the caller may see, and what comes before the place. */
static enum stmt
begin_list(const struct call *c, const char *q, struct binds *b)
{
	bool own = !policy_may(c, CAP_TEAMS);

	bind_uuid(b, &c->who.user);
	if (own || q)
		bind_text(b, q ? policy_pattern(c->a, q) : "%");
	return own ? STMT_TEAM_OWN : q ? STMT_TEAM_SEARCH : STMT_TEAM_PAGE;
}

int
team_list(struct call *c, const char *q, const struct policy_page *page, struct json_out *out,
	  struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct uuid last = { 0 };
	const char *place, *tail;
	int rc = policy_place(c, STMT_USER_PLACE, page, &place, e);
	if (rc)
		return rc;
	if (q) /* a suffix is no part of a name */
		policy_split_suffix(c->a, q, &q, &tail);
	if (place) {
		enum stmt s = begin_list(c, q, &b);
		policy_bind_page(&b, place, page);
		rc = lists_ask(c, s, &b, &r, e);
	}
	if (rc)
		return rc;
	int n = r ? rows_count(r) : 0;
	json_out_object(out, NULL);
	json_out_array(out, "teams");
	for (int i = 0; i < n && i < page->rows; i++) {
		row_uuid(r, i, COL_TEAM_ROW_ID, &last);
		if (!withdrawn_team(c->v->withdrawn, &last))
			write_team(out, r, i);
	}
	json_out_end_array(out);
	json_out_uuid(out, "next", n > page->rows ? &last : &(struct uuid){ 0 });
	json_out_end_object(out);
	return 0;
}

static void
write_member(struct json_out *out, const struct rows *r, int i, const struct uuid *id)
{
	json_out_object(out, NULL);
	json_out_object(out, "user");
	json_out_uuid(out, "id", id);
	json_out_text(out, "name", row_text(r, i, COL_TEAM_MEMBERS_NAME));
	policy_write_suffix(out, id, row_bool(r, i, COL_TEAM_MEMBERS_SHARED));
	json_out_end_object(out);
	json_out_bool(out, "disabled", row_bool(r, i, COL_TEAM_MEMBERS_DISABLED));
	json_out_time(out, "since", row_time(r, i, COL_TEAM_MEMBERS_SINCE));
	json_out_end_object(out);
}

int
team_members(struct call *c, const struct uuid *id, const struct policy_page *page,
	     struct json_out *out, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows team = NULL;
	auto_rows r = NULL;
	struct uuid last = { 0 };
	const char *place = NULL;
	int rc = read_own(c, id, &team, e);
	if (rc == 0)
		rc = policy_place(c, STMT_USER_PLACE, page, &place, e);
	if (rc == 0 && place) {
		bind_uuid(&b, id);
		policy_bind_page(&b, place, page);
		rc = lists_ask(c, STMT_TEAM_MEMBERS, &b, &r, e);
	}
	if (rc)
		return rc;
	int n = r ? rows_count(r) : 0;
	json_out_object(out, NULL);
	json_out_array(out, "members");
	for (int i = 0; i < n && i < page->rows; i++) {
		row_uuid(r, i, COL_TEAM_MEMBERS_PRINCIPAL, &last);
		if (!withdrawn_member(c->v->withdrawn, id, &last))
			write_member(out, r, i, &last);
	}
	json_out_end_array(out);
	json_out_uuid(out, "next", n > page->rows ? &last : &(struct uuid){ 0 });
	json_out_end_object(out);
	return 0;
}

/* ---- changing ---- */

/* Names in events are for the auditor. upon NULL: the event has none. */
static int
append(struct call *c, enum event_kind kind, const struct uuid *team, const struct uuid *user,
       const char *name, const char *upon, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct json_out w;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	if (user)
		json_out_uuid(&w, "user", user);
	json_out_text(&w, "name", name);
	if (upon)
		json_out_text(&w, "upon", upon);
	json_out_end_object(&w);
	return vault_append(c, kind, team, buf_str(&body), e);
}

int
team_create(struct call *c, const char *name, struct json_out *out, struct err *e)
{
	struct uuid id;
	int rc = principal_take_name(c, &name, e);
	if (rc == 0)
		rc = principal_check_free(c, name, NULL, e);
	if (rc)
		return rc;
	uuid_new(&id);
	rc = append(c, EVENT_TEAM_CREATED, &id, NULL, name, NULL, e);
	return rc ? rc : team_get(c, &id, out, e);
}

int
team_rename(struct call *c, const struct uuid *id, const char *name, struct json_out *out,
	    struct err *e)
{
	auto_rows r = NULL;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = read_team(c, id, &r, e);
	if (rc == 0)
		rc = principal_take_name(c, &name, e);
	if (rc == 0)
		rc = principal_check_free(c, name, id, e);
	if (rc == 0)
		rc = append(c, EVENT_TEAM_CHANGED, id, NULL, name, NULL, e);
	return rc ? rc : team_get(c, id, out, e);
}

static int
standing(struct call *c, const struct uuid *team, const struct uuid *user, struct rows **ret,
	 struct err *e)
{
	auto_binds b = BINDS_INIT;
	bind_uuid(&b, team);
	bind_uuid(&b, user);
	return db_exec(vault_reader(c->v), c->f, STMT_TEAM_STANDING, &b, ret, e);
}

int
team_remove(struct call *c, const struct uuid *id, struct err *e)
{
	auto_rows r = NULL;
	auto_rows stands = NULL;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = read_team(c, id, &r, e);
	if (rc == 0)
		rc = withdrawn_room(c->v->withdrawn, e);
	if (rc == 0)
		rc = standing(c, id, id, &stands, e);
	return rc ? rc
		  : append(c, EVENT_TEAM_REMOVED, id, NULL, row_text(r, 0, COL_TEAM_ROW_NAME),
			   row_text(stands, 0, COL_TEAM_STANDING_STANDS), e);
}

/* Who is put in or taken out, with where they stand. */
struct change {
	struct uuid user;
	const char *name;
	struct rows *stands;
	bool team; /* there is such a team */
	bool member;
};

static void
change_done(struct change *x)
{
	rows_free(x->stands);
}

static int
read_change(struct call *c, const struct uuid *team, const char *user, struct change *ret,
	    struct err *e)
{
	auto_rows r = NULL;
	int rc = read_team(c, team, &r, e);
	ret->team = rc == 0;
	if (rc == 0)
		rc = user_find(c, user, &ret->user, &ret->name, e);
	if (rc == 0)
		rc = standing(c, team, &ret->user, &ret->stands, e);
	if (rc == 0)
		ret->member = row_bool(ret->stands, 0, COL_TEAM_STANDING_MEMBER) &&
			      !withdrawn_member(c->v->withdrawn, team, &ret->user);
	return rc;
}

static int
check_room(const struct rows *stands, struct err *e)
{
	if (row_bigint(stands, 0, COL_TEAM_STANDING_MEMBERS) >= TEAM_MEMBERS_MAX)
		return err_set(e, ERR_REFUSED, "a team has at most %d members", TEAM_MEMBERS_MAX);
	if (row_bigint(stands, 0, COL_TEAM_STANDING_TEAMS) >= TEAM_OF_USER_MAX)
		return err_set(e, ERR_REFUSED, "a user is in at most %d teams", TEAM_OF_USER_MAX);
	return 0;
}

int
team_add(struct call *c, const struct uuid *id, const char *user, struct json_out *out,
	 struct err *e)
{
	FREE_WITH(change_done) struct change x = { 0 };
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = read_change(c, id, user, &x, e);
	if (rc == ERR_NOT_FOUND && x.team)
		return err_set(e, ERR_BAD_FIELD, "user: there is no such user");
	if (rc == 0 && x.member)
		return err_set(e, ERR_CONFLICT, "they are in this team already");
	if (rc == 0)
		rc = check_room(x.stands, e);
	if (rc == 0)
		rc = append(c, EVENT_MEMBER_ADDED, id, &x.user, x.name,
			    row_text(x.stands, 0, COL_TEAM_STANDING_UPON), e);
	return rc ? rc : team_get(c, id, out, e);
}

int
team_take_out(struct call *c, const struct uuid *id, const char *user, struct err *e)
{
	FREE_WITH(change_done) struct change x = { 0 };
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = read_change(c, id, user, &x, e);
	if (rc == 0 && !x.member)
		return err_set(e, ERR_NOT_FOUND, "they are not in this team");
	if (rc == 0)
		rc = withdrawn_room(c->v->withdrawn, e);
	return rc ? rc
		  : append(c, EVENT_MEMBER_REMOVED, id, &x.user, x.name,
			   row_text(x.stands, 0, COL_TEAM_STANDING_UPON), e);
}
