/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: by which ports this node is reached, made known to the other nodes and the clients when that changes (ha/ports.h).
 */
#include "agent/agent_impl.h"

#include "base/json_out.h"
#include "base/log.h"
#include "ha/ports.h"
#include "ledger/event.h"
#include "store/migrate.h"

#define LOOK_MS 3000
#define SELF_MS 5000 /* behind a start the own service is not heard yet */

/* This very node answers where the node table says that it is. */
static bool
is_reached(struct agent *a)
{
	const struct peer *p = agent_peer(a, &a->self.id);

	return p && p->known &&
	       (a->now_ms - a->began_ms < SELF_MS || p->v.sense.last == PROBE_OK ||
		p->v.sense.last == PROBE_STANDBY || p->v.sense.last == PROBE_CANNOT);
}

/* The others have followed: the pair is Alive by the table. */
static void
note_told(struct agent *a, const struct ports *own, const struct ports *told)
{
	struct err e = { 0 };

	if (a->shown.status != PAIR_ALIVE ||
	    (told && told->https == own->https && told->pair == own->pair))
		return;
	if (ports_write_told(&a->args->home, own, &e))
		log_err(LOG_LEVEL_WARNING, &e,
			"a change of this node's ports may go unnoticed at its next start");
}

void
agent_look_at_ports(struct agent *a)
{
	const struct replication_node *me = agent_node(a, &a->self.id);
	struct ports own, told, next;

	if (a->ports_ms && a->now_ms - a->ports_ms < LOOK_MS)
		return;
	a->ports_ms = a->now_ms;
	a->moved = (struct ports){ 0 };
	if (!me || !agent_view_is_fresh(a))
		return;
	a->shown.pair_port = me->pair_port;
	if (a->rv.nodes_n < 2) {
		ports_forget_told(&a->args->home);
		return;
	}
	/* A primary of before would not know what to make of it. */
	if (a->rv.schema < migrate_newest())
		return;
	ports_of(&a->args->settings, &own);
	const struct ports *known = ports_told(&a->args->home, &told) ? &told : NULL;
	if (ports_moved(&own, known, &(struct ports){ me->https_port, me->pair_port },
			is_reached(a), &next))
		a->moved = next;
	else
		note_told(a, &own, known);
}

void
agent_announce_ports(struct agent *a)
{
	auto_buf body = BUF_INIT;
	struct json_out w;

	if (!a->moved.https || a->rv.requests)
		return;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_int(&w, "https_port", a->moved.https);
	json_out_int(&w, "pair_port", a->moved.pair);
	json_out_end_object(&w);
	if (replication_request(a->replication, EVENT_NODE_MOVED, &a->self.id, buf_str(&body)))
		log_notice("making known that this node is reached by the ports %d and %d now",
			   a->moved.https, a->moved.pair);
	a->moved = (struct ports){ 0 };
}
