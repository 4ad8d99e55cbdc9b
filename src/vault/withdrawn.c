/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/withdrawn.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "ledger/event_body.h"
#include "vault/policy.h"

enum kind { DISABLED, UNSHARED, SESSIONS, TEAM, MEMBER };

struct row {
	struct row *next;
	enum kind kind;
	struct uuid user; /* UNSHARED: or the team; TEAM: the team */
	bool on_folder;	  /* UNSHARED: `of` is one, and what stands below it is concerned too */
	struct uuid
		of; /* UNSHARED: the folder, resource or account; MEMBER: the team; SESSIONS: the session that goes on, or nil */
	struct uuid chain;
	int64_t seq;
	struct withdrawn_ending by;
	uint64_t seen; /* in which reading of the journal */
};

struct withdrawn {
	struct row *first; /* the latest */
	size_t n;
	uint64_t reading;
};

struct withdrawn *
withdrawn_new(void)
{
	return mem_new(sizeof(struct withdrawn));
}

void
withdrawn_free(struct withdrawn *w)
{
	while (w && w->first) {
		struct row *x = w->first;

		w->first = x->next;
		free(x);
	}
	free(w);
}

/* ---- asking ---- */

static const struct row *
find(const struct withdrawn *w, enum kind kind, const struct uuid *user, const struct uuid *of)
{
	const struct row *x = w ? w->first : NULL;

	while (x && !(x->kind == kind && uuid_eq(&x->user, user) && (!of || uuid_eq(&x->of, of))))
		x = x->next;
	return x;
}

bool
withdrawn_user(const struct withdrawn *w, const struct uuid *user)
{
	return find(w, DISABLED, user, NULL) != NULL;
}

bool
withdrawn_share(const struct withdrawn *w, const struct uuid *target, const struct uuid *user)
{
	return find(w, UNSHARED, user, target) != NULL;
}

bool
withdrawn_team(const struct withdrawn *w, const struct uuid *team)
{
	return find(w, TEAM, team, NULL) != NULL;
}

bool
withdrawn_member(const struct withdrawn *w, const struct uuid *team, const struct uuid *user)
{
	return find(w, MEMBER, user, team) != NULL;
}

bool
withdrawn_session(const struct withdrawn *w, const struct uuid *user, const struct uuid *session)
{
	for (const struct row *x = w ? w->first : NULL; x; x = x->next)
		if (uuid_eq(&x->user, user) &&
		    (x->kind == DISABLED || (x->kind == SESSIONS && !uuid_eq(&x->of, session))))
			return true;
	return false;
}

bool
withdrawn_last_ending(const struct withdrawn *w, const struct uuid *user,
		      struct withdrawn_ending *ret)
{
	const struct row *x = find(w, SESSIONS, user, NULL);

	if (x)
		*ret = x->by;
	return x != NULL;
}

const char *
withdrawn_knew(const struct withdrawn *w, struct arena *a, const struct uuid *user,
	       const char *knew)
{
	const struct row *x = find(w, SESSIONS, user, NULL);
	char chain[UUID_STR_LEN];

	if (!x)
		return knew;
	uuid_str(&x->chain, chain);
	return arena_printf(a, "%s%s%s/%lld", knew ? knew : "", knew && *knew ? " " : "", chain,
			    (long long)x->seq);
}

/* Whether x may take something from the caller on a folder or a resource, or an account in it. */
static bool
takes(const struct row *x, const struct uuid *user, const struct uuid *resource,
      const struct uuid *account)
{
	switch (x->kind) {
	case UNSHARED:
		return x->on_folder || uuid_eq(&x->of, resource) ||
		       (account && uuid_eq(&x->of, account));
	case MEMBER:
		return uuid_eq(&x->user, user);
	case TEAM:
		return true;
	default:
		return false;
	}
}

/* As an array, of the rows of a kind that take something: whose they are, or (of) what they are about. */
static void
bind_rows(struct binds *b, const struct withdrawn *w, const struct uuid *resource,
	  const struct uuid *account, bool of)
{
	bind_array_begin(b, STMT_UUID);
	for (const struct row *x = w->first; x; x = x->next)
		if (x->kind == UNSHARED && takes(x, &x->user, resource, account))
			bind_elem_uuid(b, of ? &x->of : &x->user);
	bind_array_end(b);
}

static void
bind_teams_left(struct binds *b, const struct withdrawn *w, const struct uuid *user)
{
	bind_array_begin(b, STMT_UUID);
	for (const struct row *x = w->first; x; x = x->next)
		if (x->kind == TEAM || (x->kind == MEMBER && uuid_eq(&x->user, user)))
			bind_elem_uuid(b, x->kind == TEAM ? &x->user : &x->of);
	bind_array_end(b);
}

int
withdrawn_level(struct call *c, const struct uuid *resource, const struct uuid *account, int *level,
		struct err *e)
{
	const struct withdrawn *w = c->v->withdrawn;
	const struct row *x = w ? w->first : NULL;
	const struct uuid *user = &c->who.user;
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;

	while (x && !takes(x, user, resource, account))
		x = x->next;
	if (!x || *level == LEVEL_NONE || *level == LEVEL_OWNER)
		return 0;
	bind_uuid(&b, user);
	bind_array_begin(&b, STMT_UUID);
	bind_elem_uuid(&b, resource);
	if (account)
		bind_elem_uuid(&b, account);
	bind_array_end(&b);
	bind_rows(&b, w, resource, account, true);
	bind_rows(&b, w, resource, account, false);
	bind_teams_left(&b, w, user);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_SHARE_LEVEL, &b, &r, e);
	if (!rc)
		*level = row_int(r, 0, COL_SHARE_LEVEL_LEVEL);
	return rc;
}

int
withdrawn_room(const struct withdrawn *w, struct err *e)
{
	if (w && w->n >= WITHDRAWN_MAX)
		return err_set(e, ERR_REFUSED,
			       "%zu withdrawals wait here for the primary, as many as this node "
			       "holds: nothing was changed; bring the primary back, or make this "
			       "node the primary (holdfast ha promote)",
			       w->n);
	return 0;
}

/* ---- what the journal says ---- */

static bool
body_uuid(const struct event *ev, const char *name, struct uuid *ret)
{
	auto_buf text = BUF_INIT;

	return event_body_get(ev->body, name, &text) == 0 && uuid_parse(buf_str(&text), ret) == 0;
}

static bool
body_is(const struct event *ev, const char *name, const char *value)
{
	auto_buf text = BUF_INIT;

	return event_body_get(ev->body, name, &text) == 0 && strcmp(buf_str(&text), value) == 0;
}

/* Whether the event withdraws something, and what. */
static bool
parse(const struct event *ev, struct row *ret)
{
	*ret = (struct row){ .chain = ev->node,
			     .seq = ev->seq,
			     .user = ev->object,
			     .by = { .actor = ev->actor, .at_us = ev->at_us } };
	text_copy(ret->by.address, sizeof(ret->by.address), ev->address ? ev->address : "");
	switch ((int)ev->kind) {
	case EVENT_USER_CHANGED:
		ret->kind = DISABLED;
		return body_is(ev, "disabled", "true");
	case EVENT_UNSHARED:
		ret->kind = UNSHARED;
		ret->of = ev->object;
		ret->on_folder = body_is(ev, "on", "folder");
		return body_uuid(ev, "user", &ret->user);
	case EVENT_SESSIONS_ENDED:
		ret->kind = SESSIONS;
		(void)!body_uuid(ev, "keep", &ret->of);
		return true;
	case EVENT_TEAM_REMOVED:
		ret->kind = TEAM;
		return true;
	case EVENT_MEMBER_REMOVED:
		ret->kind = MEMBER;
		ret->of = ev->object;
		return body_uuid(ev, "user", &ret->user);
	default:
		return false;
	}
}

static void
add(struct withdrawn *w, const struct event *ev)
{
	struct row x, *known = w->first;

	if (!parse(ev, &x))
		return;
	while (known && !(known->seq == x.seq && uuid_eq(&known->chain, &x.chain)))
		known = known->next;
	if (!known) {
		known = mem_raw(sizeof(*known));
		*known = x;
		known->next = w->first;
		w->first = known;
		w->n++;
	}
	known->seen = w->reading;
}

static void
drop_at(struct withdrawn *w, struct row **at)
{
	struct row *x = *at;

	*at = x->next;
	w->n--;
	free(x);
}

/* The log has this one: its tables know. */
static void
drop(struct withdrawn *w, const struct event *ev)
{
	for (struct row **at = &w->first; *at;) {
		if ((*at)->seq == ev->seq && uuid_eq(&(*at)->chain, &ev->node))
			drop_at(w, at);
		else
			at = &(*at)->next;
	}
}

void
withdrawn_on_event(struct withdrawn *w, const struct event *ev, bool alone)
{
	if (alone)
		add(w, ev);
	else
		drop(w, ev);
}

static void
on_journal_event(void *ctx, const struct event *ev)
{
	add(ctx, ev);
}

int
withdrawn_reload(struct withdrawn *w, struct ledger *l, struct fiber *f, struct err *e)
{
	uint64_t reading = ++w->reading;
	int rc = ledger_journal_each(l, f, NULL, on_journal_event, w, e);

	for (struct row **at = &w->first; !rc && *at;) {
		if ((*at)->seen < reading)
			drop_at(w, at);
		else
			at = &(*at)->next;
	}
	return rc;
}
