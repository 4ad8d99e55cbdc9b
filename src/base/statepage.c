/* SPDX-License-Identifier: Apache-2.0
 *
 * The page has two slots for what is larger than an atomic. The writer fills the one that is not
 * shown (its counter is odd meanwhile) and then shows it; so if the writer dies in the middle,
 * readers still have the last whole copy. A reader is only disturbed by two writes during one copy.
 *
 * Invariants: 1. one writer. 2. A slot's words change only while its counter is odd. 3. state and
 * state_seq, both and both_gen are one word each, so a reader never sees half of a pair.
 */
#include "base/buf.h"
#include "base/statepage.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/home.h"
#include "base/homefile.h"
#include "base/mem.h"

#define MAGIC 0x484f4c4450473134ULL /* "HOLDPG14": the number grows with the layout */
#define READ_TRIES 64

/* What a slot holds, as plain bytes. */
struct slot_data {
	uint64_t state, state_seq;
	int64_t state_since_us, as_of_us, as_of_term, term, journal_rows, alerts_waiting;
	uint64_t ordered;
	struct epoch_claim epoch;
	struct certlife certs[CERTLIFE_KINDS];
	uint64_t damage; /* 1: data, 2: journal */
	uint64_t status; /* enum pair_status */
	uint64_t pair_port, members_n;
	struct uuid members[STATEPAGE_MEMBERS_MAX];
	struct uuid duplicate;
	uint64_t run;
	uint64_t schema; /* of the database; << 32: the newest that the program knows */
	char reason[STATEPAGE_REASON_MAX], order_failure[STATEPAGE_REASON_MAX];
	char primary_url[STATEPAGE_NAME_MAX];
	char status_json[STATEPAGE_STATUS_MAX];
};

#define SLOT_WORDS (sizeof(struct slot_data) / sizeof(uint64_t))
_Static_assert(sizeof(struct slot_data) % sizeof(uint64_t) == 0, "a slot is whole words");

struct slot {
	_Atomic uint64_t seq; /* odd while being written */
	_Atomic uint64_t words[SLOT_WORDS];
};

struct shared {
	_Atomic uint64_t magic;
	_Atomic uint64_t shown; /* which slot */
	_Atomic uint64_t state; /* state_seq << 8 | state */
	_Atomic uint64_t since; /* when the state began; the writer's */
	_Atomic uint64_t both;	/* both_gen << 1 | both */
	_Atomic uint64_t beat;
	_Atomic uint64_t unmerged;  /* bool */
	_Atomic uint64_t chain_end; /* enum chain_end */
	_Atomic uint64_t nodes;
	struct slot slots[2];
};

struct statepage {
	struct shared *at;
};

static int
map_page(int fd, int prot, struct statepage **ret)
{
	void *at = mmap(NULL, sizeof(struct shared), prot, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -1;
	struct statepage *p = mem_new(sizeof(*p));
	p->at = at;
	*ret = p;
	return 0;
}

static bool
is_whole(int fd)
{
	struct stat st;
	uint64_t magic = 0;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size == (off_t)sizeof(struct shared) &&
	       pread(fd, &magic, sizeof(magic), 0) == sizeof(magic) && magic == MAGIC;
}

static int
write_empty(const char *path, struct err *e)
{
	struct shared *empty = mem_new(sizeof(*empty));
	atomic_init(&empty->magic, MAGIC);
	int r = home_write_file(path, empty, sizeof(*empty), 0600, e);
	free(empty);
	return r;
}

int
statepage_create(const char *path, struct statepage **ret, struct err *e)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || !is_whole(fd)) {
		if (fd >= 0)
			close(fd);
		int r = write_empty(path, e);
		if (r)
			return err_prefix(e, "cannot create the state page: ");
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	}
	if (fd < 0 || map_page(fd, PROT_READ | PROT_WRITE, ret) < 0) {
		int r = err_errno(e, ERR_IO, "cannot map the state page %s", path);
		if (fd >= 0)
			close(fd);
		return r;
	}
	close(fd);
	/* What the page's last writer knew may be old: claim nothing until it is known again. */
	statepage_set_both(*ret, false);
	statepage_set_unmerged(*ret, false);
	statepage_set_chain_end(*ret, CHAIN_END_ASKED);
	atomic_store(&(*ret)->at->beat, 0);
	return 0;
}

int
statepage_open(const char *path, struct statepage **ret, struct err *e)
{
	int fd = homefile_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(e, ERR_IO, "cannot open the state page %s", path);
	int r = 0;
	if (!is_whole(fd))
		r = err_set(e, ERR_IO, "%s is no state page of this version", path);
	else if (map_page(fd, PROT_READ, ret) < 0)
		r = err_errno(e, ERR_IO, "cannot map the state page %s", path);
	close(fd);
	return r;
}

void
statepage_free(struct statepage *p)
{
	if (!p)
		return;
	munmap(p->at, sizeof(*p->at));
	free(p);
}

static uint64_t
pack_state(uint64_t seq, enum ha_state s)
{
	return seq << 8 | (uint64_t)s;
}

/* The number for what v says now: one more than before when the state is another one. */
static uint64_t
next_seq(const struct shared *s, enum ha_state state)
{
	uint64_t old = atomic_load(&s->state);
	return (old >> 8) + ((old & 0xff) != (uint64_t)state);
}

/* When the state began that has this number. */
static int64_t
since_of(struct shared *s, uint64_t seq)
{
	if (seq != atomic_load(&s->state) >> 8 || !atomic_load(&s->since))
		atomic_store(&s->since, (uint64_t)clock_now_us());
	return (int64_t)atomic_load(&s->since);
}

static void
store_slot(struct slot *s, const struct slot_data *d)
{
	uint64_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed) | 1;
	atomic_store_explicit(&s->seq, seq, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	const char *from = (const char *)d;
	for (size_t i = 0; i < SLOT_WORDS; i++) {
		uint64_t w;
		memcpy(&w, from + i * sizeof(w), sizeof(w));
		atomic_store_explicit(&s->words[i], w, memory_order_relaxed);
	}
	atomic_store_explicit(&s->seq, seq + 1, memory_order_release);
}

void
statepage_write(struct statepage *p, const struct statepage_view *v)
{
	struct shared *s = p->at;
	uint64_t seq = next_seq(s, v->state);
	struct slot_data *d = mem_new(sizeof(*d));
	d->state = (uint64_t)v->state;
	d->state_seq = seq;
	d->state_since_us = since_of(s, seq);
	d->as_of_us = v->as_of_us;
	d->as_of_term = v->as_of_term;
	d->term = v->term;
	d->epoch = v->epoch;
	d->journal_rows = v->journal_rows;
	d->alerts_waiting = v->alerts_waiting;
	d->ordered = v->ordered;
	memcpy(d->certs, v->certs, sizeof(d->certs));
	d->schema = (uint64_t)(uint32_t)v->schema | (uint64_t)(uint32_t)v->schema_known << 32;
	d->damage = (uint64_t)v->data_damaged | (uint64_t)v->journal_unreadable << 1;
	d->status = (uint64_t)v->status;
	d->pair_port = (uint64_t)(uint32_t)v->pair_port;
	d->members_n = v->members_n;
	memcpy(d->members, v->members, sizeof(d->members));
	d->duplicate = v->duplicate;
	d->run = v->run;
	text_fit(d->reason, sizeof(d->reason), "%s", v->reason);
	text_copy(d->order_failure, sizeof(d->order_failure), v->order_failure);
	text_copy(d->primary_url, sizeof(d->primary_url), v->primary_url);
	text_copy(d->status_json, sizeof(d->status_json), v->status_json);
	uint64_t hidden = (atomic_load(&s->shown) & 1) ^ 1;
	store_slot(&s->slots[hidden], d);
	free(d);
	atomic_store(&s->shown, hidden);
	atomic_store(&s->state, pack_state(seq, v->state));
}

void
statepage_set_both(struct statepage *p, bool both)
{
	uint64_t old = atomic_load(&p->at->both);
	if ((old & 1) == (uint64_t)both)
		return;
	atomic_store(&p->at->both, ((old >> 1) + 1) << 1 | (uint64_t)both);
}

void
statepage_set_unmerged(struct statepage *p, bool unmerged)
{
	atomic_store(&p->at->unmerged, unmerged);
}

void
statepage_set_chain_end(struct statepage *p, enum chain_end end)
{
	atomic_store(&p->at->chain_end, (uint64_t)end);
}

void
statepage_set_nodes(struct statepage *p, uint64_t mark)
{
	atomic_store(&p->at->nodes, mark);
}

void
statepage_beat(struct statepage *p)
{
	atomic_store(&p->at->beat, (uint64_t)clock_mono_ms());
}

/* false when the slot changed meanwhile. */
static bool
load_slot(const struct slot *s, struct slot_data *ret)
{
	uint64_t before = atomic_load_explicit(&s->seq, memory_order_acquire);
	if (before & 1)
		return false;
	char *to = (char *)ret;
	for (size_t i = 0; i < SLOT_WORDS; i++) {
		uint64_t w = atomic_load_explicit(&s->words[i], memory_order_relaxed);
		memcpy(to + i * sizeof(w), &w, sizeof(w));
	}
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&s->seq, memory_order_relaxed) == before;
}

static bool
load_shown(const struct shared *s, struct slot_data *ret)
{
	for (int i = 0; i < READ_TRIES; i++) {
		if (load_slot(&s->slots[atomic_load(&s->shown) & 1], ret))
			return true;
		sched_yield();
	}
	return false;
}

void
statepage_read(const struct statepage *p, struct statepage_view *ret)
{
	struct statepage_quick q = statepage_quick(p);
	struct slot_data *d = mem_new(sizeof(*d));
	if (!load_shown(p->at, d)) {
		memset(d, 0, sizeof(*d));
		d->state = (uint64_t)q.state;
		d->state_seq = q.state_seq;
	}
	*ret = (struct statepage_view){
		.state = (enum ha_state)d->state,
		.state_seq = d->state_seq,
		.state_since_us = d->state_since_us,
		.both = q.both,
		.both_gen = q.both_gen,
		.as_of_us = d->as_of_us,
		.as_of_term = d->as_of_term,
		.term = d->term,
		.epoch = d->epoch,
		.beat_mono_ms = q.beat_mono_ms,
		.journal_rows = d->journal_rows,
		.alerts_waiting = d->alerts_waiting,
		.ordered = d->ordered != 0,
		.data_damaged = d->damage & 1,
		.journal_unreadable = d->damage >> 1 & 1,
		.schema = (int)(d->schema & 0x7fffffff),
		.schema_known = (int)(d->schema >> 32),
		.status = (enum pair_status)d->status,
		.pair_port = (int)(d->pair_port & 0xffff),
		.members_n = d->members_n <= STATEPAGE_MEMBERS_MAX ? (unsigned)d->members_n : 0,
		.duplicate = d->duplicate,
		.run = d->run,
	};
	memcpy(ret->certs, d->certs, sizeof(ret->certs));
	memcpy(ret->members, d->members, sizeof(ret->members));
	text_copy(ret->reason, sizeof(ret->reason), d->reason);
	text_copy(ret->order_failure, sizeof(ret->order_failure), d->order_failure);
	text_copy(ret->primary_url, sizeof(ret->primary_url), d->primary_url);
	text_copy(ret->status_json, sizeof(ret->status_json), d->status_json);
	free(d);
}

bool
statepage_is_fresh(const struct statepage_view *v, int64_t now_mono_ms)
{
	int64_t age = now_mono_ms - v->beat_mono_ms;

	return v->beat_mono_ms != 0 && age >= 0 && age <= STATEPAGE_BEAT_MAX_MS;
}

struct statepage_quick
statepage_quick(const struct statepage *p)
{
	uint64_t state = atomic_load(&p->at->state), both = atomic_load(&p->at->both);
	return (struct statepage_quick){
		.state = (enum ha_state)(state & 0xff),
		.state_seq = state >> 8,
		.both = both & 1,
		.both_gen = both >> 1,
		.beat_mono_ms = (int64_t)atomic_load(&p->at->beat),
		.unmerged = atomic_load(&p->at->unmerged) != 0,
		.chain_end = (enum chain_end)atomic_load(&p->at->chain_end),
		.nodes = atomic_load(&p->at->nodes),
	};
}

enum ha_state
statepage_state(const struct statepage *p)
{
	return p ? statepage_quick(p).state : HA_SINGLE;
}
