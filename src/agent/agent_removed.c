/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: a node that was taken out of the pair (`holdfast ha remove`). A serving primary says with its health who is in the
 * pair, under a certificate that is trusted; and the replicated node table says it. Nothing else does: a node that is merely cut
 * off hears neither. What was heard stays written down, for the primary may be gone when it is needed: from then on this node
 * takes nobody's silence for an outage of its primary. An operator's order counts as always (docs/ha.md).
 */
#include "agent/agent_impl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"

#define SAID_MS 3000 /* it must be said for so long without a break */
#define REMOVED "removed = true\n"

void
agent_read_removed(struct agent *a)
{
	char path[HOME_PATH_MAX];
	auto_buf text = BUF_INIT;
	struct err e = { 0 };

	home_path(&a->args->home, HOME_REMOVED, path);
	int rc = home_read_file(path, 64, &text, &e);
	a->removed = rc == 0 || e.sys != ENOENT;
	if (a->removed && (rc || strcmp(buf_str(&text), REMOVED) != 0))
		log_warning("%s is there and cannot be read: this node counts as taken out of the "
			    "pair until a serving primary says otherwise",
			    path);
}

enum word { SAYS_NOTHING, SAYS_IN, SAYS_OUT };

/* Of a program of before nothing is heard about it, nor of a primary of an earlier epoch than that of the data here. */
static enum word
word_of(const struct agent *a, const struct peer *p)
{
	const struct probe_reply *r = &p->v.reply;
	char self[UUID_STR_LEN];

	if (!p->probe || !p->known || agent_is_self(a, &p->id) || !p->v.reply_ms ||
	    a->now_ms - p->v.reply_ms >= AGENT_VIEW_MS || strcmp(r->mode, "primary") != 0 ||
	    !r->members_n)
		return SAYS_NOTHING;
	struct epoch heard = agent_heard_epoch(a, p), own = agent_epoch(a);
	if (!epoch_is_of(&heard, &p->id) || epoch_is_later(&own, &heard))
		return SAYS_NOTHING;
	uuid_str(&a->self.id, self);
	for (unsigned i = 0; i < r->members_n; i++) {
		if (strcmp(r->members[i], self) == 0)
			return SAYS_IN;
	}
	return SAYS_OUT;
}

/* What is said of this node; a primary's word counts before what the table has, which may have stood still. */
static enum word
hear(const struct agent *a)
{
	enum word said = SAYS_NOTHING;

	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++) {
		enum word w = word_of(a, &a->peers[i]);

		if (w == SAYS_IN)
			return SAYS_IN;
		if (w == SAYS_OUT)
			said = SAYS_OUT;
	}
	bool absent = a->rv.standby && agent_view_is_fresh(a) && !a->rv.failure[0] &&
		      a->rv.nodes_n && !agent_node(a, &a->self.id);
	return said == SAYS_NOTHING && absent ? SAYS_OUT : said;
}

static void
set_removed(struct agent *a, bool removed)
{
	char path[HOME_PATH_MAX];
	struct err e = { 0 };

	a->removed = removed;
	home_path(&a->args->home, HOME_REMOVED, path);
	if (!removed) {
		unlink(path);
		log_notice("this node is in the pair");
		return;
	}
	log_warning("this node was taken out of the pair: it serves nobody until it is set up "
		    "again with a new HAPack, or an operator orders otherwise");
	if (home_write_file(path, REMOVED, strlen(REMOVED), 0600, &e))
		log_err(LOG_LEVEL_WARNING, &e, "that cannot be written down");
}

void
agent_hear_removal(struct agent *a)
{
	bool reigns = !a->secondary && state_serves(a->shown.state) == SERVES_EVERYONE;
	enum word said = reigns ? SAYS_IN : hear(a);

	if (said != SAYS_OUT)
		a->out_since_ms = 0;
	else if (!a->out_since_ms)
		a->out_since_ms = a->now_ms;
	if (a->removed ? said == SAYS_IN
		       : said == SAYS_OUT && a->now_ms - a->out_since_ms >= SAID_MS)
		set_removed(a, !a->removed);
}

bool
agent_is_out(const struct agent *a)
{
	return a->removed &&
	       (a->secondary || a->shown.state == HA_FENCED || a->shown.state == HA_EMERGENCY);
}

/* The primary is not this node's any more: whatever it does, nothing follows from it here. */
void
agent_heed_removal(const struct agent *a, struct fsm_obs *o)
{
	if (!agent_is_out(a))
		return;
	o->primary_ok = true;
	o->primary_ok_for_ms = INT64_MAX;
	o->primary_silent = o->must_return = false;
	o->primary_bad_for_ms = o->journal_rows = 0;
}
