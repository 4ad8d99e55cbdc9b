/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the agents of the product (src/agent) in the modelled world: one `struct agent` for each program, made from the world's bytes and put
 * back into them.
 */
#include "agent/agent.c"

#include <stddef.h>
#include "ha/status.h"
#include "store/migrate.h"
#include "test/model/seams.h"

static struct agent *agents[PROGRAMS_MAX];
static struct proc_args args[PROGRAMS_MAX];
static unsigned turn; /* whose probes are looked at */

/* What an agent has in mind and no module holds for it. A field that is missing here is forgotten with each act. */
#define AT(field) offsetof(struct agent, field)
static const size_t times[] = {
	[T_STATE] = AT(state_ms),
	[T_TASK] = AT(task_ms),
	[T_STREAMED] = AT(streamed_ms),
	[T_HANDING_SEEN] = AT(handing_seen_ms),
	[T_CLAIMED] = AT(claimed_ms),
	[T_BEGAN] = AT(began_ms),
	[T_OPENED] = AT(opened_ms),
	[T_CLOSED] = AT(closed_ms),
	[T_REJOINED] = AT(rejoined_ms),
	[T_RECONCILED] = AT(reconciled_ms),
	[T_REPLAYED] = AT(replayed_ms),
	[T_IN_STEP] = AT(steadiness.in_step_ms),
	[T_RELAPSED] = AT(steadiness.relapsed_ms),
};
static const size_t flags[] = {
	AT(epoch_failed), AT(holding),	 AT(starting), AT(end_known),
	AT(confirmed),	  AT(duplicate), AT(named),    AT(stop_asked),
};
_Static_assert(ARRAY_LEN(times) == AGENT_TIMES && ARRAY_LEN(flags) == AGENT_FLAGS, "a place each");

static int64_t *
time_of(struct agent *a, size_t i)
{
	return (int64_t *)(void *)((char *)a + times[i]);
}

static bool *
flag_of(struct agent *a, size_t i)
{
	return (bool *)((char *)a + flags[i]);
}

/* ---- between the world and an agent ---- */

static struct agent *
new_agent(unsigned i)
{
	struct agent *a = agents[i];

	if (!a)
		a = agents[i] = mem_new(sizeof(*a));
	for (size_t k = 0; k < ARRAY_LEN(a->peers); k++) {
		free(a->peers[k].pinned[0]);
		free(a->peers[k].pinned[1]);
	}
	free(a->trusted);
	free(a->published);
	memset(a, 0, sizeof(*a));
	args[i] = (struct proc_args){ 0 };
	snprintf(args[i].home.dir, sizeof(args[i].home.dir), "/model/%u", i);
	settings_defaults(&args[i].settings);
	args[i].settings.keep_pack = true;
	args[i].began_ms = 1;
	a->args = &args[i];
	a->settings = args[i].settings;
	a->timer.data = a;
	a->incarnation = i + 1; /* not drawn: a world is to become the same each time */
	a->now_ms = seams.now_ms;
	a->replayed_lsn = a->rv.lsn;
	return a;
}

static void
load_one(unsigned i)
{
	const struct program *p = &seams.w->p[i];
	struct agent *a = new_agent(i);
	void *token = &seams.own[i];
	struct err e = { 0 };

	seams_id(p->node, &a->self.id);
	text_copy(a->self.name, sizeof(a->self.name), node_name(p->node));
	agent_name_run(a);
	a->statepage = token;
	a->alerter = token;
	a->control = token;
	a->chain_memory = token;
	a->replication = token;
	a->history = token;
	a->herald = token;
	a->role = token;
	a->notary = notary_new();
	a->orderer = token;
	a->secondary = p->secondary;
	a->deposit = p->secondary ? token : NULL;
	a->emergency_ordered = p->emergency;
	a->shown.state = p->state;
	a->shown.term = p->page_term;
	seams_epoch(&p->page, &a->shown.epoch);
	seams_epoch(&p->known, &a->epochs.known);
	seams_epoch(&p->next, &a->epochs.next);
	seams_epoch(&p->known_disk, &a->on_disk.known);
	seams_epoch(&p->next_disk, &a->on_disk.next);
	a->order = p->order;
	if (p->order_to != NOBODY)
		seams_id(p->order_to, &a->order_node);
	if (p->loss) {
		seams_id(p->loss - 1u, &a->loss.by);
		a->loss.there = 2;
		a->loss.here = 1;
		a->loss.parted = p->loss_parted;
	}
	if (history_loss_read(&args[i].home, &a->loss_on_disk, &e))
		abort();
	a->steadiness.relapses = p->relapses;
	for (size_t k = 0; k < ARRAY_LEN(times); k++)
		*time_of(a, k) = seams_ms(p->t.agent[k]);
	for (size_t k = 0; k < ARRAY_LEN(flags); k++)
		*flag_of(a, k) = p->flags[k];
	for (unsigned k = 0; k < NODES_MAX; k++) {
		if (!(p->proofs & (1u << k)))
			continue;
		seams_slot(k, a->proofs[a->proofs_n].name);
		a->proofs[a->proofs_n++].pid = 100 + (int)k;
	}
	seams_look(i, &a->rv);
	a->replayed_lsn = a->rv.lsn;
}

static void
save_one(unsigned i)
{
	struct program *p = &seams.w->p[i];
	struct agent *a = agents[i];

	p->secondary = a->secondary;
	p->state = (uint8_t)a->shown.state;
	p->page_term = (uint8_t)a->shown.term;
	p->page = seams_mepoch(&a->shown.epoch.epoch);
	p->known = seams_mepoch(&a->epochs.known.epoch);
	p->next = seams_mepoch(&a->epochs.next.epoch);
	p->order = (uint8_t)a->order;
	p->order_to = a->order == ORDER_HANDOVER || a->shown.state == HA_HANDING
			      ? (uint8_t)seams_node(&a->order_node)
			      : NOBODY;
	p->loss = a->loss.there ? (uint8_t)(seams_node(&a->loss.by) + 1) : 0;
	p->loss_parted = a->loss.there && a->loss.parted;
	p->relapses = (uint8_t)(a->steadiness.relapses > 2 ? 2 : a->steadiness.relapses);
	for (size_t k = 0; k < ARRAY_LEN(times); k++)
		p->t.agent[k] = seams_age(*time_of(a, k));
	for (size_t k = 0; k < ARRAY_LEN(flags); k++)
		p->flags[k] = *flag_of(a, k);
	p->t.looked = seams_age(a->rv.at_ms);
	if (a->stop_asked && p->rejoin && !p->stopped) {
		p->stopped = true;
		p->t.rejoining = 1;
	}
}

void
agents_load(struct world *w)
{
	seams.w = w;
	seams.now_ms = 1000000000;
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		seams.own[i] = (struct token){ i, w->p[i].node };
		for (unsigned k = 0; k < NODES_MAX; k++)
			seams.probes[i][k] = (struct token){ i, k };
	}
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		if (w->p[i].exists && w->p[i].agent)
			load_one(i);
	}
}

void
agents_save(void)
{
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		if (seams.w->p[i].exists && seams.w->p[i].agent)
			save_one(i);
	}
}

/* ---- running ---- */

void
agents_begin(unsigned i, bool same_run)
{
	struct program *p = &seams.w->p[i];
	struct agent *a = new_agent(i);
	struct err e = { 0 };

	args[i].began_ms = same_run ? 1 : seams.now_ms;
	seams.same_run[i] = same_run;
	p->task = p->phase = TASK_NONE;
	p->sync_wanted = p->deposits = false;
	p->proofs = p->tell_mask = 0;
	p->agent = true;
	memset(p->sees, 0, sizeof(p->sees));
	for (unsigned k = 0; k < NODES_MAX; k++) {
		age streams = p->t.of[k].streams;

		p->sees[k].state = HA_STATE_COUNT;
		memset(&p->t.of[k], 0, sizeof(p->t.of[k]));
		p->t.of[k].streams = streams;
	}
	p->t.slot = p->t.looked = 0;
	if (begin(a, &e))
		abort();
	save_one(i);
}

void
agents_tick(void)
{
	for (turn = 0; turn < PROGRAMS_MAX; turn++) {
		struct program *p = &seams.w->p[turn];
		struct agent *a = agents[turn];

		if (!p->exists || !p->agent)
			continue;
		a->now_ms = seams.now_ms - 50; /* the loop did not stand still */
		a->packs_ms = a->announce_ms = a->now_ms;
		on_tick(&a->timer);
		save_one(turn);
		if (!a->loop.stop_flag)
			continue;
		agents_begin(turn, true);
	}
}

void
agents_advance(unsigned units)
{
	seams.now_ms += (int64_t)units * UNIT_MS;
}

__typeof__(probe_look) __wrap_probe_look;
void
__wrap_probe_look(struct probe *token, struct probe_view *ret)
{
	const struct program *p = &seams.w->p[turn];
	unsigned k = ((struct token *)token)->node;
	const struct sight *s = &p->sees[k];
	const struct ages *t = &p->t.of[k];

	ret->sense = (struct probe_sense){ .last = s->last,
					   .ok = s->ok,
					   .ok_since_ms = seams_ms(t->ok_since),
					   .bad_since_ms = seams_ms(t->bad_since),
					   .answer_ms = seams_ms(t->answer),
					   .answered_ms = seams_ms(t->answer),
					   .unanswered_ms = seams_ms(t->unanswered),
					   .kept = s->kept };
	struct probe_reply *r = &ret->reply;
	text_copy(r->node, sizeof(r->node), node_name(k));
	text_copy(r->node_id, sizeof(r->node_id), seams_id_text(k));
	text_copy(r->state, sizeof(r->state),
		  s->state == HA_STATE_COUNT ? "" : state_name(s->state));
	text_copy(r->mode, sizeof(r->mode), s->primary ? "primary" : "other");
	r->term = s->term;
	seams_epoch(&s->named, &r->epoch);
	seams_epoch(&s->named, &ret->claim);
	r->told = (struct epoch_claim){ 0 };
	r->journal_rows = s->rows;
	text_copy(r->duplicate, sizeof(r->duplicate), s->twice ? seams_id_text(s->twice - 1u) : "");
	r->schema = r->schema_known = migrate_newest();
	r->pair_port = 0;
	text_copy(r->run, sizeof(r->run), k == p->node ? agents[turn]->run : "other");
	ret->reply_ms = seams_ms(t->reply);
}

int
agents_order(unsigned i, const char *verb, const char *arg)
{
	struct agent *a = agents[i];
	int64_t before = seams.now_ms;
	auto_buf text = BUF_INIT;
	struct err e = { 0 };

	turn = i;
	agent_look(a);
	int rc = agent_order(a, verb, arg, &text, &e);
	if (rc && getenv("MODEL_LOG"))
		fprintf(stderr, "%s: %s\n", verb, e.text);
	seams.now_ms = a->now_ms = before;
	save_one(i);
	return rc;
}

const char *
agents_status(unsigned i)
{
	struct agent *a = agents[i];

	turn = i;
	agent_look(a);
	buf_reset(&seams.status);
	seams.shows = true;
	agent_write_statepage(a);
	seams.shows = false;
	return buf_str(&seams.status);
}

bool
agents_reigns(const struct program *p)
{
	return p->on && p->agent && !p->flags[1] && database_is_up(p) && !p->db.standby &&
	       state_serves(p->state) == SERVES_EVERYONE;
}
