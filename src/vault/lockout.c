/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/lockout.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/source.h"
#include "ledger/event_body.h"

#define REMEMBERED_MAX 8192
#define WAIT_MAX_MS (15 * 60 * 1000)

/* Of a user, a name or, of one of these, a source. */
struct row {
	struct row *next; /* older */
	struct lockout_count of;
	int64_t codes, totp_step;
	uint64_t
		begun; /* how often the user began anew; of a source: when its first failure came */
};

struct lockout {
	uint8_t secret[crypto_shorthash_siphashx24_KEYBYTES];
	struct row *rows; /* that was touched last first */
	size_t n;
};

struct lockout *
lockout_new(void)
{
	struct lockout *l = mem_new(sizeof(*l));

	randombytes_buf(l->secret, sizeof(l->secret));
	return l;
}

void
lockout_clear(struct lockout *l)
{
	struct row *r;

	while ((r = l->rows)) {
		l->rows = r->next;
		free(r);
	}
	l->n = 0;
}

void
lockout_free(struct lockout *l)
{
	if (!l)
		return;
	lockout_clear(l);
	secret_wipe(l, sizeof(*l));
	free(l);
}

/* ---- keys ---- */

static void
key_of(const struct lockout *l, const void *p, size_t n, uint8_t ret[static LOCKOUT_KEY_BYTES])
{
	crypto_shorthash_siphashx24(ret, p, n, l->secret);
}

/* Folds ASCII case, so that varying it gives no more tries. */
static void
name_key(const struct lockout *l, const char *name, uint8_t ret[static LOCKOUT_KEY_BYTES])
{
	auto_buf lower = BUF_INIT;

	for (; *name; name++)
		buf_addc(&lower, *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name);
	key_of(l, buf_str(&lower), lower.len, ret);
}

/* Of what has `key`, from an address. What is no address is one source. */
static void
here_key(const struct lockout *l, const uint8_t key[static LOCKOUT_KEY_BYTES], const char *address,
	 uint8_t ret[static LOCKOUT_KEY_BYTES])
{
	uint8_t both[LOCKOUT_KEY_BYTES + SOURCE_BYTES] = { 0 }, at[SOURCE_BYTES];

	memcpy(both, key, LOCKOUT_KEY_BYTES);
	if (address && source_parse(address, at))
		source_of(at, both + LOCKOUT_KEY_BYTES);
	key_of(l, both, sizeof(both), ret);
}

struct lockout_of
lockout_user(const struct lockout *l, const struct uuid *user, const char *address)
{
	struct lockout_of of = { 0 };

	key_of(l, user->b, sizeof(user->b), of.all.key);
	here_key(l, of.all.key, address, of.here.key);
	return of;
}

struct lockout_of
lockout_name(const struct lockout *l, const char *name, const char *address)
{
	struct lockout_of of = { 0 };

	name_key(l, name, of.all.key);
	here_key(l, of.all.key, address, of.here.key);
	return of;
}

struct uuid
lockout_turn(const struct lockout *l, const char *name, const char *address)
{
	struct lockout_of of = lockout_name(l, name, address);
	struct uuid ret;

	_Static_assert(sizeof(ret.b) == LOCKOUT_KEY_BYTES, "a key is an id");
	memcpy(ret.b, of.here.key, sizeof(ret.b));
	return ret;
}

/* ---- the memory ---- */

static struct row **
place_of(struct lockout *l, const uint8_t key[static LOCKOUT_KEY_BYTES])
{
	struct row **at = &l->rows;

	while (*at && memcmp((*at)->of.key, key, LOCKOUT_KEY_BYTES) != 0)
		at = &(*at)->next;
	return at;
}

static struct row *
find(struct lockout *l, const uint8_t key[static LOCKOUT_KEY_BYTES])
{
	return *place_of(l, key);
}

static void
drop_last(struct lockout *l)
{
	struct row **at = &l->rows;

	while (*at && (*at)->next)
		at = &(*at)->next;
	free(*at);
	*at = NULL;
	l->n--;
}

/* It is the newest then, and stays when another one is got. */
static struct row *
get(struct lockout *l, const uint8_t key[static LOCKOUT_KEY_BYTES])
{
	struct row **at = place_of(l, key), *r = *at;

	if (r) {
		*at = r->next;
	} else {
		if (l->n >= REMEMBERED_MAX)
			drop_last(l);
		r = mem_new(sizeof(*r));
		memcpy(r->of.key, key, LOCKOUT_KEY_BYTES);
		l->n++;
	}
	r->next = l->rows;
	l->rows = r;
	return r;
}

/* Of a source; what it failed before the user began anew does not count. */
static struct row *
get_here(struct lockout *l, const uint8_t key[static LOCKOUT_KEY_BYTES], const struct row *all)
{
	struct row *r = get(l, key);

	if (r->begun != all->begun) {
		r->of.failed = r->of.failed_us = 0;
		r->begun = all->begun;
	}
	return r;
}

static void
catch_up(struct lockout_count *to, const struct lockout_count *from)
{
	if (from->failed > to->failed)
		to->failed = from->failed;
	/* When the last failure was is known here better than in the table, which has the clock of whoever wrote it. */
	if (from->failed_us)
		to->failed_us = from->failed_us;
}

void
lockout_recall(struct lockout *l, struct lockout_of *of)
{
	const struct row *all = find(l, of->all.key), *here = find(l, of->here.key);

	if (all) {
		catch_up(&of->all, &all->of);
		of->codes = all->codes;
		if (all->totp_step > of->totp_step)
			of->totp_step = all->totp_step;
	}
	if (here && here->begun == (all ? all->begun : 0))
		catch_up(&of->here, &here->of);
}

void
lockout_sync(struct lockout *l, const struct lockout_of *of)
{
	struct row *all = get(l, of->all.key), *here = get_here(l, of->here.key, all);

	if (all->of.failed < of->all.failed)
		all->of.failed = of->all.failed;
	if (here->of.failed < of->here.failed)
		here->of.failed = of->here.failed;
}

static void
count(struct row *r, int64_t at_us)
{
	int64_t now = clock_now_us();

	r->of.failed++;
	/* A merge brings older ones, too; and a clock may have been ahead. */
	if (r->of.failed_us > now || r->of.failed_us < at_us)
		r->of.failed_us = at_us < now ? at_us : now;
}

void
lockout_fail(struct lockout *l, const struct lockout_of *of)
{
	struct row *all = get(l, of->all.key);

	count(all, clock_now_us());
	count(get_here(l, of->here.key, all), clock_now_us());
}

/* ---- events ---- */

static bool
was_the_code(const struct event *ev)
{
	auto_buf why = BUF_INIT;

	return !event_body_get(ev->body, "why", &why) && !strncmp(buf_str(&why), "code", 4);
}

static void
on_failed(struct lockout *l, const struct event *ev)
{
	struct lockout_of of = lockout_user(l, &ev->actor, ev->address);
	struct row *all;

	if (uuid_is_nil(&ev->actor))
		return;
	all = get(l, of.all.key);
	count(all, ev->at_us);
	all->codes += was_the_code(ev);
	count(get_here(l, of.here.key, all), ev->at_us);
}

static void
begin_anew(struct lockout *l, const struct uuid *user)
{
	struct lockout_of of = lockout_user(l, user, NULL);
	struct row *all = find(l, of.all.key);

	if (!all)
		return;
	all->of.failed = all->codes = 0;
	all->begun++;
}

/* The code that went with it counts no more. */
static void
on_code(struct lockout *l, const struct event *ev)
{
	struct lockout_of of = lockout_user(l, &ev->actor, NULL);
	auto_buf step = BUF_INIT;
	struct row *all;
	int64_t n;

	if (event_body_get(ev->body, "totp_step", &step))
		return;
	all = get(l, of.all.key);
	n = strtoll(buf_str(&step), NULL, 10);
	if (n > all->totp_step)
		all->totp_step = n;
}

void
lockout_on_event(struct lockout *l, const struct event *ev)
{
	switch ((int)ev->kind) {
	case EVENT_LOGIN:
		begin_anew(l, &ev->actor);
		on_code(l, ev);
		break;
	case EVENT_HA_ORDERED:
		on_code(l, ev);
		break;
	case EVENT_LOGIN_FAILED:
		on_failed(l, ev);
		break;
	case EVENT_USER_PASSWORD:
	case EVENT_USER_RECOVERED:
		begin_anew(l, &ev->object);
		break;
	}
}

/* ---- the rule ---- */

static int
check(const struct settings *st, int64_t failed, int64_t failed_us, struct err *e)
{
	int64_t wait_ms = st->lockout_ms, over = failed - st->lockout_after, left_ms;

	if (over < 0)
		return 0;
	for (int64_t i = 0; i < over && wait_ms < WAIT_MAX_MS; i++)
		wait_ms *= 2;
	if (wait_ms > WAIT_MAX_MS)
		wait_ms = WAIT_MAX_MS;
	left_ms = wait_ms - (clock_now_us() - failed_us) / 1000;
	if (left_ms <= 0)
		return 0;
	/* A clock was ahead when they failed, and how long ago that is nobody knows: the next failure says it anew. */
	if (left_ms > 2 * wait_ms)
		return 0;
	if (left_ms > wait_ms)
		left_ms = wait_ms;
	return err_set(e, ERR_LOCKED_OUT, "too many failed logins; wait %lld seconds and try again",
		       (long long)((left_ms + 999) / 1000));
}

int
lockout_check(const struct settings *st, const struct lockout_of *of, struct err *e)
{
	int64_t more = (LOCKOUT_SOURCES - 1) * st->lockout_after;
	int64_t all = of->factor ? of->codes : of->all.failed;
	int rc = check(st, of->here.failed, of->here.failed_us, e);

	return rc || of->came ? rc : check(st, all - more, of->all.failed_us, e);
}
