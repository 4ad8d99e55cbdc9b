/* SPDX-License-Identifier: Apache-2.0
 *
 * What an agent is told by the modules that see the world, and what it tells those that change it.
 */
#include "test/model/seams.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "ha/channel.h"
#include "ha/history_loss.h"
#include "ha/pins.h"
#include "ha/rejoin.h"
#include "ha/status.h"
#include "ledger/event.h"
#include "pg/cluster.h"
#include "store/migrate.h"

#define NOW_US 1700000000000000
#define LSN 1000
#define HTTPS_PORT 7272
#define PAIR_PORT 2345

/* A function that stands in for another one has its type; the linker gives it this name. */
#define SEAM(fn) __typeof__(fn) __wrap_##fn, __real_##fn;

struct seams seams;

/* ---- names ---- */

void
seams_id(unsigned node, struct uuid *ret)
{
	*ret = (struct uuid){ 0 };
	ret->b[0] = (uint8_t)(node + 1);
}

unsigned
seams_node(const struct uuid *id)
{
	return id->b[0] ? id->b[0] - 1u : NOBODY;
}

unsigned
seams_node_named(const char *name)
{
	for (unsigned i = 0; i < NODES_MAX; i++) {
		if (strcmp(name, node_name(i)) == 0)
			return i;
	}
	return NOBODY;
}

void
seams_epoch(const struct mepoch *e, struct epoch_claim *ret)
{
	*ret = (struct epoch_claim){ 0 };
	if (!e->counter)
		return;
	ret->epoch.counter = e->counter;
	ret->epoch.incarnation = e->drawn;
	seams_id(e->node, &ret->epoch.node);
	ret->proof[0] = 1;
}

struct mepoch
seams_mepoch(const struct epoch *e)
{
	if (e->counter <= 0)
		return (struct mepoch){ 0 };
	return (struct mepoch){ (uint8_t)e->counter, (uint8_t)seams_node(&e->node),
				(uint8_t)e->incarnation };
}

int64_t
seams_ms(age a)
{
	return a ? seams.now_ms - (a - 1) * UNIT_MS : 0;
}

age
seams_age(int64_t ms)
{
	int64_t units = (seams.now_ms - ms) / UNIT_MS + 1;

	return !ms ? 0 : units > UINT16_MAX / 2 ? UINT16_MAX / 2 : units < 1 ? 1 : (age)units;
}

static struct program *
program_at(const char *path)
{
	const char *at_model = strstr(path, "/model/");

	return &seams.w->p[at_model ? at_model[7] - '0' : 0];
}

/* As the product has it, made once. */
void
seams_slot(unsigned node, char ret[static REPLICATION_SLOT_MAX])
{
	static char slots[NODES_MAX][REPLICATION_SLOT_MAX];
	struct uuid id;

	if (!slots[node][0]) {
		seams_id(node, &id);
		replication_slot_name(&id, slots[node]);
	}
	memcpy(ret, slots[node], REPLICATION_SLOT_MAX);
}

const char *
seams_id_text(unsigned node)
{
	static char texts[NODES_MAX][UUID_STR_LEN];
	struct uuid id;

	if (!texts[node][0]) {
		seams_id(node, &id);
		uuid_str(&id, texts[node]);
	}
	return texts[node];
}

/* ---- clock, log, files ---- */

SEAM(clock_mono_ms)
int64_t
__wrap_clock_mono_ms(void)
{
	return seams.now_ms;
}

SEAM(clock_now_us)
int64_t
__wrap_clock_now_us(void)
{
	return NOW_US + seams.now_ms * 1000;
}

SEAM(clock_sleep_ms)
void
__wrap_clock_sleep_ms(int64_t ms)
{
	seams.now_ms += ms;
}

SEAM(log_at)
void
__wrap_log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (!getenv("MODEL_LOG"))
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

SEAM(log_err)
void
__wrap_log_err(enum log_level level, const struct err *e, const char *fmt, ...)
{
}

SEAM(home_has)
bool
__wrap_home_has(const struct home *h, enum home_path p)
{
	return p == HOME_PAIR_CERT;
}

SEAM(home_node_read)
int
__wrap_home_node_read(const struct home *h, struct home_node *ret, struct err *e)
{
	unsigned node = program_at(h->dir)->node;

	seams_id(node, &ret->id);
	text_copy(ret->name, sizeof(ret->name), node_name(node));
	return 0;
}

static bool
is_order(const char *path)
{
	return strstr(path, "/emergency.conf") != NULL;
}

SEAM(home_read_file)
int
__wrap_home_read_file(const char *path, size_t max, struct buf *ret, struct err *e)
{
	if (is_order(path) && program_at(path)->emergency) {
		buf_adds(ret, "emergency = on\n");
		return 0;
	}
	e->sys = ENOENT;
	e->code = ERR_IO;
	return ERR_IO;
}

SEAM(home_write_file)
int
__wrap_home_write_file(const char *path, const void *data, size_t n, mode_t mode, struct err *e)
{
	if (is_order(path))
		program_at(path)->emergency = strstr(data, "= on") != NULL;
	return 0;
}

int __wrap_unlink(const char *path);
int
__wrap_unlink(const char *path)
{
	bool was = is_order(path) && program_at(path)->emergency;

	if (was)
		program_at(path)->emergency = false;
	errno = ENOENT;
	return was ? 0 : -1;
}

/* ---- the page ---- */

SEAM(statepage_create)
int
__wrap_statepage_create(const char *path, struct statepage **ret, struct err *e)
{
	*ret = (struct statepage *)&seams.own[program_at(path) - seams.w->p];
	program_of(*ret)->chain_end = CHAIN_END_ASKED;
	return 0;
}

SEAM(statepage_open)
int
__wrap_statepage_open(const char *path, struct statepage **ret, struct err *e)
{
	*ret = (struct statepage *)&seams.own[program_at(path) - seams.w->p];
	return 0;
}

SEAM(statepage_free)
void
__wrap_statepage_free(struct statepage *p)
{
}

SEAM(statepage_read)
void
__wrap_statepage_read(const struct statepage *page, struct statepage_view *ret)
{
	const struct program *p = program_of(page);

	*ret = (struct statepage_view){ .state = p->state, .term = p->page_term };
	if (seams.same_run[p - seams.w->p])
		ret->beat_mono_ms = seams.now_ms - 1;
}

SEAM(statepage_write)
void
__wrap_statepage_write(struct statepage *p, const struct statepage_view *v)
{
}

SEAM(statepage_set_both)
void
__wrap_statepage_set_both(struct statepage *p, bool both)
{
}

SEAM(statepage_set_unmerged)
void
__wrap_statepage_set_unmerged(struct statepage *p, bool unmerged)
{
}

SEAM(statepage_set_chain_end)
void
__wrap_statepage_set_chain_end(struct statepage *page, enum chain_end end)
{
	program_of(page)->chain_end = (uint8_t)end;
}

SEAM(statepage_set_nodes)
void
__wrap_statepage_set_nodes(struct statepage *p, uint64_t mark)
{
}

SEAM(statepage_beat)
void
__wrap_statepage_beat(struct statepage *p)
{
}

SEAM(statepage_quick)
struct statepage_quick
__wrap_statepage_quick(const struct statepage *p)
{
	return (struct statepage_quick){ .chain_end = program_of(p)->chain_end };
}

/* Most of the time nobody looks. */
SEAM(status_render)
void
__wrap_status_render(const struct status_view *v, struct buf *out)
{
	if (seams.shows)
		__real_status_render(v, &seams.status);
}

SEAM(status_of_pair)
enum pair_status
__wrap_status_of_pair(const struct status_view *v)
{
	return seams.shows ? __real_status_of_pair(v) : PAIR_UNKNOWN;
}

SEAM(agent_tell_alerts)
void
__wrap_agent_tell_alerts(struct agent *a, const struct status_view *v)
{
}

SEAM(agent_look_at_certs)
void
__wrap_agent_look_at_certs(struct agent *a)
{
}

/* ---- small files of the home ---- */

SEAM(epochs_read)
int
__wrap_epochs_read(const struct home *h, struct epochs *ret, struct err *e)
{
	const struct program *p = program_at(h->dir);

	seams_epoch(&p->known_disk, &ret->known);
	seams_epoch(&p->next_disk, &ret->next);
	return 0;
}

SEAM(epochs_write)
int
__wrap_epochs_write(const struct home *h, const struct epochs *x, struct err *e)
{
	struct program *p = program_at(h->dir);

	p->known_disk = seams_mepoch(&x->known.epoch);
	p->next_disk = seams_mepoch(&x->next.epoch);
	return 0;
}

SEAM(history_loss_read)
int
__wrap_history_loss_read(const struct home *h, struct history_loss *ret, struct err *e)
{
	const struct program *p = program_at(h->dir);

	*ret = (struct history_loss){ 0 };
	if (!p->loss_disk)
		return 0;
	seams_id(p->loss_disk - 1u, &ret->by);
	ret->there = 2;
	ret->here = 1;
	return 0;
}

SEAM(history_loss_write)
int
__wrap_history_loss_write(const struct home *h, const struct history_loss *l, struct err *e)
{
	program_at(h->dir)->loss_disk = l->there ? (uint8_t)(seams_node(&l->by) + 1) : 0;
	return 0;
}

SEAM(maintenance_read)
int
__wrap_maintenance_read(const struct home *h, struct maintenance *ret, struct err *e)
{
	*ret = (struct maintenance){ 0 };
	return 0;
}

SEAM(pins_add_authorities)
bool
__wrap_pins_add_authorities(const struct home *h, bool quiet, struct buf *out)
{
	return true;
}

SEAM(ports_told)
bool
__wrap_ports_told(const struct home *h, struct ports *ret)
{
	*ret = (struct ports){ HTTPS_PORT, PAIR_PORT };
	return true;
}

SEAM(ports_write_told)
int
__wrap_ports_write_told(const struct home *h, const struct ports *p, struct err *e)
{
	return 0;
}

SEAM(ports_forget_told)
void
__wrap_ports_forget_told(const struct home *h)
{
}

SEAM(rejoin_waits)
bool
__wrap_rejoin_waits(const struct home *h)
{
	return program_at(h->dir)->rejoin != 0;
}

SEAM(rejoin_remove)
int
__wrap_rejoin_remove(const struct home *h, struct err *e)
{
	struct program *p = program_at(h->dir);

	p->rejoin = 0;
	p->copying = false;
	return 0;
}

SEAM(rejoin_copy_waits)
bool
__wrap_rejoin_copy_waits(const struct home *h)
{
	return program_at(h->dir)->copying;
}

SEAM(rejoin_told)
void
__wrap_rejoin_told(const struct home *h, char *ret, size_t room)
{
	ret[0] = '\0';
}

SEAM(cluster_is_standby)
bool
__wrap_cluster_is_standby(const struct home *h)
{
	return program_at(h->dir)->db.standby;
}

SEAM(proc_run)
void
__wrap_proc_run(const struct proc_args *a, char ret[static PROC_RUN_MAX])
{
	text_fit(ret, PROC_RUN_MAX, "%s", a->home.dir);
}

/* Nobody goes there. */
SEAM(url_write)
void
__wrap_url_write(const char *host, int port, char *ret, size_t room)
{
	text_copy(ret, room, host);
}

SEAM(channel_follow)
void
__wrap_channel_follow(const struct home *h, const struct channel_primary *p, struct buf *ret)
{
	buf_adds(ret, p->host);
}

/* ---- the table, whole or with a rule less ---- */

int model_without_rule = -1;
unsigned model_fault;

SEAM(fsm_step)
struct fsm_next
__wrap_fsm_step(enum ha_state now, const struct fsm_obs *o, const struct fsm_limits *l)
{
	unsigned n;
	const struct fsm_rule *r = fsm_rules(&n);

	if (model_without_rule < 0)
		return __real_fsm_step(now, o, l);
	for (unsigned i = 0; i < n; i++) {
		if (i != (unsigned)model_without_rule && (r[i].from & (1u << now)) &&
		    r[i].when(o, l))
			return (struct fsm_next){ r[i].to, r[i].why };
	}
	return (struct fsm_next){ now, NULL };
}

/* ---- threads that a thing is told to, and that say nothing ---- */

static void *
own_token(const struct home *h)
{
	return &seams.own[program_at(h->dir) - seams.w->p];
}

SEAM(alerter_new)
struct alerter *
__wrap_alerter_new(const struct home *h, const char *source, const struct settings *s)
{
	return own_token(h);
}

SEAM(alerter_look)
void
__wrap_alerter_look(struct alerter *al, struct alerter_view *ret)
{
	*ret = (struct alerter_view){ .waiting = -1 };
}

SEAM(control_new)
int
__wrap_control_new(const struct control_options *o, struct control **ret, struct err *e)
{
	*ret = own_token(o->home);
	return 0;
}

SEAM(control_lost_keys)
bool
__wrap_control_lost_keys(struct control *c)
{
	return false;
}

SEAM(chain_memory_new)
struct chain_memory *
__wrap_chain_memory_new(const struct home *h, const struct uuid *self, const char *conninfo)
{
	return own_token(h);
}

SEAM(chain_memory_tell)
void
__wrap_chain_memory_tell(struct chain_memory *w, const struct chain_memory_facts *f)
{
}

SEAM(chain_memory_look)
void
__wrap_chain_memory_look(struct chain_memory *w, struct chain_memory_view *ret)
{
	*ret = (struct chain_memory_view){ 0 };
}

SEAM(herald_new)
struct herald *
__wrap_herald_new(const struct home *h)
{
	return own_token(h);
}

SEAM(herald_tell)
void
__wrap_herald_tell(struct herald *r, const struct epoch_claim *c, const struct herald_target *t,
		   unsigned n)
{
	struct program *p = program_of(r);

	if (model_fault == FAULT_EPOCHS_UNTOLD)
		return;
	p->tell = seams_mepoch(&c->epoch);
	p->tell_mask = 0;
	for (unsigned i = 0; i < n; i++)
		p->tell_mask |= (uint8_t)(1u << seams_node(&t[i].id));
}

/* keyd answers at once, and knows every proof: none is forged here. */
SEAM(notary_new)
struct notary *
__wrap_notary_new(void)
{
	return (struct notary *)&seams.probes[0][0];
}

SEAM(notary_lost_keys)
bool
__wrap_notary_lost_keys(struct notary *n, int64_t now_ms, bool *ret_ask)
{
	*ret_ask = false;
	return false;
}

SEAM(orderer_lost_keys)
bool
__wrap_orderer_lost_keys(struct orderer *o, int64_t now_ms, bool *ret_ask)
{
	*ret_ask = false;
	return false;
}

SEAM(notary_check)
enum notary_verdict
__wrap_notary_check(struct notary *n, const struct epoch_claim *c)
{
	return epoch_has_proof(c) ? NOTARY_TRUE : NOTARY_FALSE;
}

SEAM(notary_prove)
enum notary_verdict
__wrap_notary_prove(struct notary *n, struct epoch_claim *c)
{
	struct mepoch e = seams_mepoch(&c->epoch);

	seams_epoch(&e, c);
	return NOTARY_TRUE;
}

/* ---- another node's service ---- */

SEAM(probe_new)
struct probe *
__wrap_probe_new(const struct probe_target *t)
{
	return (struct probe *)&seams.probes[0][seams_node_named(t->name)];
}

SEAM(probe_aim)
void
__wrap_probe_aim(struct probe *p, const struct probe_target *t)
{
}

SEAM(probe_was_away)
void
__wrap_probe_was_away(struct probe *p)
{
}

SEAM(probe_let_go)
void
__wrap_probe_let_go(struct probe *p)
{
}

/* Filled for the program whose turn it is: agents.c, which knows it. */

/* ---- histories ---- */

SEAM(history_watch_new)
struct history_watch *
__wrap_history_watch_new(const struct home *h, const struct uuid *self, const char *local)
{
	return own_token(h);
}

SEAM(history_watch_aim)
void
__wrap_history_watch_aim(struct history_watch *w, const struct history_target *t, unsigned n)
{
}

SEAM(history_watch_contend)
void
__wrap_history_watch_contend(struct history_watch *w, bool contends)
{
	program_of(w)->contends = contends;
}

SEAM(history_watch_hurry)
void
__wrap_history_watch_hurry(struct history_watch *w, const struct uuid *id, int64_t since_ms)
{
}

SEAM(history_watch_look)
void
__wrap_history_watch_look(struct history_watch *w, const struct uuid *id, struct history_view *ret)
{
	const struct program *p = program_of(w);
	unsigned k = seams_node(id);

	*ret = (struct history_view){ 0 };
	if (k >= NODES_MAX)
		return;
	const struct sight *s = &p->sees[k];
	ret->asked_ms = seams_ms(p->t.of[k].asked);
	ret->failed_ms = seams_ms(p->t.of[k].failed);
	ret->behind_ms = seams_ms(p->t.of[k].behind);
	ret->verdict.all = s->all;
	/* Where what is there ends is not kept: while it can be asked the verdict is of now. */
	ret->verdict.self = (struct history_own){ s->self, s->self_one, 1, INT64_MAX };
	ret->verdict.other = (struct history_own){ s->other, s->other_one, 2, 1 };
	if (model_fault == FAULT_FOLLOWS_BLINDLY)
		ret->verdict.all &= (unsigned)~HISTORY_OURS_MORE;
}

/* ---- the journal's way home ---- */

SEAM(deposit_new)
struct deposit *
__wrap_deposit_new(const struct home *h, const struct uuid *self, const char *local)
{
	return own_token(h);
}

SEAM(deposit_order)
void
__wrap_deposit_order(struct deposit *d, const struct deposit_orders *o)
{
	struct program *p = program_of(d);

	p->deposits = o->go && !o->rows_wait;
	p->deposit_to = (uint8_t)seams_node_named(o->host);
}

SEAM(deposit_look)
void
__wrap_deposit_look(struct deposit *d, struct deposit_view *ret)
{
	const struct program *p = program_of(d);
	uint16_t journal = at((unsigned)(p - seams.w->p), IN_JOURNAL);

	*ret = (struct deposit_view){ .counted_ms = seams.now_ms };
	for (unsigned i = 0; i < seams.w->segs_n; i++)
		ret->rows += (seams.w->seg[i].in & journal) != 0;
	ret->slot_ms = seams_ms(p->t.slot);
	text_copy(ret->slot_status, sizeof(ret->slot_status), "reserved");
	ret->slot_keep = -1;
}

/* ---- changes of role ---- */

SEAM(role_new)
struct role *
__wrap_role_new(const struct home *h, const struct uuid *self, const char *local, struct deposit *d)
{
	return own_token(h);
}

SEAM(role_begin)
bool
__wrap_role_begin(struct role *r, const struct role_order *o)
{
	struct program *p = program_of(r);

	p->task = (uint8_t)o->task;
	p->phase = TASK_WORKING;
	p->task_to = (uint8_t)seams_node_named(o->primary.host);
	p->task_logged = o->epoch_is_logged;
	p->task_epoch = p->term;
	return true;
}

SEAM(role_open_log)
void
__wrap_role_open_log(struct role *r)
{
}

SEAM(role_look)
void
__wrap_role_look(struct role *r, struct role_view *ret)
{
	const struct program *p = program_of(r);

	*ret = (struct role_view){ .task = p->task,
				   .working = p->phase == TASK_WORKING || p->phase == TASK_COPYING,
				   .done = p->phase == TASK_DONE };
}

/* ---- the own database ---- */

SEAM(replication_new)
struct replication *
__wrap_replication_new(const struct home *h, const char *conninfo, const struct uuid *self)
{
	return own_token(h);
}

SEAM(replication_shut_since)
int64_t
__wrap_replication_shut_since(struct replication *r, char *ret_why, size_t room)
{
	return 0;
}

static void
name_node(struct replication_node *n, unsigned node, int64_t since)
{
	seams_id(node, &n->id);
	text_copy(n->name, sizeof(n->name), node_name(node));
	seams_slot(node, n->slot);
	n->https_port = HTTPS_PORT;
	n->pair_port = PAIR_PORT;
	n->primary_since_term = since;
}

/* Who became the primary last comes first. */
static void
name_nodes(const struct program *p, struct replication_view *v)
{
	v->nodes_n = 0;
	if (p->top != NOBODY && (p->table & (1u << p->top)))
		name_node(&v->nodes[v->nodes_n++], p->top, p->term);
	for (unsigned k = 0; k < NODES_MAX; k++) {
		if (k != p->top && (p->table & (1u << k)))
			name_node(&v->nodes[v->nodes_n++], k, 0);
	}
}

static void
look_as_primary(const struct program *p, struct replication_view *v)
{
	v->standbys_n = v->proofs_n = 0;
	for (unsigned k = 0; k < NODES_MAX; k++) {
		struct replication_standby *s = &v->standbys[v->standbys_n];

		if (!p->t.of[k].streams)
			continue;
		*s = (struct replication_standby){ .flush_lsn = LSN,
						   .replay_lsn = LSN,
						   .pid = 100 + (int)k,
						   .since_ms = seams_ms(p->t.of[k].streams),
						   .from_lsn = LSN };
		seams_slot(k, s->name);
		text_copy(s->state, sizeof(s->state), "streaming");
		v->standbys_n++;
		if (!(p->proofs & (1u << k)))
			continue;
		struct replication_proof *proof = &v->proofs[v->proofs_n++];
		text_copy(proof->name, sizeof(proof->name), s->name);
		proof->pid = s->pid;
	}
	v->step.n = 0;
	v->step.streams = v->step.reached = v->standbys_n > 0;
	v->step.in_step_ms = v->step.streams ? seams.now_ms : seams_ms(p->t.step);
	v->quorum_since_ms = seams_ms(p->t.quorum);
	text_copy(v->sync_names, sizeof(v->sync_names), p->sync_set ? "ANY 1" : "");
}

static void
look_as_standby(const struct program *p, struct replication_view *v)
{
	v->streams = p->t.receives != 0;
	v->receiving = v->caught_up = p->t.receives > 1000 / UNIT_MS;
	v->received_lsn = v->sent_lsn = LSN;
	v->heard_us = v->streams ? __wrap_clock_now_us() : 0;
	text_copy(v->conninfo, sizeof(v->conninfo),
		  p->db.follows == NOBODY ? ""
		  : p->db.raw		  ? "as it was copied"
					  : node_name(p->db.follows));
}

void
seams_look(unsigned i, struct replication_view *v)
{
	const struct program *p = &seams.w->p[i];

	name_nodes(p, v);
	v->standby = p->looked_standby;
	v->term = p->term;
	v->incarnation = p->drawn;
	v->schema = migrate_newest();
	v->lsn = LSN;
	v->keep_bytes = -1;
	v->beat_us = NOW_US;
	v->beat_term = p->term;
	v->own_seq = 1;
	v->order_term = p->order_term;
	v->order_node = (struct uuid){ 0 };
	if (p->order_node != NOBODY)
		seams_id(p->order_node, &v->order_node);
	v->duplicate = (struct uuid){ 0 };
	if (p->hears_twice)
		seams_id(p->hears_twice - 1u, &v->duplicate);
	v->told_n = 0;
	for (unsigned k = 0; k < NODES_MAX; k++) {
		if (p->sees[k].told.counter)
			seams_epoch(&p->sees[k].told, &v->told[v->told_n++]);
	}
	if (!database_is_up(p)) {
		v->at_ms = seams_ms(p->t.looked);
		text_copy(v->failure, sizeof(v->failure), "the database does not answer");
		v->streams = v->receiving = v->caught_up = false;
		v->standbys_n = v->proofs_n = 0;
		v->step.streams = false;
		return;
	}
	v->at_ms = seams.now_ms;
	v->failure[0] = '\0';
	if (p->db.standby)
		look_as_standby(p, v);
	else
		look_as_primary(p, v);
}

SEAM(replication_look)
void
__wrap_replication_look(struct replication *r, struct replication_view *ret)
{
	seams_look(((struct token *)r)->program, ret);
}

SEAM(replication_want)
void
__wrap_replication_want(struct replication *r, const char *sync_names)
{
	program_of(r)->sync_wanted = sync_names[0] != '\0';
}

SEAM(replication_prove)
void
__wrap_replication_prove(struct replication *r, const struct replication_proof *proof, unsigned n)
{
	struct program *p = program_of(r);

	p->proofs = 0;
	for (unsigned i = 0; i < n; i++)
		p->proofs |= (uint8_t)(1u << (proof[i].pid - 100));
}

SEAM(replication_follow)
void
__wrap_replication_follow(struct replication *r, const char *conninfo)
{
	struct program *p = program_of(r);

	if (!conninfo[0])
		return;
	p->db.follows = (uint8_t)seams_node_named(conninfo);
	p->db.raw = false;
}

static int64_t
number_in(const char *body, const char *name)
{
	const char *found = strstr(body, name);

	return found ? atoll(found + strlen(name)) : 0;
}

static uint8_t
drawn_in(const char *body)
{
	static const char name[] = "\"incarnation\":\"";
	const char *found = strstr(body, name);

	return found ? (uint8_t)strtoull(found + strlen(name), NULL, 16) : 0;
}

/* The vault's writer is asked; it takes what it may write. */
SEAM(replication_request)
bool
__wrap_replication_request(struct replication *r, int kind, const struct uuid *object,
			   const char *body)
{
	struct program *p = program_of(r);
	unsigned i = (unsigned)(p - seams.w->p);
	unsigned about = seams_node(object), term = (unsigned)number_in(body, "\"term\":");
	enum seg_kind k;

	if (kind == EVENT_PROMOTED)
		k = SEG_PROMOTED;
	else if (kind == EVENT_HANDOVER)
		k = SEG_HANDOVER;
	else if (kind == EVENT_NODE_REMOVED)
		k = SEG_REMOVED;
	else
		return true;
	unsigned before = seams.w->segs_n;
	nature_write(seams.w, i, k, term, about);
	if (k == SEG_PROMOTED && seams.w->segs_n > before) {
		seams.w->seg[seams.w->segs_n - 1].drawn = drawn_in(body);
		look_at_log(seams.w, p);
	}
	return true;
}

SEAM(replication_withdraw)
enum replication_fate
__wrap_replication_withdraw(struct replication *r, int kind, const struct uuid *object, int wait_ms)
{
	return REPLICATION_BACK;
}
