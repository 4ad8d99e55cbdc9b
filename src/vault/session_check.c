/* SPDX-License-Identifier: Apache-2.0
 *
 * The check of a token. It is looked up in the cache; then, by keyd's MAC, in the table; then in
 * the overlay: sessions begun on this node in emergency, which the table does not have until the
 * journal is merged.
 */
#include "vault/session_impl.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "ledger/event_body.h"
#include "vault/hash_queue.h"
#include "vault/lockout.h"
#include "vault/policy.h"
#include "vault/withdrawn.h"

#define MERGING_RECHECK_MS 200 /* how long a session may still be thought not to be home */
#define SEEN_PART 6	       /* the log hears of a session in use this often per idle limit */

static bool
is_primary(const struct vault *v)
{
	return vault_serves(v) == SERVES_EVERYONE;
}

struct sessions *
sessions_new(struct vault *v)
{
	struct sessions *s = mem_new(sizeof(*s));

	s->v = v;
	s->lockout = lockout_new();
	s->hash_queue = hash_queue_new(HASH_QUEUE_WAIT_MS);
	randombytes_buf(s->hash_key, sizeof(s->hash_key));
	return s;
}

/* ---- cache ---- */

static struct session_entry **
slot(struct sessions *s, const uint8_t key[static SESSION_KEY_BYTES])
{
	unsigned i = (unsigned)(key[0] | key[1] << 8) % SESSION_BUCKETS;
	struct session_entry **at = &s->bucket[i];

	while (*at && memcmp((*at)->key, key, SESSION_KEY_BYTES))
		at = &(*at)->next;
	return at;
}

static void
drop_at(struct sessions *s, struct session_entry **at)
{
	struct session_entry *en = *at;

	*at = en->next;
	s->n--;
	free(en->name);
	secret_wipe(en, sizeof(*en));
	free(en);
}

typedef bool match_fn(const struct session_entry *en, const void *arg);

static void
drop_where(struct sessions *s, match_fn *match, const void *arg)
{
	s->generation++;
	for (unsigned i = 0; i < SESSION_BUCKETS; i++) {
		struct session_entry **at = &s->bucket[i];

		while (*at) {
			if (match(*at, arg))
				drop_at(s, at);
			else
				at = &(*at)->next;
		}
	}
}

static bool
is_any(const struct session_entry *en, const void *arg)
{
	return true;
}

static bool
is_session(const struct session_entry *en, const void *arg)
{
	return uuid_eq(&en->session, arg);
}

static bool
is_user(const struct session_entry *en, const void *arg)
{
	return uuid_eq(&en->user, arg);
}

static bool
is_over(const struct session_entry *en, const void *arg)
{
	const int64_t *limit = arg; /* now, idle limit */

	return en->expires_us <= limit[0] || en->seen_us + limit[1] <= limit[0];
}

size_t
sessions_count(const struct sessions *s)
{
	return s->n;
}

/* ---- overlay ---- */

static bool
ended_here(const struct sessions *s, const struct uuid *session)
{
	for (const struct session_ended_here *x = s->ended; x; x = x->next)
		if (uuid_eq(&x->session, session))
			return true;
	return false;
}

static struct session_begun_here *
begun_here(const struct sessions *s, const uint8_t mac[static KEYS_HASH_BYTES])
{
	for (struct session_begun_here *x = s->begun; x; x = x->next)
		if (!sodium_memcmp(x->mac, mac, KEYS_HASH_BYTES))
			return x;
	return NULL;
}

static void
free_begun(struct session_begun_here *x)
{
	free(x->knew);
	free(x);
}

static void
clear_overlay(struct sessions *s)
{
	struct session_begun_here *b;
	struct session_ended_here *x;

	while ((b = s->begun)) {
		s->begun = b->next;
		free_begun(b);
	}
	while ((x = s->ended)) {
		s->ended = x->next;
		free(x);
	}
}

static void
drop_expired(struct sessions *s)
{
	struct session_begun_here **at = &s->begun, *x;
	int64_t now = clock_now_us();

	while ((x = *at)) {
		if (x->expires_us > now) {
			at = &x->next;
			continue;
		}
		*at = x->next;
		free_begun(x);
	}
}

static int
parse_login(const struct event *ev, struct session_begun_here *ret)
{
	auto_buf session = BUF_INIT, expires = BUF_INIT, knew = BUF_INIT;

	if (event_body_get_bytes(ev->body, "mac", ret->mac, sizeof(ret->mac)) ||
	    event_body_get(ev->body, "session", &session) ||
	    event_body_get(ev->body, "expires", &expires))
		return -1;
	if (uuid_parse(buf_str(&session), &ret->session) ||
	    clock_parse_iso(buf_str(&expires), &ret->expires_us))
		return -1;
	if (!event_body_get(ev->body, "knew", &knew))
		ret->knew = buf_take_str(&knew);
	ret->user = ev->actor;
	ret->begun_us = ret->seen_us = ev->at_us;
	return 0;
}

static void
note_begun(struct sessions *s, const struct event *ev)
{
	struct session_begun_here *x = mem_new(sizeof(*x));

	if (parse_login(ev, x)) {
		log_warning("event %lld of the journal is a login that cannot be read",
			    (long long)ev->seq);
		free_begun(x);
		return;
	}
	if (begun_here(s, x->mac)) {
		free_begun(x);
		return;
	}
	x->next = s->begun;
	s->begun = x;
}

static void
note_ended(struct sessions *s, const struct event *ev)
{
	struct session_ended_here *x;

	if (ended_here(s, &ev->object))
		return;
	x = mem_new(sizeof(*x));
	x->session = ev->object;
	x->next = s->ended;
	s->ended = x;
}

/* Those that began here before it; of those that the table has vault/withdrawn.h knows. */
static void
note_all_ended(struct sessions *s, const struct event *ev)
{
	struct session_begun_here **at = &s->begun, *x;
	auto_buf text = BUF_INIT;
	struct uuid keep = { 0 };

	if (event_body_get(ev->body, "keep", &text) || uuid_parse(buf_str(&text), &keep))
		keep = (struct uuid){ 0 };
	while ((x = *at)) {
		if (!uuid_eq(&x->user, &ev->object) || uuid_eq(&x->session, &keep)) {
			at = &x->next;
			continue;
		}
		*at = x->next;
		free_begun(x);
	}
}

static void
note_seen(struct sessions *s, const struct event *ev)
{
	for (struct session_begun_here *x = s->begun; x; x = x->next)
		if (uuid_eq(&x->session, &ev->object) && x->seen_us < ev->at_us)
			x->seen_us = ev->at_us;
}

/* ---- what the log says ---- */

static void
note(struct sessions *s, const struct event *ev, bool journal)
{
	lockout_on_event(s->lockout, ev);
	switch ((int)ev->kind) {
	case EVENT_LOGIN:
		if (journal)
			note_begun(s, ev);
		break;
	case EVENT_LOGOUT:
		drop_where(s, is_session, &ev->object);
		if (journal)
			note_ended(s, ev);
		break;
	case EVENT_SESSION_SEEN:
		if (journal)
			note_seen(s, ev);
		break;
	case EVENT_USER_PASSWORD:
	case EVENT_USER_RECOVERED:
		drop_where(s, is_user, &ev->object);
		break;
	case EVENT_SESSIONS_ENDED:
		if (journal)
			note_all_ended(s, ev);
		drop_where(s, is_user, &ev->object);
		break;
	case EVENT_USER_CHANGED:
	case EVENT_USER_TOTP:
		drop_where(s, is_user, &ev->object);
		break;
	case EVENT_RESTORED:
		drop_where(s, is_any, NULL);
		break;
	}
}

void
sessions_on_event(struct sessions *s, const struct event *ev)
{
	note(s, ev, !is_primary(s->v));
}

static void
on_journal_event(void *ctx, const struct event *ev)
{
	note(ctx, ev, true);
}

int
sessions_reload(struct sessions *s, struct fiber *f, struct err *e)
{
	drop_where(s, is_any, NULL);
	lockout_clear(s->lockout);
	if (is_primary(s->v)) {
		clear_overlay(s);
		return 0;
	}
	/* Sessions go on while the journal is read: what the overlay has too much the table knows better. */
	drop_expired(s);
	return ledger_journal_each(s->v->ledger, f, NULL, on_journal_event, s, e);
}

void
sessions_free(struct sessions *s)
{
	if (!s)
		return;
	drop_where(s, is_any, NULL);
	lockout_free(s->lockout);
	clear_overlay(s);
	hash_queue_free(s->hash_queue);
	secret_wipe(s, sizeof(*s));
	free(s);
}

/* ---- check ---- */

static int
not_known(struct err *e)
{
	return err_set(e, ERR_UNAUTHENTICATED, "%s", err_info(ERR_UNAUTHENTICATED)->text);
}

struct seen_arg {
	struct vault *v;
	struct uuid session, user;
};

static void
write_seen(struct fiber *f, void *arg)
{
	struct seen_arg *a = arg;
	struct event ev = { .kind = EVENT_SESSION_SEEN,
			    .actor = a->user,
			    .object = a->session,
			    .address = "",
			    .body = "{}" };

	/* If it cannot be written now the next use tries again; the session only ends sooner. */
	(void)!ledger_append(a->v->ledger, f, &ev, 1, NULL, NULL);
	free(a);
}

static void
tell_seen(struct sessions *s, const struct session_entry *en)
{
	struct seen_arg *a = mem_raw(sizeof(*a));

	*a = (struct seen_arg){ s->v, en->session, en->user };
	if (!fiber_start(s->v->fibers, write_seen, a))
		free(a);
}

static void
use(struct sessions *s, struct session_entry *en, int64_t now, struct arena *a, struct who *ret)
{
	en->seen_us = now;
	if (now - en->written_us > s->v->settings->session_idle * 1000 / SEEN_PART) {
		en->written_us = now;
		tell_seen(s, en);
	}
	ret->user = en->user;
	ret->session = en->session;
	ret->name = arena_strdup(a, en->name);
	ret->role = en->role;
	ret->journal_only = en->journal_only;
}

/* A cached entry that may be used as it is; others are dropped. */
static struct session_entry *
cached(struct sessions *s, const uint8_t key[static SESSION_KEY_BYTES], int64_t now)
{
	int64_t limit[2] = { now, s->v->settings->session_idle * 1000 };
	struct session_entry **at = slot(s, key), *en = *at;

	if (!en)
		return NULL;
	if (is_over(en, limit) || (en->journal_only && vault_serves(s->v) == SERVES_UNMERGED &&
				   clock_mono_ms() - en->checked_mono_ms > MERGING_RECHECK_MS)) {
		drop_at(s, at);
		return NULL;
	}
	return en;
}

/* Fills ret from the session table. ERR_UNAUTHENTICATED; ERR_NOT_FOUND when the table does not have
 * it. */
static int
load_home(struct sessions *s, struct fiber *f, const uint8_t mac[static KEYS_HASH_BYTES],
	  struct session_entry *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	int rc;

	bind_bytea(&b, mac, KEYS_HASH_BYTES);
	rc = db_exec(vault_reader(s->v), f, STMT_SESSION_BY_MAC, &b, &rows, e);
	if (rc)
		return rc;
	if (!rows_count(rows))
		return ERR_NOT_FOUND;
	if (row_bool(rows, 0, COL_SESSION_BY_MAC_ENDED) ||
	    row_bool(rows, 0, COL_SESSION_BY_MAC_DISABLED))
		return not_known(e);
	row_uuid(rows, 0, COL_SESSION_BY_MAC_ID, &ret->session);
	row_uuid(rows, 0, COL_SESSION_BY_MAC_PRINCIPAL, &ret->user);
	if (withdrawn_session(s->v->withdrawn, &ret->user, &ret->session))
		return not_known(e);
	ret->seen_us = ret->written_us = row_time(rows, 0, COL_SESSION_BY_MAC_SEEN);
	ret->expires_us = row_time(rows, 0, COL_SESSION_BY_MAC_EXPIRES);
	ret->name = mem_dup(row_text(rows, 0, COL_SESSION_BY_MAC_NAME));
	ret->role = policy_role(row_text(rows, 0, COL_SESSION_BY_MAC_ROLE));
	return 0;
}

/* The same from the overlay; who the user is, and what ended their sessions elsewhere, the replicated tables say. */
static int
load_overlay(struct sessions *s, struct fiber *f, const uint8_t mac[static KEYS_HASH_BYTES],
	     struct session_entry *ret, struct err *e)
{
	const struct session_begun_here *x = begun_here(s, mac);
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	int rc;

	if (!x)
		return not_known(e);
	ret->session = x->session;
	ret->user = x->user;
	ret->seen_us = ret->written_us = x->seen_us;
	ret->expires_us = x->expires_us;
	ret->journal_only = true;
	bind_uuid(&b, &ret->user);
	bind_uuid(&b, &ret->session);
	bind_text(&b, x->knew);
	rc = db_exec(vault_reader(s->v), f, STMT_LOGIN_BY_ID, &b, &rows, e);
	if (rc)
		return rc;
	if (!rows_count(rows) || row_bool(rows, 0, COL_LOGIN_BY_ID_DISABLED) ||
	    row_bool(rows, 0, COL_LOGIN_BY_ID_ENDED) || withdrawn_user(s->v->withdrawn, &ret->user))
		return not_known(e);
	ret->name = mem_dup(row_text(rows, 0, COL_LOGIN_BY_ID_NAME));
	ret->role = policy_role(row_text(rows, 0, COL_LOGIN_BY_ID_ROLE));
	return 0;
}

static int
load(struct sessions *s, struct fiber *f, const uint8_t token[static TOKEN_BYTES],
     struct session_entry *ret, struct err *e)
{
	int64_t limit[2] = { clock_now_us(), s->v->settings->session_idle * 1000 };
	uint8_t mac[KEYS_HASH_BYTES];
	int rc = keys_mac(s->v->keys, f, KEYS_SESSION, token, TOKEN_BYTES, mac, e);

	if (rc)
		return rc;
	ret->checked_mono_ms = clock_mono_ms();
	rc = load_home(s, f, mac, ret, e);
	if (rc == ERR_NOT_FOUND)
		rc = load_overlay(s, f, mac, ret, e);
	if (!rc && (is_over(ret, limit) || ended_here(s, &ret->session)))
		rc = not_known(e);
	return rc;
}

static struct session_entry *
keep(struct sessions *s, const struct session_entry *from)
{
	int64_t limit[2] = { clock_now_us(), s->v->settings->session_idle * 1000 };
	struct session_entry **at = slot(s, from->key), *en;

	/* Two requests with one token may both have asked. */
	if (*at)
		drop_at(s, at);
	if (s->n >= SESSION_CACHE_MAX)
		drop_where(s, is_over, limit);
	if (s->n >= SESSION_CACHE_MAX)
		drop_where(s, is_any, NULL);
	en = mem_raw(sizeof(*en));
	*en = *from;
	at = slot(s, from->key);
	en->next = *at;
	*at = en;
	s->n++;
	return en;
}

int
session_check(struct vault *v, struct fiber *f, const char *token, struct arena *a, struct who *ret,
	      struct err *e)
{
	struct sessions *s = v->sessions;
	struct session_entry fresh = { 0 }, *en;
	uint8_t bytes[TOKEN_BYTES];
	int64_t now = clock_now_us();
	uint64_t generation;
	int rc;

	if (token_parse(token, bytes))
		return not_known(e);
	session_key(s, bytes, sizeof(bytes), fresh.key);
	en = cached(s, fresh.key, now);
	if (en) {
		secret_wipe(bytes, sizeof(bytes));
		use(s, en, now, a, ret);
		return 0;
	}
	generation = s->generation;
	rc = load(s, f, bytes, &fresh, e);
	secret_wipe(bytes, sizeof(bytes));
	if (!rc && generation == s->generation) {
		use(s, keep(s, &fresh), now, a, ret);
		return 0;
	}
	if (!rc)
		use(s, &fresh, now, a, ret);
	free(fresh.name);
	return rc;
}

bool
session_is_journal_only(const struct who *w)
{
	return w->journal_only;
}
