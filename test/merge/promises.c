/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold of the tables, in whatever order they came about (docs/merge.md). Who knew of what is what each node really had; so this finds too what
 * the logs say wrong of that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "ledger/event.h"
#include "test/merge/merge.h"

const char promises_reach[] =
	"WITH RECURSIVE up AS (SELECT id, id AS above FROM folder WHERE deleted_at IS NULL "
	"UNION SELECT up.id, f.parent FROM up JOIN folder f ON f.id = up.above WHERE f.parent IS "
	"NOT NULL), "
	"who AS (SELECT id AS principal, id AS person FROM principal WHERE role <> 'team' "
	"UNION ALL SELECT t.id, m.principal FROM member m "
	"JOIN principal t ON t.id = m.team WHERE NOT t.disabled), "
	"gives AS (SELECT s.target, who.person, s.level, coalesce(s.until, 'infinity') AS until, "
	"s.waits "
	"FROM share s JOIN who USING (principal) "
	"UNION ALL SELECT id, owner, 3, 'infinity', false FROM folder), "
	"want AS (SELECT g.person, t.id, max(until) AS a, max(until) FILTER (WHERE level >= 2) AS "
	"b, "
	"max(until) FILTER (WHERE level >= 3) AS c, max(until) FILTER (WHERE NOT waits) AS d "
	"FROM (SELECT * FROM up UNION SELECT target, target FROM share "
	"WHERE target NOT IN (SELECT id FROM folder)) t "
	"JOIN gives g ON g.target = t.above GROUP BY 1, 2), "
	"has AS (SELECT principal, target, view_until, modify_until, manage_until, named_until "
	"FROM reach) "
	"SELECT 'more than is given', to_json(x)::text FROM (TABLE has EXCEPT TABLE want) x "
	"UNION ALL SELECT 'less than is given', to_json(x)::text FROM (TABLE want EXCEPT TABLE "
	"has) x "
	"LIMIT 1";

struct held {
	const struct history *h;
	const char *dump;
	promises_broken *broken;
	void *ctx;
};

/* ---- the tables ---- */

/* A value of the dump, or the end of the row's key where column is ""; NULL: there is none. It ends with its line. */
static const char *
value_of(const struct held *x, const char *table, const char *key, const char *column)
{
	auto_buf begins = BUF_INIT;
	const char *at;

	buf_addf(&begins, "\n%s\t%s\t", table, key);
	if (*column)
		buf_addf(&begins, "%s\t", column);
	if (strncmp(x->dump, buf_str(&begins) + 1, begins.len - 1) == 0)
		return x->dump + begins.len - 1;
	at = strstr(x->dump, buf_str(&begins));
	return at ? at + begins.len : NULL;
}

static bool
is(const struct held *x, const char *table, const char *key, const char *column, const char *value)
{
	const char *at = value_of(x, table, key, column);
	size_t n = strlen(value);

	return at && strncmp(at, value, n) == 0 && (at[n] == '\n' || !at[n]);
}

static struct uuid
id_in(const struct held *x, const char *table, const char *key, const char *column)
{
	const char *value = value_of(x, table, key, column);
	char text[UUID_STR_LEN];
	struct uuid u = { 0 };

	snprintf(text, sizeof(text), "%.36s", value ? value : "");
	return uuid_parse(text, &u) ? (struct uuid){ 0 } : u;
}

/* ---- what happened ---- */

/* The text behind a name in its body; "": there is none. */
static void
said(const struct made *m, const char *name, char ret[static UUID_STR_LEN])
{
	auto_buf key = BUF_INIT;
	const char *at;

	buf_addf(&key, "\"%s\" : \"", name);
	at = strstr(m->ev.body, buf_str(&key));
	at = at ? at + key.len : "";
	snprintf(ret, UUID_STR_LEN, "%.*s", (int)strcspn(at, "\""), at);
}

static bool
says_disabled(const struct made *m, bool disabled)
{
	return m->ev.kind == EVENT_USER_CHANGED &&
	       strstr(m->ev.body, disabled ? "\"disabled\" : true" : "\"disabled\" : false");
}

static bool
knew(const struct made *m, const struct made *of)
{
	return m->chain == of->chain ? m->ev.seq > of->ev.seq : m->knew[of->chain] >= of->ev.seq;
}

static bool
apart(const struct made *a, const struct made *b)
{
	return !knew(a, b) && !knew(b, a);
}

static bool
happened(const struct history *h, enum event_kind kind, const struct uuid *to,
	 const struct made *apart_from)
{
	for (unsigned i = 0; i < h->n; i++) {
		const struct made *m = &h->made[i];

		if (m->ev.kind == kind && uuid_eq(&m->ev.object, to) &&
		    (!apart_from || apart(m, apart_from)))
			return true;
	}
	return false;
}

/* ---- what was made is there ---- */

static const struct {
	enum event_kind kind;
	const char *table;
} makings[] = {
	{ EVENT_USER_CREATED, "principal" },	{ EVENT_TEAM_CREATED, "principal" },
	{ EVENT_RESOURCE_CREATED, "resource" }, { EVENT_FOLDER_CREATED, "folder" },
	{ EVENT_ACCOUNT_CREATED, "account" },
};

static void
look_for_made(const struct held *x, const struct made *m)
{
	char key[UUID_STR_LEN];

	uuid_str(&m->ev.object, key);
	for (size_t i = 0; i < ARRAY_LEN(makings); i++) {
		if (makings[i].kind == m->ev.kind && !value_of(x, makings[i].table, key, ""))
			x->broken(x->ctx, LOST, makings[i].table, m);
	}
	said(m, "id", key);
	if (m->ev.kind == EVENT_VERSION_ADDED && !value_of(x, "version", key, ""))
		x->broken(x->ctx, LOST, "version", m);
}

/* ---- and what it holds ---- */

/* Whether somebody brought back what a version belongs to, who did not know that the bin was emptied, nor was that known there. */
static bool
brought_back(const struct history *h, const struct made *emptied, const struct uuid *account,
	     const struct uuid *resource)
{
	bool own = happened(h, EVENT_ACCOUNT_DELETED, account, NULL) ||
		   happened(h, EVENT_ACCOUNT_COMBINED, account, NULL);

	return happened(h, EVENT_ACCOUNT_RESTORED, account, emptied) ||
	       (!own && happened(h, EVENT_RESOURCE_RESTORED, resource, emptied));
}

static bool
may_be_gone(const struct held *x, const char *version)
{
	struct uuid account = id_in(x, "version", version, "account");
	char text[UUID_STR_LEN];

	uuid_str(&account, text);
	struct uuid resource = id_in(x, "account", text, "resource");
	for (unsigned i = 0; i < x->h->n; i++) {
		const struct made *m = &x->h->made[i];

		if (m->ev.kind == EVENT_BIN_EMPTIED && strstr(m->ev.body, version) &&
		    !brought_back(x->h, m, &account, &resource))
			return true;
	}
	return false;
}

static void
look_for_secret(const struct held *x, const struct made *m)
{
	char version[UUID_STR_LEN];

	if (m->ev.kind != EVENT_VERSION_ADDED)
		return;
	said(m, "id", version);
	if (is(x, "version", version, "sealed", "\\x") && !may_be_gone(x, version))
		x->broken(x->ctx, EMPTIED, "version.sealed", m);
}

/* ---- what was taken away ---- */

/* Whether somebody was disabled apart from that, and by no word enabled again. */
static bool
was_disabled_apart(const struct history *h, const struct made *m, const char *user)
{
	struct uuid u;
	bool ret = false;

	if (uuid_parse(user, &u))
		return false;
	for (unsigned i = 0; i < h->n; i++) {
		const struct made *other = &h->made[i];

		if (!uuid_eq(&other->ev.object, &u))
			continue;
		if (other->ev.kind == EVENT_USER_RECOVERED || says_disabled(other, false))
			return false;
		ret |= says_disabled(other, true) && apart(m, other);
	}
	return ret;
}

static void
look_whether_it_waits(const struct held *x, const struct made *m)
{
	char version[UUID_STR_LEN], author[UUID_STR_LEN], upon[UUID_STR_LEN];

	if (m->ev.kind != EVENT_VERSION_ADDED)
		return;
	said(m, "id", version);
	said(m, "author", author);
	said(m, "upon", upon);
	if (upon[0] && is(x, "version", version, "approval", "") &&
	    was_disabled_apart(x->h, m, author))
		x->broken(x->ctx, UNHELD, "version.approval", m);
}

/* What takes something from somebody, what gives it, and where it would be. */
static const struct {
	enum event_kind takes, gives;
	const char *table;
} takings[] = {
	{ EVENT_UNSHARED, EVENT_SHARED, "share" },
	{ EVENT_MEMBER_REMOVED, EVENT_MEMBER_ADDED, "member" },
};

/* Whether somebody gave it who knew that it had been taken. */
static bool
was_given_again(const struct history *h, const struct made *taken, enum event_kind gives,
		const char *user)
{
	for (unsigned i = 0; i < h->n; i++) {
		const struct made *m = &h->made[i];
		char whom[UUID_STR_LEN];

		said(m, "user", whom);
		if (m->ev.kind == gives && uuid_eq(&m->ev.object, &taken->ev.object) &&
		    !strcmp(whom, user) && knew(m, taken))
			return true;
	}
	return false;
}

static void
look_for_taken(const struct held *x, const struct made *m)
{
	char object[UUID_STR_LEN], user[UUID_STR_LEN], key[2 * UUID_STR_LEN];

	uuid_str(&m->ev.object, object);
	said(m, "user", user);
	snprintf(key, sizeof(key), "%s/%s", object, user);
	for (size_t i = 0; i < ARRAY_LEN(takings); i++) {
		if (takings[i].takes == m->ev.kind && value_of(x, takings[i].table, key, "") &&
		    !was_given_again(x->h, m, takings[i].gives, user))
			x->broken(x->ctx, GRANTED, takings[i].table, m);
	}
}

/* Whether somebody enabled them who knew that they had been disabled, or let them in again in another way. */
static bool
was_let_in_again(const struct held *x, const struct made *disabled, const char *user)
{
	for (unsigned i = 0; i < x->h->n; i++) {
		const struct made *m = &x->h->made[i];

		if (uuid_eq(&m->ev.object, &disabled->ev.object) && knew(m, disabled) &&
		    (says_disabled(m, false) || m->ev.kind == EVENT_USER_RECOVERED))
			return true;
	}
	return is(x, "principal", user, "remains", "true");
}

static void
look_for_disabled(const struct held *x, const struct made *m)
{
	char user[UUID_STR_LEN];

	uuid_str(&m->ev.object, user);
	if ((says_disabled(m, true) || m->ev.kind == EVENT_TEAM_REMOVED) &&
	    !is(x, "principal", user, "disabled", "true") && !was_let_in_again(x, m, user))
		x->broken(x->ctx, GRANTED, "principal.disabled", m);
}

/* ---- decisions ---- */

static void
look_for_declined(const struct held *x, const struct made *m)
{
	char version[UUID_STR_LEN];

	said(m, "id", version);
	if (m->ev.kind == EVENT_CHANGE_DECLINED &&
	    !is(x, "version", version, "approval", "declined"))
		x->broken(x->ctx, UNHELD, "version.approval", m);
}

/* Whether this is a version that counts, of those made upon another one. */
static bool
counts_upon(const struct held *x, const struct made *m, char ret_upon[static UUID_STR_LEN])
{
	char version[UUID_STR_LEN];

	said(m, "id", version);
	said(m, "upon", ret_upon);
	return m->ev.kind == EVENT_VERSION_ADDED && ret_upon[0] &&
	       is(x, "version", version, "approval", "");
}

static bool
was_settled(const struct history *h, const struct uuid *account)
{
	return happened(h, EVENT_CONFLICT_SETTLED, account, NULL) ||
	       happened(h, EVENT_CHANGE_APPROVED, account, NULL);
}

/* Two that were made upon the same one: nobody has chosen between them. */
static void
look_for_conflict(const struct held *x, const struct made *m)
{
	char upon[UUID_STR_LEN], others[UUID_STR_LEN], account[UUID_STR_LEN];

	uuid_str(&m->ev.object, account);
	if (!counts_upon(x, m, upon) || was_settled(x->h, &m->ev.object) ||
	    !is(x, "account", account, "conflict", "false"))
		return;
	for (unsigned i = 0; i < x->h->n; i++) {
		const struct made *o = &x->h->made[i];

		if (o != m && uuid_eq(&o->ev.object, &m->ev.object) && counts_upon(x, o, others) &&
		    !strcmp(upon, others))
			x->broken(x->ctx, CHOSEN, "account.conflict", m);
	}
}

/* ---- sessions ---- */

/* Whether it ends the sessions of its object. */
static bool
ends_sessions(const struct made *m)
{
	return m->ev.kind == EVENT_USER_PASSWORD || m->ev.kind == EVENT_USER_RECOVERED ||
	       m->ev.kind == EVENT_SESSIONS_ENDED || says_disabled(m, true);
}

static void
look_for_session(const struct held *x, const struct made *m)
{
	char session[UUID_STR_LEN], kept[UUID_STR_LEN], mac[UUID_STR_LEN + 2];

	if (m->ev.kind != EVENT_LOGIN)
		return;
	said(m, "session", session);
	said(m, "mac", kept);
	snprintf(mac, sizeof(mac), "\\x%s", kept);
	for (unsigned i = 0; i < x->h->n; i++) {
		const struct made *end = &x->h->made[i];

		said(end, "keep", kept);
		if (uuid_eq(&end->ev.object, &m->ev.actor) && ends_sessions(end) && !knew(m, end) &&
		    strcmp(kept, session) != 0 && is(x, "session", mac, "ended_at", ""))
			x->broken(x->ctx, GOES_ON, "session.ended_at", m);
	}
}

/* ---- nothing is lost without a word ---- */

#define WORDS_MAX (2 * EVENTS_MAX)

/* What somebody said of one thing (query/word.sql). */
struct word {
	const struct made *by;
	const char *thing, *value; /* object/principal/what, and what was said: in the dump */
	size_t thing_len, value_len;
	char conflict[128]; /* the key of the row that says that it was lost */
};

static const struct made *
made_of(const struct history *h, const char *chain, long long seq)
{
	for (unsigned i = 0; i < h->n; i++) {
		char text[UUID_STR_LEN];

		uuid_str(&h->made[i].ev.node, text);
		if (h->made[i].ev.seq == seq && strncmp(text, chain, UUID_STR_LEN - 1) == 0)
			return &h->made[i];
	}
	return NULL;
}

/* Of these no conflict is kept (docs/merge.md). */
static bool
is_told_of(const char *what)
{
	return strncmp(what, "policy/", 7) && strncmp(what, "maintenance/", 12) &&
	       strncmp(what, "handover/", 9);
}

/* A line of the dump, if it is the value of a word that is told of when it is lost. */
static bool
take_word(const struct held *x, const char *line, struct word *ret)
{
	const char *key = line + 5, *tab;
	const char *what = key + 2 * UUID_STR_LEN, *chain;
	long long seq;

	if (strncmp(line, "word\t", 5) != 0)
		return false;
	tab = strchr(key, '\t');
	if (!tab || strncmp(tab, "\tvalue\t", 7) != 0 || !is_told_of(what))
		return false;
	chain = strchr(what, '/') + 1;
	seq = strtoll(chain + UUID_STR_LEN, NULL, 10);
	*ret = (struct word){ .by = made_of(x->h, chain, seq),
			      .thing = key,
			      .thing_len = (size_t)(chain - key),
			      .value = tab + 7,
			      .value_len = strcspn(tab + 7, "\n") };
	snprintf(ret->conflict, sizeof(ret->conflict), "%.36s/%lld/%.*s%.36s/%.36s", chain, seq,
		 (int)(chain - what), what, key, key + UUID_STR_LEN);
	return ret->by != NULL;
}

static bool
same_text(const char *a, size_t na, const char *b, size_t nb)
{
	return na == nb && strncmp(a, b, na) == 0;
}

static bool
same_thing(const struct word *a, const struct word *b)
{
	return same_text(a->thing, a->thing_len, b->thing, b->thing_len);
}

/* Whether nobody who knew of it said another word, nor is anybody told that it was lost: so it has to count. */
static bool
has_to_count(const struct held *x, const struct word *v, size_t n, const struct word *w)
{
	for (size_t i = 0; i < n; i++) {
		if (&v[i] != w && same_thing(&v[i], w) && knew(v[i].by, w->by))
			return false;
	}
	return !value_of(x, "admin_conflict", w->conflict, "");
}

static void
look_for_silence(const struct held *x)
{
	static struct word v[WORDS_MAX];
	size_t n = 0;

	for (const char *line = x->dump; line && n < WORDS_MAX;) {
		n += take_word(x, line, &v[n]);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < i && has_to_count(x, v, n, &v[i]); k++) {
			if (same_thing(&v[i], &v[k]) &&
			    !same_text(v[i].value, v[i].value_len, v[k].value, v[k].value_len) &&
			    has_to_count(x, v, n, &v[k]))
				x->broken(x->ctx, SILENT, "word", v[i].by);
		}
	}
}

void
promises_check(const struct history *h, unsigned from, const char *dump, promises_broken *broken,
	       void *ctx)
{
	struct held x = { h, dump, broken, ctx };

	for (unsigned i = from; i < h->n; i++) {
		look_for_made(&x, &h->made[i]);
		look_for_secret(&x, &h->made[i]);
		look_whether_it_waits(&x, &h->made[i]);
		look_for_taken(&x, &h->made[i]);
		look_for_disabled(&x, &h->made[i]);
		look_for_declined(&x, &h->made[i]);
		look_for_conflict(&x, &h->made[i]);
		look_for_session(&x, &h->made[i]);
	}
	look_for_silence(&x);
}
