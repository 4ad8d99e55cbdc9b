/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: epochs (base/epoch.h, ha/epochs.h): which one the data here are of, what the others know,
 * and what this node is to begin.
 */
#include "agent/agent_impl.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>
#include "base/log.h"

#define RETRY_MS 1000
#define EPOCH_SCHEMA 18 /* the programs that write it prove their epochs */
#define DRAWN_SCHEMA 20 /* the programs that write it know of incarnations */

void
agent_read_epochs(struct agent *a)
{
	struct err e = { 0 };

	if (epochs_read(&a->args->home, &a->epochs, &e))
		log_err(LOG_LEVEL_ERROR, &e,
			"which epochs this node knew is asked of the log and of the other nodes");
	a->on_disk = a->epochs;
	while (!a->incarnation)
		randombytes_buf(&a->incarnation, sizeof(a->incarnation));
}

/* As the log has it. */
static struct epoch
logged_epoch(const struct agent *a)
{
	struct epoch e = { .counter = a->rv.term };

	if (a->rv.nodes_n && a->rv.nodes[0].primary_since_term == a->rv.term)
		e.node = a->rv.nodes[0].id;
	e.incarnation = a->rv.incarnation;
	return e;
}

struct epoch
agent_epoch(const struct agent *a)
{
	const struct epoch *next = &a->epochs.next.epoch;
	struct epoch logged = logged_epoch(a);
	bool promoted = !a->secondary && a->rv.at_ms && !a->rv.standby;

	return promoted && epoch_is_of(next, &a->self.id) && epoch_is_later(next, &logged) ? *next
											   : logged;
}

bool
agent_epoch_is_logged(const struct agent *a)
{
	struct epoch own = agent_epoch(a), logged = logged_epoch(a);

	return epoch_cmp(&own, &logged) == 0;
}

/* That of the data here, with the proof if this node has just begun it. */
static struct epoch_claim
own_claim(const struct agent *a)
{
	struct epoch_claim own = { .epoch = agent_epoch(a) };

	return epoch_cmp(&own.epoch, &a->epochs.next.epoch) == 0 ? a->epochs.next : own;
}

struct epoch_claim
agent_latest_epoch(const struct agent *a)
{
	struct epoch_claim own = own_claim(a);

	return epoch_is_later(&own.epoch, &a->epochs.known.epoch) ? own : a->epochs.known;
}

/* Until the data here have the schema of EPOCH_SCHEMA a node of the pair may run a program that proves nothing: which is the primary it says of itself
 * alone, and of a term, with the certificate that the pair trusts. From then on none does (node/upgrade.h). */
static struct epoch
unproven_epoch(const struct agent *a, const struct peer *p)
{
	const struct probe_reply *r = &p->v.reply;

	if (a->rv.schema >= EPOCH_SCHEMA || epoch_has_proof(&r->epoch) ||
	    strcmp(r->mode, "primary") != 0 || r->term <= agent_epoch(a).counter)
		return (struct epoch){ 0 };
	return (struct epoch){ .counter = r->term, .node = p->id };
}

static bool
is_other(const struct agent *a, const struct peer *p)
{
	return p->probe && p->known && !agent_is_self(a, &p->id);
}

struct epoch
agent_heard_epoch(const struct agent *a, const struct peer *p)
{
	const struct epoch_claim *c = &p->v.reply.epoch;
	bool lately = p->v.reply_ms && a->now_ms - p->v.reply_ms < a->settings.detect_ms;

	if (!is_other(a, p) || !lately)
		return (struct epoch){ 0 };
	if (epoch_cmp(&c->epoch, &a->epochs.known.epoch) == 0 ||
	    notary_check(a->notary, c) == NOTARY_TRUE)
		return c->epoch;
	return unproven_epoch(a, p);
}

/* Of a node of this pair, and not out of all proportion. */
static bool
is_credible(const struct agent *a, const struct epoch *e)
{
	return e->counter > 0 && agent_node(a, &e->node) &&
	       e->counter <= agent_epoch(a).counter + EPOCH_JUMP_MAX;
}

/* What cannot be written is acted on all the same: a primary that knows better must not go on. */
static void
save(struct agent *a)
{
	struct err e = { 0 };

	if (memcmp(&a->epochs, &a->on_disk, sizeof(a->epochs)) == 0 ||
	    (a->epochs_tried_ms && a->now_ms - a->epochs_tried_ms < RETRY_MS))
		return;
	if (epochs_write(&a->args->home, &a->epochs, &e)) {
		if (!a->epochs_tried_ms)
			log_err(LOG_LEVEL_ERROR, &e,
				"who is the primary would be forgotten at a restart");
		a->epochs_tried_ms = a->now_ms;
		return;
	}
	a->epochs_tried_ms = 0;
	a->on_disk = a->epochs;
}

static void
tell_jump(struct agent *a, const struct epoch *e, const char *who)
{
	char text[EPOCH_TEXT_MAX];

	if (e->counter <= agent_epoch(a).counter + EPOCH_JUMP_MAX || e->counter == a->jump_told)
		return;
	epoch_text(e, text);
	log_error("%s names epoch %s, far above the %" PRId64
		  " of the data here: it is not believed",
		  who, text, agent_epoch(a).counter);
	a->jump_told = e->counter;
}

static void
believe(struct agent *a, const struct epoch_claim *c, const char *who)
{
	char text[EPOCH_TEXT_MAX];

	if (!epochs_hear(&a->epochs, c))
		return;
	epoch_text(&c->epoch, text);
	log_notice("%s says that epoch %s was begun", who, text);
}

/* What anybody brings, once keyd has checked its proof. */
static void
weigh(struct agent *a, const struct epoch_claim *c, const char *who)
{
	int order = epoch_cmp(&c->epoch, &a->epochs.known.epoch);

	if (!epoch_has_proof(c) || order < 0 || (order == 0 && epoch_has_proof(&a->epochs.known)) ||
	    !agent_node(a, &c->epoch.node))
		return;
	enum notary_verdict v = notary_check(a->notary, c);
	a->epochs_asked |= v == NOTARY_ASKED;
	if (v != NOTARY_TRUE)
		return;
	tell_jump(a, &c->epoch, who);
	if (is_credible(a, &c->epoch))
		believe(a, c, who);
}

static void
hear_unproven(struct agent *a, const struct peer *p)
{
	struct epoch_claim c = { .epoch = unproven_epoch(a, p) };

	if (!p->v.reply_ms || a->now_ms - p->v.reply_ms >= a->settings.detect_ms)
		return;
	tell_jump(a, &c.epoch, p->v.reply.node);
	if (is_credible(a, &c.epoch))
		believe(a, &c, p->v.reply.node);
}

/* The own service passes on what others told it. */
static void
weigh_told(struct agent *a)
{
	const struct peer *self = agent_peer(a, &a->self.id);

	if (self && self->v.reply_ms)
		weigh(a, &self->v.reply.told, "another node");
}

/* One that was begun by an order that needed no agent (init, restore), or by a program that proved nothing. */
static void
prove_own(struct agent *a)
{
	struct epoch_claim *known = &a->epochs.known;

	if (epoch_is_of(&known->epoch, &a->self.id) && !epoch_has_proof(known))
		notary_prove(a->notary, known);
}

void
agent_hear_epochs(struct agent *a)
{
	struct epoch_claim own = own_claim(a);

	a->epochs_asked = false;
	if (!agent_view_is_fresh(a) || !a->rv.nodes_n)
		return;
	/* Known of a pair that this node was in before, or of a node that was taken out. */
	if (a->epochs.known.epoch.counter && !is_credible(a, &a->epochs.known.epoch))
		a->epochs.known = own;
	epochs_hear(&a->epochs, &own);
	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++) {
		const struct peer *p = &a->peers[i];
		const struct replication_node *n = agent_node(a, &p->id);

		if (!is_other(a, p))
			continue;
		weigh(a, &p->v.claim, n ? n->name : "another node");
		hear_unproven(a, p);
	}
	for (unsigned i = 0; i < a->rv.told_n; i++)
		weigh(a, &a->rv.told[i], "another node, over the channel,");
	weigh_told(a);
	prove_own(a);
	save(a);
}

/* An older program that names no epoch names its term. */
static struct epoch
named_by(const struct peer *p, const struct epoch *told)
{
	struct epoch named = { 0 };

	if (!p || !p->v.reply_ms)
		return named;
	named = p->v.reply.epoch.epoch;
	if (named.counter == 0)
		named = (struct epoch){ .counter = p->v.reply.term, .node = told->node };
	return named;
}

void
agent_tell_epochs(struct agent *a)
{
	struct herald_target t[HERALD_OTHERS_MAX] = { 0 };
	const struct epoch_claim *known = &a->epochs.known;
	unsigned n = 0;

	if (!agent_view_is_fresh(a) || !epoch_has_proof(known))
		return;
	for (unsigned i = 0; i < a->rv.nodes_n && n < ARRAY_LEN(t); i++) {
		const struct replication_node *r = &a->rv.nodes[i];

		if (agent_is_self(a, &r->id))
			continue;
		t[n].id = r->id;
		url_write(r->name, r->https_port, t[n].url, sizeof(t[n].url));
		text_copy(t[n].host, sizeof(t[n].host), r->name);
		t[n].pair_port = agent_pair_port(a, r);
		t[n++].named = named_by(agent_peer(a, &r->id), &known->epoch);
	}
	herald_tell(a->herald, known, t, n);
}

/* What is known of itself alone fences nobody: the node that began an epoch is its primary. */
bool
agent_is_outranked(const struct agent *a)
{
	const struct epoch *known = &a->epochs.known.epoch;
	struct epoch own = agent_epoch(a);

	return own.counter > 0 && !epoch_is_of(known, &a->self.id) && epoch_is_later(known, &own);
}

bool
agent_is_surpassed(const struct agent *a)
{
	const struct epoch *known = &a->epochs.known.epoch;
	struct epoch own = agent_epoch(a);

	return own.counter > 0 && epoch_is_of(known, &a->self.id) && epoch_is_later(known, &own);
}

int
agent_prepare_epoch(struct agent *a, struct err *e)
{
	struct epoch_claim own = own_claim(a);
	struct epochs x = a->epochs;
	enum notary_verdict v = NOTARY_TRUE;

	epochs_hear(&x, &own);
	/* Of the programs that know of no incarnation none may be left in the pair. */
	epochs_prepare(&x, &a->self.id, a->rv.schema >= DRAWN_SCHEMA ? a->incarnation : 0);
	if (!epoch_has_proof(&x.next))
		v = notary_prove(a->notary, &x.next);
	if (v == NOTARY_ASKED)
		return err_set(e, ERR_KEYS_UNAVAILABLE, "keyd has not proved the new epoch yet");
	if (v == NOTARY_FALSE)
		return err_set(e, ERR_REFUSED,
			       "keyd refuses to prove an epoch of this node: it was started for "
			       "another one. Restart the node");
	if (memcmp(&x, &a->on_disk, sizeof(x)) != 0) {
		int rc = epochs_write(&a->args->home, &x, e);
		if (rc)
			return rc;
	}
	a->epochs = a->on_disk = x;
	return 0;
}
