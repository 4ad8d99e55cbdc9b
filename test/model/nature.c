/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes on in the world while nobody decides: vaults write, PostgreSQL streams, journals come home, the steps of a change of role go on
 * (agent/role.c, node/rejoin.c), and each node sees of the others what can be seen.
 */
#include "test/model/model.h"

#include <assert.h>
#include <string.h>
#include "agent/role.h"
#include "base/statepage.h"
#include "ha/history.h"
#include "ha/probe.h"
#include "ha/rejoin.h"

#define HANDOVER_UNITS (30000 / UNIT_MS) /* node/rejoin.c waits so long for the other node */

static unsigned
index_of(const struct world *w, const struct program *p)
{
	return (unsigned)(p - w->p);
}

static bool
is_holding(const struct program *p)
{
	return p->flags[1];
}

/* ---- the vault ---- */

/* As ledger_chain.c: proved is what was proved once, until the chain is closed. */
static bool
is_proved(struct program *p)
{
	p->ever_proved = p->state == HA_SINGLE || p->chain_end == CHAIN_END_PROVED ||
			 (p->ever_proved && p->chain_end != CHAIN_END_CLOSED);
	if (p->ever_proved)
		p->inc = 0;
	return p->ever_proved;
}

static unsigned
new_chain(const struct world *w, unsigned node)
{
	unsigned inc = 0;

	for (unsigned i = 0; i < w->segs_n; i++) {
		if (w->seg[i].node == node && w->seg[i].inc > inc)
			inc = w->seg[i].inc;
	}
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		if (w->p[i].exists && w->p[i].node == node && w->p[i].inc > inc)
			inc = w->p[i].inc;
	}
	return inc + 1;
}

/* Who cannot prove where its chain ends begins one of its own. */
static unsigned
chain_of(struct world *w, struct program *p)
{
	if (is_proved(p))
		return 0;
	if (!p->inc)
		p->inc = (uint8_t)new_chain(w, p->node);
	return p->inc;
}

static bool
writes_log(struct program *p)
{
	return p->on && p->agent && !is_holding(p) && database_is_up(p) && !p->db.standby &&
	       state_row(p->state)->writes == WRITES_DATABASE &&
	       (is_proved(p) || p->chain_end != CHAIN_END_ASKED);
}

static bool
writes_journal(const struct program *p)
{
	return p->on && p->agent && database_is_up(p) &&
	       state_row(p->state)->writes == WRITES_JOURNAL &&
	       state_serves(p->state) == SERVES_EMERGENCY;
}

void
nature_write(struct world *w, unsigned i, enum seg_kind kind, unsigned term, unsigned about)
{
	struct program *p = &w->p[i];

	if (!writes_log(p))
		return;
	seg_add(w, i, IN_LOG, chain_of(w, p), kind, term, about, false);
	p->db.pos++;
	look_at_log(w, p);
}

/* A commit is answered when it is on the disks that it waits for. */
static void
acknowledge(struct world *w, unsigned i)
{
	const struct program *p = &w->p[i];

	for (unsigned k = 0; k < w->segs_n && writes_log(&w->p[i]); k++) {
		struct seg *s = &w->seg[k];

		if (!(s->in & at(i, IN_LOG)) || s->node != p->node)
			continue;
		if (!p->sync_set)
			s->acked = true;
		for (unsigned n = 0; n < w->nodes; n++) {
			unsigned other = program_named(w, n);

			if (p->t.of[n].streams && (p->proofs & (1u << n)) && other < PROGRAMS_MAX &&
			    (s->in & at(other, IN_LOG)))
				s->acked = true;
		}
	}
}

static void
write_some(struct world *w)
{
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		struct program *p = &w->p[i];

		if (!p->exists)
			continue;
		nature_write(w, i, SEG_DATA, 0, 0);
		if (writes_journal(p))
			seg_add(w, i, IN_JOURNAL, chain_of(w, p), SEG_DATA, 0, 0, true);
	}
}

/* ---- streams ---- */

static bool
streams_from(const struct world *w, unsigned i, unsigned node)
{
	const struct program *p = &w->p[i];
	unsigned other = program_named(w, node);

	return database_is_up(p) && p->db.standby && node != NOBODY &&
	       reaches_channel(w, i, node) && !w->p[other].db.standby &&
	       wal_follows(w, &p->db, &w->p[other].db);
}

static void
take_wal(struct world *w, struct program *p, struct database *d, enum place place,
	 const struct program *from)
{
	unsigned i = index_of(w, p), other = index_of(w, from);

	d->line = from->db.line;
	d->pos = from->db.pos;
	for (unsigned k = 0; k < w->segs_n; k++) {
		if (w->seg[k].in & at(other, IN_LOG))
			w->seg[k].in |= at(i, place);
	}
}

/* PostgreSQL goes by where its WAL ends, not by what is in it: who follows one that has less loses the rest. */
static void
overwrite(struct world *w, uint16_t log, uint16_t with)
{
	for (unsigned i = 0; i < w->segs_n; i++) {
		struct seg *s = &w->seg[i];

		if (!(s->in & log) || (s->in & with))
			continue;
		s->in &= (uint16_t)~log;
		if (!s->in && s->acked)
			w->lost = 1;
	}
}

static void
stream(struct world *w)
{
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		struct program *p = &w->p[i];
		bool streams = p->exists && streams_from(w, i, p->db.follows);

		if (!streams) {
			p->t.receives = 0;
		} else {
			unsigned from = program_named(w, p->db.follows);

			take_wal(w, p, &p->db, IN_LOG, &w->p[from]);
			overwrite(w, at(i, IN_LOG), at(from, IN_LOG));
			look_at_log(w, p);
			if (!p->t.receives)
				p->t.receives = 1;
		}
	}
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		for (unsigned n = 0; n < w->nodes && w->p[i].exists; n++) {
			unsigned other = program_named(w, n);
			age *t = &w->p[i].t.of[n].streams;
			bool streams = other < PROGRAMS_MAX && w->p[other].t.receives &&
				       program_named(w, w->p[other].db.follows) == i;

			*t = !streams ? 0 : *t ? *t : 1;
			if (!streams)
				w->p[i].proofs &= (uint8_t) ~(1u << n);
		}
	}
}

static void
wait_for_disks(struct program *p)
{
	bool any = false, unproven = false, proven = false;

	p->sync_set = p->sync_wanted && database_is_up(p);
	for (unsigned n = 0; n < NODES_MAX; n++) {
		bool streams = p->t.of[n].streams != 0;

		any |= streams;
		proven |= streams && (p->proofs & (1u << n));
		unproven |= streams && !(p->proofs & (1u << n));
	}
	if (any || !p->t.step)
		p->t.step = 1;
	if (!p->sync_set || !proven || unproven)
		p->t.quorum = 0;
	else if (!p->t.quorum)
		p->t.quorum = 1;
}

/* ---- what was written elsewhere comes home ---- */

/* Appends what fits; two hashes for one number do not. */
static bool
merge(struct world *w, uint16_t from, uint16_t to)
{
	bool any = false;

	for (unsigned i = 0; i < w->segs_n; i++) {
		struct seg *s = &w->seg[i];
		bool parted = false;

		if (!(s->in & from) || (s->in & to))
			continue;
		for (unsigned k = 0; k < w->segs_n; k++) {
			const struct seg *t = &w->seg[k];

			parted |= (t->in & to) && t->node == s->node && t->inc == s->inc &&
				  t->pos == s->pos;
		}
		if (parted)
			continue;
		s->in |= to;
		any = true;
	}
	return any;
}

static void
bring_home(struct world *w, unsigned i)
{
	struct program *p = &w->p[i];
	uint16_t journal = at(i, IN_JOURNAL), log = at(i, IN_LOG);

	if (writes_log(p)) {
		if (merge(w, journal, log)) {
			p->db.pos++;
			look_at_log(w, p);
		}
		if (segs_within(w, journal, log))
			segs_drop(w, journal, false);
		return;
	}
	if (!p->agent || !p->secondary || !p->deposits || p->phase == TASK_WORKING ||
	    p->deposit_to == NOBODY || !reaches_channel(w, i, p->deposit_to))
		return;
	unsigned other = program_named(w, p->deposit_to);
	struct program *primary = &w->p[other];

	p->t.slot = 1;
	if (primary->db.standby)
		return;
	if (writes_log(primary) && merge(w, journal, at(other, IN_LOG))) {
		primary->db.pos++;
		look_at_log(w, primary);
	}
	if (database_is_up(p) && segs_within(w, journal, log) &&
	    segs_within(w, journal, at(other, IN_LOG)))
		segs_drop(w, journal, false);
}

/* ---- changes of role: agent/role.c ---- */

static struct program *
meet(struct world *w, struct program *p, unsigned node)
{
	unsigned i = index_of(w, p);

	if (node == NOBODY || !reaches_channel(w, i, node))
		return NULL;
	return &w->p[program_named(w, node)];
}

static void
promote(struct world *w, struct program *p)
{
	unsigned l = 1;

	while (l < LINES_MAX && w->line[l].used)
		l++;
	assert(l < LINES_MAX);
	w->line[l] = (struct line){ true, p->db.line, p->db.pos };
	p->db.line = (uint8_t)l;
	p->db.pos = 1;
	p->db.standby = p->db.raw = false;
	p->db.follows = NOBODY;
	p->rejoin = 0;
	p->copying = false;
	p->phase = TASK_DONE;
	look_at_log(w, p);
}

static bool
shares_epoch(const struct world *w, unsigned i, unsigned other)
{
	const struct program *p = &w->p[i];

	if (!p->task_logged)
		return false;
	for (unsigned k = 0; k < w->segs_n; k++) {
		const struct seg *s = &w->seg[k];

		if (s->kind == SEG_PROMOTED && s->term == p->task_epoch && s->about == p->top &&
		    s->drawn == p->drawn && (s->in & at(i, IN_LOG)))
			return s->in & at(other, IN_LOG);
	}
	return true;
}

static void
ask_rejoin(struct program *p, enum rejoin_way way)
{
	p->rejoin = (uint8_t)(way + 1);
	p->rejoin_to = p->task_to;
	p->phase = TASK_DONE;
}

/* Its chain has another event there for one of its numbers: salvage leaves that to the data that are kept aside. */
static bool
is_parted(const struct world *w, const struct seg *s, uint16_t log)
{
	for (unsigned k = 0; k < w->segs_n; k++) {
		for (unsigned n = 0; n < w->segs_n; n++) {
			const struct seg *a = &w->seg[k], *b = &w->seg[n];

			if (k != n && a->node == s->node && a->inc == s->inc &&
			    b->node == s->node && b->inc == s->inc && a->pos == b->pos &&
			    a->pos <= s->pos && (b->in & log) && !(a->in & log))
				return true;
		}
	}
	return false;
}

/* Salvage first, then one of the ways back. */
static void
go_back(struct world *w, struct program *p)
{
	struct program *other = meet(w, p, p->task_to);
	unsigned i = index_of(w, p);
	uint16_t log = at(i, IN_LOG);

	if (!other || !database_is_up(p)) {
		p->phase = TASK_FAILED;
		return;
	}
	unsigned o = index_of(w, other);
	bool parted = segs_part(w, log, at(o, IN_LOG));

	for (unsigned k = 0; k < w->segs_n && model_fault != FAULT_OVERWRITES; k++) {
		struct seg *s = &w->seg[k];

		if ((s->in & log) && !(s->in & at(o, IN_LOG)) && !is_parted(w, s, at(o, IN_LOG)))
			s->in |= at(i, IN_JOURNAL);
	}
	if (p->task == ROLE_REWIND && !parted && shares_epoch(w, i, o))
		ask_rejoin(p, REJOIN_REWIND);
	else if (p->task == ROLE_REWIND || other->db.standby)
		p->phase = TASK_FAILED;
	else {
		p->copying = true;
		p->phase = TASK_COPYING;
		segs_drop(w, at(i, IN_COPY), false);
		p->copy.there = false;
	}
}

static void
make_copy(struct world *w, struct program *p, struct program *other)
{
	unsigned i = index_of(w, p);

	segs_drop(w, at(i, IN_COPY), false);
	p->copy = (struct database){ .there = true, .standby = true, .follows = NOBODY };
	take_wal(w, p, &p->copy, IN_COPY, other);
}

static void
copy_beside(struct world *w, struct program *p)
{
	struct program *other = meet(w, p, p->task_to);

	if (!other || other->db.standby) {
		p->phase = TASK_FAILED;
		return;
	}
	unsigned i = index_of(w, p);
	bool parted = segs_part(w, at(i, IN_LOG), at(index_of(w, other), IN_LOG));

	make_copy(w, p, other);
	ask_rejoin(p, parted ? REJOIN_SWAP_KEPT : REJOIN_SWAP);
}

static void
carry_out(struct world *w, struct program *p)
{
	if (p->phase == TASK_COPYING) {
		copy_beside(w, p);
		return;
	}
	if (p->phase != TASK_WORKING)
		return;
	switch ((enum role_task)p->task) {
	case ROLE_PROMOTE:
		if (database_is_up(p))
			promote(w, p);
		else
			p->phase = TASK_FAILED;
		break;
	case ROLE_HANDOVER:
		ask_rejoin(p, REJOIN_HANDOVER);
		break;
	case ROLE_RETURN:
	case ROLE_CLONE:
	case ROLE_REWIND:
		go_back(w, p);
		break;
	default:
		p->phase = TASK_DONE;
	}
}

/* ---- while PostgreSQL is stopped: node/rejoin.c ---- */

static void
end_rejoin(struct world *w, unsigned i)
{
	struct program *p = &w->p[i];

	p->rejoin = 0;
	p->copying = p->stopped = false;
	p->t.rejoining = 0;
	look_at_log(w, p);
	if (!p->agent)
		agents_begin(i, false);
}

/* The copy takes the place of the database. */
static void
put_copy_in_place(struct world *w, unsigned i)
{
	struct program *p = &w->p[i];
	uint16_t log = at(i, IN_LOG), copy = at(i, IN_COPY);

	if (!p->copy.there)
		return;
	for (unsigned k = 0; k < w->segs_n; k++) {
		struct seg *s = &w->seg[k];

		if ((s->in & copy) && !(s->in & log))
			s->in |= log;
		else if (!(s->in & copy) && (s->in & log)) {
			s->in &= (uint16_t)~log;
			if (!s->in && s->acked)
				w->lost = 1;
		}
		s->in &= (uint16_t)~copy;
	}
	p->db = p->copy;
	p->copy = (struct database){ .follows = NOBODY };
}

static bool
is_settled(const struct program *other)
{
	return other && !other->db.standby && other->top == other->node;
}

static void
rewind_to(struct world *w, unsigned i, struct program *other)
{
	struct program *p = &w->p[i];

	if (!p->rewinding && wal_follows(w, &p->db, &other->db)) {
		make_copy(w, p, other);
		put_copy_in_place(w, i);
		end_rejoin(w, i);
		return;
	}
	if (!p->rewinding) { /* in place: from now on it is no database until this has ended */
		p->rewinding = true;
		segs_drop(w, at(i, IN_LOG), false);
		return;
	}
	p->rewinding = false;
	p->db = (struct database){
		.there = true, .standby = true, .follows = other->node, .raw = true
	};
	take_wal(w, p, &p->db, IN_LOG, other);
	end_rejoin(w, i);
}

static void
hand_over(struct world *w, unsigned i, struct program *other)
{
	struct program *p = &w->p[i];

	if (is_settled(other)) {
		if (wal_follows(w, &p->db, &other->db)) {
			p->db.standby = true;
			p->db.follows = NOBODY;
		}
		end_rejoin(w, i);
	} else if (!(other && !other->db.standby) && p->t.rejoining > HANDOVER_UNITS) {
		end_rejoin(w, i);
	}
}

static void
go_on_rejoining(struct world *w, unsigned i)
{
	struct program *p = &w->p[i];
	struct program *other = meet(w, p, p->rejoin_to);

	if (!p->t.rejoining)
		p->t.rejoining = 1;
	switch ((enum rejoin_way)(p->rejoin - 1)) {
	case REJOIN_SWAP_KEPT:
		segs_copy(w, at(i, IN_LOG), at(i, IN_ASIDE));
		put_copy_in_place(w, i);
		end_rejoin(w, i);
		break;
	case REJOIN_SWAP:
		put_copy_in_place(w, i);
		end_rejoin(w, i);
		break;
	case REJOIN_COPY:
		if (!is_settled(other))
			break;
		segs_copy(w, at(i, IN_LOG), at(i, IN_ASIDE));
		make_copy(w, p, other);
		put_copy_in_place(w, i);
		end_rejoin(w, i);
		break;
	case REJOIN_REWIND:
		if (is_settled(other))
			rewind_to(w, i, other);
		break;
	case REJOIN_HANDOVER:
		hand_over(w, i, other);
		break;
	}
}

/* ---- what is seen ---- */

struct answer {
	enum probe_outcome outcome;
	const struct program *of;
};

static struct answer
ask_service(const struct world *w, unsigned i, unsigned node)
{
	if (!reaches_web(w, i, node))
		return (struct answer){ PROBE_SILENT, NULL };
	const struct program *p = &w->p[program_named(w, node)];
	const struct state_row *row = state_row(p->state);

	if (!p->on || !p->agent)
		return (struct answer){ PROBE_REFUSED, NULL };
	if (is_holding(p) || !database_is_up(p) || row->health_status == 503)
		return (struct answer){ PROBE_CANNOT, p };
	return (struct answer){ row->health_status == 200 ? PROBE_OK : PROBE_STANDBY, p };
}

/* As ha/probe_facts.c notes it, whose times these are. */
static void
note_answer(struct world *w, unsigned i, unsigned node)
{
	struct program *p = &w->p[i];
	struct sight *s = &p->sees[node];
	struct ages *t = &p->t.of[node];
	struct answer a = ask_service(w, i, node);
	bool serves = a.outcome == PROBE_OK && state_serves(a.of->state) == SERVES_EVERYONE;

	if (a.outcome == PROBE_SILENT) {
		if (!t->unanswered) {
			t->unanswered = 1;
			s->kept = s->last == PROBE_OK || s->last == PROBE_STANDBY ||
				  s->last == PROBE_CANNOT;
			return;
		}
		s->last = PROBE_SILENT;
		s->ok = false;
		return;
	}
	s->last = (uint8_t)a.outcome;
	t->answer = 1;
	t->unanswered = 0;
	if (serves && !s->ok)
		t->ok_since = 1;
	s->ok = serves;
	if (serves)
		t->bad_since = 0;
	else if (!t->bad_since)
		t->bad_since = 1;
	if (!a.of)
		return;
	t->reply = 1;
	s->state = a.of->state;
	s->primary = serves;
	if (model_fault != FAULT_EPOCHS_UNTOLD)
		s->named = a.of->page;
	s->term = a.of->page_term;
	s->twice = a.of->hears_twice;
	s->rows = false;
	for (unsigned k = 0; k < w->segs_n; k++)
		s->rows |= (w->seg[k].in & at(index_of(w, a.of), IN_JOURNAL)) != 0;
}

static struct history_head *
head_for(struct history_heads *h, const struct seg *s)
{
	struct uuid chain = { 0 };

	chain.b[0] = (uint8_t)(s->node + 1);
	for (unsigned i = 0; i < h->n; i++) {
		if (h->v[i].chain.b[0] == chain.b[0] && h->v[i].chain.b[15] == s->inc)
			return &h->v[i];
	}
	struct history_head *head = &h->v[h->n++];

	*head = (struct history_head){ .chain = chain, .node = chain };
	head->chain.b[15] = s->inc;
	return head;
}

static void
ends_of(const struct world *w, uint16_t log, struct history_heads *ret)
{
	ret->n = 0;
	for (unsigned i = 0; i < w->segs_n; i++) {
		const struct seg *s = &w->seg[i];

		if (!(s->in & log))
			continue;
		struct history_head *h = head_for(ret, s);
		if (s->pos < h->seq)
			continue;
		h->seq = s->pos;
		h->hash[0] = (uint8_t)(i + 1);
	}
}

static void
events_at(const struct world *w, uint16_t log, const struct history_heads *ends,
	  struct history_heads *ret)
{
	ret->n = 0;
	for (unsigned i = 0; i < w->segs_n; i++) {
		const struct seg *s = &w->seg[i];

		for (unsigned k = 0; (s->in & log) && k < ends->n; k++) {
			const struct history_head *end = &ends->v[k];

			if (end->chain.b[0] != s->node + 1 || end->chain.b[15] != s->inc ||
			    end->seq != s->pos)
				continue;
			struct history_head *h = head_for(ret, s);
			h->seq = s->pos;
			h->hash[0] = (uint8_t)(i + 1);
		}
	}
}

/* As ha/history_kept.c: which ends of the own chains a journal here has, with all before. */
static void
look_kept(const struct world *w, unsigned i, struct history_sides *s)
{
	uint16_t journal = at(i, IN_JOURNAL);
	struct history_heads rows = { 0 };

	events_at(w, journal, &s->theirs, &rows);
	s->kept.n = 0;
	for (unsigned k = 0; k < rows.n; k++) {
		const struct history_head *h = &rows.v[k];
		int64_t from = history_end_of(&s->ours, &h->chain), n = 0;

		for (unsigned m = 0; m < w->segs_n; m++) {
			const struct seg *g = &w->seg[m];

			n += (g->in & journal) && g->node + 1 == h->chain.b[0] &&
			     g->inc == h->chain.b[15] && g->pos > from && g->pos <= h->seq;
		}
		if (h->chain.b[0] == w->p[i].node + 1 && n == h->seq - from)
			s->kept.v[s->kept.n++] = *h;
	}
}

static void
compare(struct world *w, unsigned i, unsigned node)
{
	static struct history_sides sides;
	struct program *p = &w->p[i];
	struct sight *s = &p->sees[node];
	struct ages *t = &p->t.of[node];
	struct history_verdict v;
	struct uuid self = { 0 }, other = { 0 };

	if (!database_is_up(p) || !reaches_channel(w, i, node)) {
		t->failed = 1;
		return;
	}
	uint16_t here = at(i, IN_LOG), there = at(program_named(w, node), IN_LOG);
	ends_of(w, here, &sides.ours);
	ends_of(w, there, &sides.theirs);
	events_at(w, there, &sides.ours, &sides.theirs_there);
	events_at(w, here, &sides.theirs, &sides.ours_there);
	look_kept(w, i, &sides);
	self.b[0] = (uint8_t)(p->node + 1);
	other.b[0] = (uint8_t)(node + 1);
	history_judge(&sides, &self, &other, &v);
	t->asked = 1;
	t->failed = 0;
	s->all = (uint8_t)v.all;
	s->self = (uint8_t)v.self.relation;
	s->self_one = (uint8_t)v.self.one;
	s->other = (uint8_t)v.other.relation;
	s->other_one = (uint8_t)v.other.one;
	if (!(s->self & HISTORY_THEIRS_MORE))
		t->behind = 0;
	else if (!t->behind)
		t->behind = 1;
}

/* Two programs of one node keep a connection each (ha/history_watch.h). */
static uint8_t
heard_twice(const struct world *w, unsigned i)
{
	const struct program *p = &w->p[i];

	for (unsigned n = 0; n < w->nodes; n++) {
		unsigned heard = 0;

		for (unsigned k = 0; k < PROGRAMS_MAX; k++)
			heard += n != p->node && w->p[k].exists && w->p[k].node == n &&
				 w->p[k].agent && w->p[k].contends &&
				 reaches_channel(w, k, p->node) && program_named(w, p->node) == i;
		if (heard > 1)
			return (uint8_t)(n + 1);
	}
	return 0;
}

/* Over either port, whoever begins. */
static void
tell(struct world *w, unsigned i, unsigned node)
{
	const struct program *p = &w->p[i];
	unsigned k = program_named(w, node);

	if (!p->tell.counter || !(p->tell_mask & (1u << node)) || k >= PROGRAMS_MAX ||
	    !w->p[k].agent)
		return;
	struct mepoch *told = &w->p[k].sees[p->node].told;
	bool later = mepoch_cmp(p->tell, *told) > 0;

	/* Nobody tells what the other one names, or an earlier one (ha/herald.h). */
	if (later && (reaches_web(w, i, node) || reaches_channel(w, i, node)))
		*told = p->tell;
}

static void
see(struct world *w)
{
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		struct program *p = &w->p[i];

		p->hears_twice = p->exists && p->agent && database_is_up(p) ? heard_twice(w, i) : 0;
	}
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		struct program *p = &w->p[i];

		for (unsigned n = 0; n < w->nodes && p->exists && p->agent; n++) {
			if (n == p->node) {
				p->sees[n].last = database_is_up(p) ? PROBE_OK : PROBE_CANNOT;
				p->sees[n].state = p->state;
				p->t.of[n].answer = p->t.of[n].reply = 1;
				continue;
			}
			if (!(p->table & (1u << n)))
				continue;
			note_answer(w, i, n);
			compare(w, i, n);
			tell(w, i, n);
		}
	}
}

/* ---- all of it ---- */

void
nature_round(struct world *w)
{
	write_some(w);
	stream(w);
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		if (w->p[i].exists && w->p[i].on)
			bring_home(w, i);
	}
	stream(w);
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		struct program *p = &w->p[i];

		if (!p->exists || !p->on)
			continue;
		wait_for_disks(p);
		acknowledge(w, i);
		carry_out(w, p);
		if (p->stopped)
			go_on_rejoining(w, i);
	}
	see(w);
	world_tidy(w);
}

void
program_start(struct world *w, unsigned i)
{
	struct program *p = &w->p[i];

	p->powered = p->on = true;
	if (p->db.standby) {
		p->db.follows = NOBODY;
		p->db.raw = false;
	}
	look_at_log(w, p);
	p->stopped = p->rejoin != 0;
	if (!p->stopped)
		agents_begin(i, false);
}

/* What is in memory goes with it. */
void
program_end(struct world *w, unsigned i)
{
	struct program *p = &w->p[i];

	p->on = p->agent = p->stopped = false;
	p->task = p->phase = TASK_NONE;
	p->task_to = p->order_to = p->deposit_to = NOBODY;
	p->task_logged = p->contends = p->deposits = p->sync_wanted = p->sync_set = false;
	p->task_epoch = p->order = p->relapses = p->proofs = p->chain_end = p->inc = 0;
	p->tell_mask = p->hears_twice = p->loss = 0;
	p->loss_parted = p->ever_proved = p->secondary = false;
	p->tell = (struct mepoch){ 0 };
	p->known = p->known_disk;
	p->next = p->next_disk;
	memset(p->flags, 0, sizeof(p->flags));
	memset(p->sees, 0, sizeof(p->sees));
	memset(&p->t, 0, sizeof(p->t));
}

bool
nature_is_midway(const struct world *w)
{
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		const struct program *p = &w->p[i];

		if (p->exists &&
		    (p->phase == TASK_WORKING || p->phase == TASK_COPYING || p->rejoin ||
		     p->rewinding || p->copying || p->copy.there || p->state == HA_PROMOTING ||
		     p->state == HA_HANDING || p->state == HA_MERGING || p->page_term > p->term))
			return true;
	}
	return false;
}
