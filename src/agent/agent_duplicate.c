/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: two programs of one node. A copy of a machine is started beside it, and both write what they take for their own
 * chain. They do not reach each other, since they go by the same name; a third node does: each asks it for its history
 * (ha/history_watch.h). Where the name leads from one to the other it is noticed there at once.
 */
#include "agent/agent_impl.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"

void
agent_name_run(struct agent *a)
{
	char run[PROC_RUN_MAX];
	uint64_t short_run = 0;

	proc_run(a->args, run);
	if (!run[0])
		return;
	crypto_generichash((uint8_t *)&short_run, sizeof(short_run), (const uint8_t *)run,
			   strlen(run), NULL, 0);
	a->shown.run = short_run;
	snprintf(a->run, sizeof(a->run), "%016" PRIx64, short_run);
}

static bool
says_id(const char *said, const struct uuid *id)
{
	char text[UUID_STR_LEN];

	uuid_str(id, text);
	return strcmp(said, text) == 0;
}

static bool
is_recent(const struct agent *a, const struct peer *p)
{
	return p->probe && p->v.reply_ms && a->now_ms - p->v.reply_ms < AGENT_VIEW_MS;
}

/* Under the own name somebody answers who has the same id and is not this program. */
static bool
is_answered_for(const struct agent *a, const struct peer *self)
{
	const char *run = self->v.reply.run;

	return a->run[0] && run[0] && says_id(self->v.reply.node_id, &a->self.id) &&
	       strcmp(run, a->run) != 0;
}

/* While nobody can be asked it is as it was found out last. */
void
agent_look_for_duplicate(struct agent *a)
{
	bool heard = false, asked = false;

	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++) {
		const struct peer *p = &a->peers[i];

		if (!p->known || !is_recent(a, p))
			continue;
		bool self = agent_is_self(a, &p->id);
		asked |= !self;
		heard |= self ? is_answered_for(a, p) : says_id(p->v.reply.duplicate, &a->self.id);
	}
	if (heard && !a->duplicate)
		log_warning(
			"a second program of this node runs: was a copy of this machine started?");
	if (heard || asked)
		a->duplicate = heard;
	a->shown.duplicate = a->rv.duplicate;
}

bool
agent_is_duplicate(const struct agent *a, const struct uuid *id)
{
	return agent_is_self(a, id) ? a->duplicate : uuid_eq(id, &a->rv.duplicate);
}
