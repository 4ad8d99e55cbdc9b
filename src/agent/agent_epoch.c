/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: epochs (base/epoch.h, ha/epochs.h): which one the data here are of, what the others know,
 * and what this node is to begin.
 */
#include "agent/agent_impl.h"

#include <inttypes.h>
#include <string.h>
#include "base/log.h"

#define RETRY_MS 1000

void
agent_read_epochs(struct agent *a)
{
	struct err e = { 0 };

	if (epochs_read(&a->args->home, &a->epochs, &e))
		log_err(LOG_LEVEL_ERROR, &e,
			"which epochs this node knew is asked of the log and of the other nodes");
	a->on_disk = a->epochs;
}

/* As the log has it. */
static struct epoch
logged_epoch(const struct agent *a)
{
	struct epoch e = { .counter = a->rv.term };

	if (a->rv.nodes_n && a->rv.nodes[0].primary_since_term == a->rv.term)
		e.node = a->rv.nodes[0].id;
	return e;
}

struct epoch
agent_epoch(const struct agent *a)
{
	struct epoch logged = logged_epoch(a);
	bool promoted = !a->secondary && a->rv.at_ms && !a->rv.standby;

	if (promoted && epoch_is_of(&a->epochs.next, &a->self.id) &&
	    epoch_is_later(&a->epochs.next, &logged))
		return a->epochs.next;
	return logged;
}

struct epoch
agent_latest_epoch(const struct agent *a)
{
	struct epoch own = agent_epoch(a);

	return epoch_is_later(&a->epochs.known, &own) ? a->epochs.known : own;
}

/* An older program names no epoch: a higher term counts as the epoch of the primary that says it. */
struct epoch
agent_heard_epoch(const struct agent *a, const struct peer *p)
{
	const struct probe_reply *r = &p->v.reply;
	struct epoch e = r->epoch;

	if (!p->probe || !p->known || agent_is_self(a, &p->id) || !p->v.reply_ms ||
	    a->now_ms - p->v.reply_ms >= a->settings.detect_ms)
		return (struct epoch){ 0 };
	if (e.counter == 0 && strcmp(r->mode, "primary") == 0 && r->term > agent_epoch(a).counter)
		e = (struct epoch){ .counter = r->term, .node = p->id };
	return e;
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

void
agent_hear_epochs(struct agent *a)
{
	struct epoch own = agent_epoch(a);

	if (!agent_view_is_fresh(a) || !a->rv.nodes_n)
		return;
	/* Known of a pair that this node was in before, or of a node that was taken out. */
	if (a->epochs.known.counter && !is_credible(a, &a->epochs.known))
		a->epochs.known = own;
	epochs_hear(&a->epochs, &own);
	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++) {
		struct epoch e = agent_heard_epoch(a, &a->peers[i]);
		char text[EPOCH_TEXT_MAX];

		epoch_text(&e, text);
		if (e.counter > own.counter + EPOCH_JUMP_MAX && e.counter != a->jump_told) {
			log_error("%s names epoch %s, far above the %" PRId64
				  " of the data here: it is not believed",
				  a->peers[i].v.reply.node, text, own.counter);
			a->jump_told = e.counter;
		}
		if (!is_credible(a, &e) || !epochs_hear(&a->epochs, &e))
			continue;
		log_notice("%s says that epoch %s was begun", a->peers[i].v.reply.node, text);
	}
	save(a);
}

/* What is known of itself alone fences nobody: the node that began an epoch is its primary. */
bool
agent_is_outranked(const struct agent *a)
{
	struct epoch own = agent_epoch(a);

	return own.counter > 0 && !epoch_is_of(&a->epochs.known, &a->self.id) &&
	       epoch_is_later(&a->epochs.known, &own);
}

int
agent_prepare_epoch(struct agent *a, struct err *e)
{
	struct epoch own = agent_epoch(a);
	struct epochs x = a->epochs;

	epochs_hear(&x, &own);
	epochs_prepare(&x, &a->self.id);
	if (memcmp(&x, &a->on_disk, sizeof(x)) != 0) {
		int rc = epochs_write(&a->args->home, &x, e);
		if (rc)
			return rc;
	}
	a->epochs = a->on_disk = x;
	return 0;
}
