/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/share.h"

#include <string.h>
#include "base/clock.h"
#include "vault/account.h"
#include "vault/folder.h"
#include "vault/lists.h"
#include "vault/principal.h"
#include "vault/resource.h"
#include "vault/user.h"
#include "vault/withdrawn.h"

#define WAYS_MAX 500
#define WAYS_OF_EACH 10 /* in a list */

static const char *const on_names[] = { "resource", "account", "folder" };

static int
check_level(struct call *c, enum share_on on, const struct uuid *target, int need, const char *what,
	    struct err *e)
{
	if (on == SHARE_FOLDER)
		return folder_right(c, target, need, what, e);
	if (on == SHARE_RESOURCE)
		return resource_right(c, target, need, what, NULL, e);
	return account_right(c, target, need, what, e);
}

static void
write_grantee(struct json_out *out, const struct principal *p)
{
	json_out_object(out, "user");
	json_out_uuid(out, "id", &p->id);
	json_out_text(out, "name", p->name);
	json_out_end_object(out);
	json_out_bool(out, "team", p->team);
}

int
share_list(struct call *c, enum share_on on, const struct uuid *target,
	   const struct policy_page *page, struct json_out *out, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	const char *place = NULL;
	struct uuid id = { 0 };
	int rc = check_level(c, on, target, LEVEL_MANAGE, "read shares", e);
	if (rc == 0)
		rc = policy_place(c, STMT_USER_PLACE, page, &place, e);
	if (rc == 0 && place) {
		bind_uuid(&b, target);
		policy_bind_page(&b, place, page);
		rc = lists_ask(c, STMT_SHARE_LIST, &b, &r, e);
	}
	if (rc)
		return rc;
	int n = r ? rows_count(r) : 0;
	json_out_object(out, NULL);
	json_out_array(out, "shares");
	for (int i = 0; i < n && i < page->rows; i++) {
		row_uuid(r, i, COL_SHARE_LIST_PRINCIPAL, &id);
		if (withdrawn_share(c->v->withdrawn, target, &id))
			continue;
		json_out_object(out, NULL);
		json_out_object(out, "user");
		json_out_uuid(out, "id", &id);
		json_out_text(out, "name", row_text(r, i, COL_SHARE_LIST_NAME));
		policy_write_suffix(out, &id, row_bool(r, i, COL_SHARE_LIST_SHARED));
		json_out_end_object(out);
		json_out_bool(out, "team", row_bool(r, i, COL_SHARE_LIST_TEAM));
		json_out_text(out, "level", policy_level_name(row_int(r, i, COL_SHARE_LIST_LEVEL)));
		json_out_time(out, "granted", row_time(r, i, COL_SHARE_LIST_GRANTED));
		json_out_time(out, "until", row_time(r, i, COL_SHARE_LIST_UNTIL));
		json_out_bool(out, "ended", row_bool(r, i, COL_SHARE_LIST_ENDED));
		json_out_bool(out, "waits", row_bool(r, i, COL_SHARE_LIST_WAITS));
		json_out_end_object(out);
	}
	json_out_end_array(out);
	json_out_uuid(out, "next", n > page->rows ? &id : &(struct uuid){ 0 });
	json_out_end_object(out);
	return 0;
}

/* ---- why ---- */

/* Whether one that the tables have was not withdrawn here. team NULL: it is the user's own. */
static bool
still_holds(const struct withdrawn *w, const struct uuid *target, const struct uuid *user,
	    const struct uuid *team)
{
	return !withdrawn_share(w, target, team ? team : user) &&
	       (!team || !(withdrawn_team(w, team) || withdrawn_member(w, team, user)));
}

static void
write_team(struct json_out *out, const struct rows *r, int i, const struct uuid *team)
{
	if (!team) {
		json_out_null(out, "team");
		return;
	}
	json_out_object(out, "team");
	json_out_uuid(out, "id", team);
	json_out_text(out, "name", row_text(r, i, COL_SHARE_WAYS_TEAM_NAME));
	policy_write_suffix(out, team, row_bool(r, i, COL_SHARE_WAYS_SHARED));
	json_out_end_object(out);
}

/* What the way is on, where a share of `on` is asked about. */
static enum share_on
on_of(enum share_on on, const struct uuid *asked, const struct uuid *target, const struct rows *r,
      int i)
{
	if (row_bool(r, i, COL_SHARE_WAYS_FOLDER))
		return SHARE_FOLDER;
	return uuid_eq(target, asked) ? on : SHARE_RESOURCE;
}

/* What it gives, but for what was withdrawn here. */
static int
level_of_way(const struct call *c, const struct uuid *user, const struct rows *r, int i)
{
	struct uuid target, team;
	bool own = row_null(r, i, COL_SHARE_WAYS_TEAM);
	if (row_null(r, i, COL_SHARE_WAYS_GRANTED))
		return row_int(r, i, COL_SHARE_WAYS_LEVEL);
	row_uuid(r, i, COL_SHARE_WAYS_TARGET, &target);
	if (!own)
		row_uuid(r, i, COL_SHARE_WAYS_TEAM, &team);
	if (!still_holds(c->v->withdrawn, &target, user, own ? NULL : &team))
		return LEVEL_NONE;
	return row_int(r, i, COL_SHARE_WAYS_LEVEL);
}

static void
write_way(enum share_on on, struct json_out *out, const struct rows *r, int i)
{
	bool own = row_null(r, i, COL_SHARE_WAYS_TEAM);
	struct uuid asked, target, team;
	row_uuid(r, i, COL_SHARE_WAYS_ASKED, &asked);
	row_uuid(r, i, COL_SHARE_WAYS_TARGET, &target);
	if (!own)
		row_uuid(r, i, COL_SHARE_WAYS_TEAM, &team);
	json_out_object(out, NULL);
	json_out_text(out, "on", on_names[on_of(on, &asked, &target, r, i)]);
	json_out_text(out, "level", policy_level_name(row_int(r, i, COL_SHARE_WAYS_LEVEL)));
	write_team(out, r, i, own ? NULL : &team);
	json_out_text(out, "folder",
		      row_null(r, i, COL_SHARE_WAYS_PATH) ? NULL
							  : row_text(r, i, COL_SHARE_WAYS_PATH));
	if (row_null(r, i, COL_SHARE_WAYS_GRANTED))
		json_out_null(out, "granted");
	else
		json_out_time(out, "granted", row_time(r, i, COL_SHARE_WAYS_GRANTED));
	json_out_time(out, "until", row_time(r, i, COL_SHARE_WAYS_UNTIL));
	json_out_bool(out, "waits", row_bool(r, i, COL_SHARE_WAYS_WAITS));
	json_out_end_object(out);
}

/* Those from row i on that are about one thing, as "through", and the "level" that they give. */
static void
write_ways(const struct call *c, enum share_on on, const struct uuid *user, struct json_out *out,
	   const struct rows *r, int i)
{
	int level = LEVEL_NONE, n = rows_count(r);
	struct uuid first, asked;
	json_out_array(out, "through");
	for (int from = i; i < n; i++) {
		row_uuid(r, from, COL_SHARE_WAYS_ASKED, &first);
		row_uuid(r, i, COL_SHARE_WAYS_ASKED, &asked);
		if (!uuid_eq(&first, &asked))
			break;
		int gives = level_of_way(c, user, r, i);
		if (gives)
			write_way(on, out, r, i);
		level = gives > level ? gives : level;
	}
	json_out_end_array(out);
	json_out_text(out, "level", policy_level_name(level));
}

/* The ways of a user to each of the targets, in their order, at most so many to each. */
static int
read_ways(struct call *c, const struct uuid *user, const struct uuid *targets, size_t n, int most,
	  struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	bind_uuid(&b, user);
	bind_array_begin(&b, STMT_UUID);
	for (size_t i = 0; i < n; i++)
		bind_elem_uuid(&b, &targets[i]);
	bind_array_end(&b);
	bind_uuid(&b, &c->who.user);
	bind_int(&b, most);
	return lists_ask(c, STMT_SHARE_WAYS, &b, ret, e);
}

/* Whoever may not manage it asks about themselves alone. */
static int
find_asked(struct call *c, enum share_on on, const struct uuid *target, const char *text,
	   struct uuid *ret, const char **ret_name, struct err *e)
{
	int rc = check_level(c, on, target, LEVEL_VIEW, "see", e);
	if (rc == 0)
		rc = user_find(c, text, ret, ret_name, e);
	if (rc == 0 && !uuid_eq(ret, &c->who.user))
		rc = check_level(c, on, target, LEVEL_MANAGE, "ask about others", e);
	return rc;
}

int
share_why(struct call *c, enum share_on on, const struct uuid *target, const char *user,
	  struct json_out *out, struct err *e)
{
	auto_rows r = NULL;
	struct uuid id;
	const char *name;
	int rc = find_asked(c, on, target, user, &id, &name, e);
	if (rc)
		return rc;
	rc = read_ways(c, &id, target, 1, WAYS_MAX, &r, e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_object(out, "user");
	json_out_uuid(out, "id", &id);
	json_out_text(out, "name", name);
	json_out_end_object(out);
	write_ways(c, on, &id, out, r, 0);
	json_out_end_object(out);
	return 0;
}

/* ---- what somebody sees ---- */

static enum share_on
kind_of(const struct rows *r, int i)
{
	enum share_on on = 0;
	while (strcmp(row_text(r, i, COL_SHARE_SEEN_KIND), on_names[on]) != 0)
		on++;
	return on;
}

/* Its ways begin in row k of ways. */
static void
write_seen(const struct call *c, struct json_out *out, const struct rows *r, int i,
	   const struct rows *ways, int k)
{
	enum share_on on = kind_of(r, i);
	const char *name = row_text(r, i, COL_SHARE_SEEN_NAME);
	bool shared = row_bool(r, i, COL_SHARE_SEEN_SHARED), folder = on == SHARE_FOLDER;
	struct uuid id, resource;
	row_uuid(r, i, COL_SHARE_SEEN_ID, &id);
	if (!folder)
		row_uuid(r, i, COL_SHARE_SEEN_RESOURCE, &resource);
	json_out_object(out, NULL);
	json_out_text(out, "kind", on_names[on]);
	policy_write_thing(out, "folder", folder ? &id : NULL, "name", name, shared);
	policy_write_thing(out, "resource", folder ? NULL : &resource, "name", name, shared);
	if (on == SHARE_ACCOUNT)
		policy_write_thing(out, "account", &id, "login",
				   row_text(r, i, COL_SHARE_SEEN_LOGIN),
				   row_bool(r, i, COL_SHARE_SEEN_ACCOUNT_SHARED));
	else
		json_out_null(out, "account");
	json_out_text(out, "path",
		      row_null(r, i, COL_SHARE_SEEN_PATH) ? NULL
							  : row_text(r, i, COL_SHARE_SEEN_PATH));
	write_ways(c, on, &c->who.user, out, ways, k);
	json_out_end_object(out);
}

/* Whether a way of those from row k on that are about the thing holds; *ret: the row behind them. */
static bool
any_holds(const struct call *c, const struct uuid *id, const struct rows *ways, int k, int *ret)
{
	struct uuid asked;
	bool any = false;
	for (; k < rows_count(ways); k++) {
		row_uuid(ways, k, COL_SHARE_WAYS_ASKED, &asked);
		if (!uuid_eq(&asked, id))
			break;
		any = any || level_of_way(c, &c->who.user, ways, k);
	}
	*ret = k;
	return any;
}

static int
read_seen(struct call *c, const char *through, const struct policy_page *page, struct rows **ret,
	  struct err *e)
{
	auto_binds b = BINDS_INIT;
	const char *place;
	int rc = policy_place(c, STMT_SHARE_SEEN_PLACE, page, &place, e);
	if (rc || !place)
		return rc;
	bind_uuid(&b, &c->who.user);
	bind_text(&b, through ? through : "");
	policy_bind_page(&b, place, page);
	return lists_ask(c, STMT_SHARE_SEEN, &b, ret, e);
}

int
share_seen(struct call *c, const char *through, const struct policy_page *page,
	   struct json_out *out, struct err *e)
{
	auto_rows r = NULL;
	auto_rows ways = NULL;
	struct uuid id[POLICY_PAGE_MAX + 1], last = { 0 };
	int rc = read_seen(c, through, page, &r, e), i = 0, k = 0, behind;
	if (rc)
		return rc;
	int found = r ? rows_count(r) : 0, n = found < page->rows ? found : page->rows;
	for (int j = 0; j < n; j++)
		row_uuid(r, j, COL_SHARE_SEEN_ID, &id[j]);
	rc = read_ways(c, &c->who.user, id, (size_t)n, WAYS_OF_EACH, &ways, e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_array(out, "seen");
	for (; i < n && !policy_full(out); i++, k = behind)
		if (any_holds(c, &id[i], ways, k, &behind))
			write_seen(c, out, r, i, ways, k);
	json_out_end_array(out);
	if (found > i && i)
		last = id[i - 1];
	json_out_uuid(out, "next", &last);
	json_out_end_object(out);
	return 0;
}

/* ---- changing ---- */

/* What is given: a level, and until when; 0: without an end. giving: what its receiver accepts it by; nil: it needs no acceptance. */
struct grant {
	int level;
	int64_t until_us;
	struct uuid giving;
	bool waits;
};

/* How a share stands. ret_giving: nil where it needs no acceptance. */
static int
read_standing(struct call *c, const struct uuid *target, const struct uuid *user, bool *ret_stands,
	      struct uuid *ret_giving, bool *ret_waits, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, target);
	bind_uuid(&b, user);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_SHARE_STANDING, &b, &r, e);
	if (rc)
		return rc;
	*ret_stands = rows_count(r) && !withdrawn_share(c->v->withdrawn, target, user);
	*ret_waits = *ret_stands && row_bool(r, 0, COL_SHARE_STANDING_WAITS);
	*ret_giving = (struct uuid){ 0 };
	if (*ret_stands && !row_null(r, 0, COL_SHARE_STANDING_GIVEN))
		row_uuid(r, 0, COL_SHARE_STANDING_GIVEN, ret_giving);
	return 0;
}

/* A share that stands stays the same giving, whatever else it becomes. What is given to a team, or to oneself, waits for nobody. */
static int
find_giving(struct call *c, const struct uuid *target, const struct principal *with,
	    struct grant *given, struct err *e)
{
	bool stands;
	if (with->team || uuid_eq(&with->id, &c->who.user))
		return 0;
	int rc = read_standing(c, target, &with->id, &stands, &given->giving, &given->waits, e);
	if (rc || stands)
		return rc;
	uuid_new(&given->giving);
	given->waits = true;
	return 0;
}

/* given NULL: of UNSHARED. The name is for the auditor. */
static int
append_share(struct call *c, enum share_on on, const struct uuid *target,
	     const struct principal *with, const struct grant *given, struct err *e)
{
	auto_buf body = BUF_INIT;
	auto_rows stands = NULL;
	struct json_out w;
	int rc = user_standing(c, target, &with->id, &stands, e);
	if (rc)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "on", on_names[on]);
	json_out_uuid(&w, "user", &with->id);
	json_out_text(&w, "name", with->name);
	if (with->team)
		json_out_bool(&w, "team", true);
	if (given)
		json_out_int(&w, "level", given->level);
	if (given && given->until_us)
		json_out_instant(&w, "until", given->until_us);
	if (given && !uuid_is_nil(&given->giving))
		json_out_uuid(&w, "share", &given->giving);
	json_out_text(&w, "upon", row_text(stands, 0, COL_USER_STANDING_SHARE));
	json_out_end_object(&w);
	return vault_append(c, given ? EVENT_SHARED : EVENT_UNSHARED, target, buf_str(&body), e);
}

/* until NULL: it has no end. */
static int
take_grant(const char *level, const char *until, struct grant *ret, struct err *e)
{
	int64_t now_us = clock_now_us();
	char now[CLOCK_ISO_LEN];

	*ret = (struct grant){ .level = policy_level(level) };
	if (ret->level == LEVEL_NONE)
		return err_set(e, ERR_BAD_FIELD, "level: view, modify or manage");
	if (!until)
		return 0;
	if (clock_parse_iso(until, &ret->until_us))
		return err_set(e, ERR_BAD_FIELD, "until: like 2027-01-31T12:00:00.000000Z");
	if (ret->until_us > now_us)
		return 0;
	clock_iso(now_us, now);
	return err_set(e, ERR_BAD_FIELD,
		       "until: that is over already; by this node's clock it is %s", now);
}

int
share_grant(struct call *c, enum share_on on, const struct uuid *target, const char *user,
	    const char *level, const char *until, struct json_out *out, struct err *e)
{
	struct principal with;
	struct grant given;
	int rc = take_grant(level, until, &given, e);
	if (rc)
		return rc;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, target);
	rc = check_level(c, on, target, LEVEL_MANAGE, "share", e);
	if (rc)
		return rc;
	rc = principal_find(c, user, &with, e);
	if (rc == ERR_NOT_FOUND || (rc == 0 && withdrawn_team(c->v->withdrawn, &with.id)))
		return err_set(e, ERR_BAD_FIELD, "user: there is no such user or team");
	if (rc == 0)
		rc = find_giving(c, target, &with, &given, e);
	if (rc == 0)
		rc = append_share(c, on, target, &with, &given, e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	write_grantee(out, &with);
	json_out_text(out, "level", policy_level_name(given.level));
	json_out_time(out, "until", given.until_us);
	json_out_bool(out, "waits", given.waits);
	json_out_end_object(out);
	return 0;
}

static int
check_shared(struct call *c, const struct uuid *target, const struct uuid *user, struct err *e)
{
	struct uuid giving;
	bool stands, waits;
	int rc = read_standing(c, target, user, &stands, &giving, &waits, e);
	if (rc == 0 && !stands)
		rc = err_set(e, ERR_NOT_FOUND, "it is not shared with this user or team");
	return rc;
}

/* Whoever manages it withdraws what others have, and everybody what they were given themselves. */
int
share_withdraw(struct call *c, enum share_on on, const struct uuid *target, const char *user,
	       struct err *e)
{
	struct principal with;
	struct err unknown;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, target);
	int found = principal_find(c, user, &with, &unknown);
	bool own = found == 0 && uuid_eq(&with.id, &c->who.user);
	int rc = own ? check_level(c, on, target, LEVEL_VIEW, "give up share", e)
		     : check_level(c, on, target, LEVEL_MANAGE, "withdraw share", e);
	if (rc == 0 && found) {
		*e = unknown;
		return found;
	}
	if (rc == 0)
		rc = check_shared(c, target, &with.id, e);
	if (rc == 0)
		rc = withdrawn_room(c->v->withdrawn, e);
	return rc ? rc : append_share(c, on, target, &with, NULL, e);
}

int
share_accept(struct call *c, enum share_on on, const struct uuid *target, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct json_out w;
	struct uuid giving;
	bool stands, waits;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, target);
	int rc = check_level(c, on, target, LEVEL_VIEW, "accept", e);
	if (rc == 0)
		rc = read_standing(c, target, &c->who.user, &stands, &giving, &waits, e);
	if (rc == 0 && !stands)
		rc = err_set(e, ERR_NOT_FOUND, "it is not shared with you by yourself");
	if (rc || !waits)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "on", on_names[on]);
	json_out_uuid(&w, "share", &giving);
	json_out_end_object(&w);
	return vault_append(c, EVENT_SHARE_ACCEPTED, target, buf_str(&body), e);
}
