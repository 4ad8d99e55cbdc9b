/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/lists.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"

#define SEARCHES_MAX (LISTS_CONNECTIONS_MAX - LOOKUPS_KEPT)
#define LOOKUPS_KEPT 2 /* connections that no search ever holds */
#define TICK_MS 100

/* clang-format off */
static const uint8_t lanes[STMT_COUNT] = {
	[STMT_RESOURCE_PLACE] = LISTS_LOOKUP,
	[STMT_RESOURCE_BREADTH] = LISTS_LOOKUP,
	[STMT_RESOURCE_PAGE] = LISTS_LOOKUP,
	[STMT_RESOURCE_PAGE_WIDE] = LISTS_LOOKUP,
	[STMT_RESOURCE_NAMED] = LISTS_LOOKUP,
	[STMT_RESOURCE_IN] = LISTS_LOOKUP,
	[STMT_SEARCH_PLACE] = LISTS_LOOKUP,
	[STMT_SEARCH_HITS] = LISTS_SEARCH,
	[STMT_SEARCH_OWN] = LISTS_SEARCH,
	[STMT_SEARCH_FEW] = LISTS_SEARCH,
	[STMT_SEARCH_MANY] = LISTS_SEARCH,
	[STMT_ACCOUNT_PLACE] = LISTS_LOOKUP,
	[STMT_RESOURCE_SHOW] = LISTS_LOOKUP,
	[STMT_FOLDER_PLACE] = LISTS_LOOKUP,
	[STMT_FOLDER_GET] = LISTS_LOOKUP,
	[STMT_FOLDER_TOP] = LISTS_SEARCH,
	[STMT_FOLDER_CHILDREN] = LISTS_LOOKUP,
	[STMT_FOLDER_SEARCH] = LISTS_SEARCH,
	[STMT_FOLDER_AT] = LISTS_LOOKUP,
	[STMT_FOLDER_EFFECT] = LISTS_SEARCH,
	[STMT_BIN_LIST] = LISTS_SEARCH,
	[STMT_USER_PLACE] = LISTS_LOOKUP,
	[STMT_USER_PAGE] = LISTS_SEARCH,
	[STMT_USER_SEARCH] = LISTS_SEARCH,
	[STMT_USER_GET] = LISTS_LOOKUP,
	[STMT_USER_ADMIN_CONFLICTS] = LISTS_LOOKUP,
	[STMT_USER_ADMIN_CONFLICT_PLACE] = LISTS_LOOKUP,
	[STMT_ACCOUNT_VERSIONS] = LISTS_LOOKUP,
	[STMT_VERSION_PLACE] = LISTS_LOOKUP,
	[STMT_ACCOUNT_CONFLICTS] = LISTS_LOOKUP,
	[STMT_NAME_CONFLICTS] = LISTS_LOOKUP,
	[STMT_NAME_CONFLICT_PLACE] = LISTS_LOOKUP,
	[STMT_CHANGE_LIST] = LISTS_LOOKUP,
	[STMT_EMERGENCY_POLICY_LIST] = LISTS_LOOKUP,
	[STMT_SHARE_LIST] = LISTS_LOOKUP,
	[STMT_OFFER_LIST] = LISTS_SEARCH,
	[STMT_SHARE_WAYS] = LISTS_LOOKUP,
	[STMT_SHARE_SEEN] = LISTS_SEARCH,
	[STMT_SHARE_SEEN_PLACE] = LISTS_LOOKUP,
	[STMT_TEAM_GET] = LISTS_LOOKUP,
	[STMT_TEAM_PAGE] = LISTS_SEARCH,
	[STMT_TEAM_SEARCH] = LISTS_SEARCH,
	[STMT_TEAM_OWN] = LISTS_LOOKUP,
	[STMT_TEAM_MEMBERS] = LISTS_LOOKUP,
	[STMT_AUDIT_LIST] = LISTS_SEARCH,
	[STMT_AUDIT_WITHOUT_EFFECT] = LISTS_SEARCH,
	[STMT_EVENT_NODES] = LISTS_SEARCH,
	[STMT_EVENT_CHUNK] = LISTS_LOOKUP,
	[STMT_EVENT_HEAD] = LISTS_LOOKUP,
	[STMT_EVENT_HASH] = LISTS_LOOKUP,
	[STMT_MARKS_HELD] = LISTS_LOOKUP,
	[STMT_ACCEPTED_BREAKS] = LISTS_LOOKUP,
	[STMT_IMPORT_CHECK] = LISTS_SEARCH,
};
/* clang-format on */

static const struct lists_bound bounds[] = {
	[LISTS_LOOKUP] = { "look-ups", 64, 512 },
	[LISTS_SEARCH] = { "searches", 4, 64 },
};

enum ask_state { ASK_WAITS, ASK_RUNS, ASK_LATE };

/* One that runs or waits, on its fiber's stack. */
struct ask {
	struct ask *next; /* in the queue */
	struct fiber *f;
	const struct uuid *user;
	enum lists_lane lane;
	enum ask_state state;
	unsigned slot;
	unsigned
		turn; /* how many of this user's were in work before it: the first of everybody come first */
	int64_t until_ms;
};

struct lists {
	struct db *db[LISTS_CONNECTIONS_MAX];
	struct ask *running[LISTS_CONNECTIONS_MAX]; /* NULL: the connection is free */
	struct ask *first, *last;		    /* who waits, the oldest first */
	uv_timer_t timer;			    /* while somebody waits */
	uint64_t refused;
};

/* ---- bounds ---- */

/* The searches of all people together leave half of the processors to everybody else. */
unsigned
lists_searches(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN) / 2;

	return n < 1 ? 1 : n > SEARCHES_MAX ? SEARCHES_MAX : (unsigned)n;
}

unsigned
lists_connections(void)
{
	return lists_searches() + LOOKUPS_KEPT;
}

enum lists_lane
lists_lane(enum stmt s)
{
	return lanes[s];
}

const struct lists_bound *
lists_bound(enum lists_lane lane)
{
	return &bounds[lane];
}

/* ---- who comes next ---- */

static unsigned
running_in(const struct lists *l, enum lists_lane lane)
{
	unsigned n = 0;

	for (unsigned i = 0; i < lists_connections(); i++)
		n += l->running[i] && l->running[i]->lane == lane;
	return n;
}

static int
free_slot(const struct lists *l)
{
	for (unsigned i = 0; i < lists_connections(); i++)
		if (!l->running[i])
			return (int)i;
	return -1;
}

static bool
may_run(const struct lists *l, enum lists_lane lane)
{
	return free_slot(l) >= 0 &&
	       (lane != LISTS_SEARCH || running_in(l, LISTS_SEARCH) < lists_searches());
}

static struct ask *
next_of(const struct lists *l)
{
	struct ask *best = NULL;

	for (struct ask *a = l->first; a; a = a->next)
		if (may_run(l, a->lane) && (!best || a->turn < best->turn))
			best = a;
	return best;
}

/* ---- the queue ---- */

static void
add(struct lists *l, struct ask *a)
{
	if (l->last)
		l->last->next = a;
	else
		l->first = a;
	l->last = a;
}

static void
drop(struct lists *l, struct ask *a)
{
	struct ask **at = &l->first, *before = NULL;

	while (*at != a) {
		before = *at;
		at = &before->next;
	}
	*at = a->next;
	if (l->last == a)
		l->last = before;
	a->next = NULL;
}

static void
take_slot(struct lists *l, struct ask *a)
{
	int slot = free_slot(l);

	assert(slot >= 0);
	a->state = ASK_RUNS;
	a->slot = (unsigned)slot;
	l->running[slot] = a;
}

static void
start_next(struct lists *l)
{
	struct ask *a;

	while ((a = next_of(l)) != NULL) {
		drop(l, a);
		take_slot(l, a);
		fiber_wake(a->f);
	}
	if (!l->first)
		uv_timer_stop(&l->timer);
}

/* Who waited too long goes away; the queue is in the order of time. */
static void
on_timer(uv_timer_t *t)
{
	struct lists *l = t->data;
	int64_t now = clock_mono_ms();

	while (l->first && l->first->until_ms <= now) {
		struct ask *a = l->first;

		drop(l, a);
		a->state = ASK_LATE;
		fiber_wake(a->f);
	}
	if (!l->first)
		uv_timer_stop(t);
}

/* Of this lane, of one user or (NULL) of all. */
static unsigned
count(const struct lists *l, enum lists_lane lane, const struct uuid *user)
{
	unsigned n = 0;

	for (unsigned i = 0; i < lists_connections(); i++)
		n += l->running[i] && l->running[i]->lane == lane &&
		     (!user || uuid_eq(l->running[i]->user, user));
	for (const struct ask *a = l->first; a; a = a->next)
		n += a->lane == lane && (!user || uuid_eq(a->user, user));
	return n;
}

static int
check_bounds(const struct lists *l, struct ask *a, struct err *e)
{
	const struct lists_bound *b = lists_bound(a->lane);

	a->turn = count(l, a->lane, a->user);
	if (a->turn >= b->per_user)
		return err_set(e, ERR_BUSY,
			       "%u %s of yours are in work already: wait for their answers",
			       b->per_user, b->many);
	if (count(l, a->lane, NULL) >= b->total)
		return err_set(e, ERR_BUSY, "%u %s are in work already: ask again in a moment",
			       b->total, b->many);
	return 0;
}

/* Until a connection is this one's. */
static int
enter(struct lists *l, struct ask *a, struct err *e)
{
	int rc = check_bounds(l, a, e);

	if (rc)
		return rc;
	/* Nobody of this lane waits then: who could run was started when a connection became free. */
	if (may_run(l, a->lane)) {
		take_slot(l, a);
		return 0;
	}
	a->until_ms = clock_mono_ms() + LISTS_WAIT_MS;
	add(l, a);
	if (!uv_is_active((uv_handle_t *)&l->timer))
		uv_timer_start(&l->timer, on_timer, TICK_MS, TICK_MS);
	while (a->state == ASK_WAITS)
		fiber_sleep(a->f);
	if (a->state == ASK_RUNS)
		return 0;
	return err_set(e, ERR_BUSY,
		       "too many %s are in work: this one waited %d s for its turn. Ask again in a "
		       "moment",
		       lists_bound(a->lane)->many, LISTS_WAIT_MS / 1000);
}

/* ---- life ---- */

struct lists *
lists_new(uv_loop_t *loop, struct db *const *db)
{
	struct lists *l = mem_new(sizeof(*l));

	mem_check(!uv_timer_init(loop, &l->timer));
	l->timer.data = l;
	for (unsigned i = 0; i < lists_connections(); i++)
		l->db[i] = db[i];
	return l;
}

static void
on_closed(uv_handle_t *h)
{
	free(h->data);
}

void
lists_free(struct lists *l)
{
	if (!l)
		return;
	assert(!l->first);
	uv_close((uv_handle_t *)&l->timer, on_closed);
}

struct lists_stats
lists_stats(const struct lists *l)
{
	struct lists_stats s = { 0 };

	if (!l)
		return s;
	for (unsigned i = 0; i < lists_connections(); i++)
		s.running += l->running[i] != NULL;
	s.refused = l->refused;
	for (const struct ask *a = l->first; a; a = a->next)
		s.waiting++;
	return s;
}

/* ---- asking ---- */

int
lists_exec(struct vault *v, struct fiber *f, const struct uuid *user, enum stmt s,
	   const struct binds *b, struct rows **ret_rows, struct err *e)
{
	static const struct uuid node = { 0 };
	struct lists *l = v->lists;
	struct ask a = { .f = f, .user = user ? user : &node, .lane = lists_lane(s) };
	int rc;

	assert(a.lane != LISTS_NONE);
	if (!l)
		return db_exec(vault_reader(v), f, s, b, ret_rows, e);
	rc = enter(l, &a, e);
	if (rc) {
		l->refused++;
		return rc;
	}
	rc = db_exec(l->db[a.slot], f, s, b, ret_rows, e);
	l->running[a.slot] = NULL;
	start_next(l);
	if (rc == ERR_TIMEOUT)
		return err_set(e, ERR_LIST_TIMEOUT, "statement %s took longer than list_timeout",
			       stmt_info(s)->name);
	return rc;
}

int
lists_ask(struct call *c, enum stmt s, const struct binds *b, struct rows **ret_rows, struct err *e)
{
	if (c->logged || lists_lane(s) == LISTS_NONE)
		return db_exec(vault_reader(c->v), c->f, s, b, ret_rows, e);
	return lists_exec(c->v, c->f, &c->who.user, s, b, ret_rows, e);
}
