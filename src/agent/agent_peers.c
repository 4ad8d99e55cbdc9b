/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: who the other nodes are, what certificates of theirs are trusted, and how they answer.
 */
#include "agent/agent_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ha/pins.h"

#define TRUST_MS 1000 /* certificates are read so often */
#define PEM_MAX 65536

/* ---- who is who ---- */

bool
agent_view_is_fresh(const struct agent *a)
{
	return a->rv.at_ms && a->now_ms - a->rv.at_ms < AGENT_VIEW_MS;
}

const struct replication_node *
agent_node(const struct agent *a, const struct uuid *id)
{
	for (unsigned i = 0; i < a->rv.nodes_n; i++) {
		if (uuid_eq(&a->rv.nodes[i].id, id))
			return &a->rv.nodes[i];
	}
	return NULL;
}

/* The node table names the one that became primary last first. */
static const struct replication_node *
primary_node(const struct agent *a)
{
	const struct replication_node *n = a->rv.nodes_n ? &a->rv.nodes[0] : NULL;

	return n && n->primary_since_term > 0 ? n : NULL;
}

bool
agent_is_unnamed_primary(const struct agent *a)
{
	return !a->secondary && !a->rv.standby && a->rv.nodes_n && agent_view_is_fresh(a) &&
	       state_serves(a->shown.state) == SERVES_EVERYONE && agent_node(a, &a->self.id) &&
	       (!agent_is_self(a, &a->rv.nodes[0].id) || agent_epoch(a).counter > a->rv.term);
}

bool
agent_says(const struct agent *a, const struct peer *p, enum ha_state s)
{
	return p && p->v.reply_ms && a->now_ms - p->v.reply_ms < AGENT_VIEW_MS &&
	       state_by_name(p->v.reply.state) == s;
}

struct peer *
agent_peer(struct agent *a, const struct uuid *id)
{
	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++) {
		if (a->peers[i].probe && uuid_eq(&a->peers[i].id, id))
			return &a->peers[i];
	}
	return NULL;
}

bool
agent_is_self(const struct agent *a, const struct uuid *id)
{
	return uuid_eq(id, &a->self.id);
}

/* Says of itself, lately, that it is the primary of a later epoch than that of the data here. */
static bool
claims_later_epoch(const struct agent *a, const struct peer *p)
{
	struct epoch claimed = agent_heard_epoch(a, p), own = agent_epoch(a);

	return epoch_is_of(&claimed, &p->id) && strcmp(p->v.reply.mode, "primary") == 0 &&
	       own.counter > 0 && epoch_is_later(&claimed, &own);
}

const struct replication_node *
agent_leader(const struct agent *a)
{
	const struct peer *best = NULL;
	struct epoch latest = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++) {
		const struct peer *p = &a->peers[i];
		struct epoch claimed = agent_heard_epoch(a, p);

		if (!claims_later_epoch(a, p) || !epoch_is_later(&claimed, &latest))
			continue;
		best = p;
		latest = claimed;
	}
	return best ? agent_node(a, &best->id) : primary_node(a);
}

int
agent_pair_port(const struct agent *a, const struct replication_node *n)
{
	const struct peer *p = agent_peer((struct agent *)(uintptr_t)a, &n->id);
	bool lately = p && p->v.reply_ms && a->now_ms - p->v.reply_ms < AGENT_VIEW_MS;

	return lately && p->v.reply.pair_port > 0 && p->v.reply.pair_port < 65536
		       ? (int)p->v.reply.pair_port
		       : n->pair_port;
}

struct peer *
agent_primary_peer(struct agent *a)
{
	const struct replication_node *n = agent_leader(a);

	return n && !agent_is_self(a, &n->id) ? agent_peer(a, &n->id) : NULL;
}

/* ---- trust ---- */

static void
read_trusted(struct agent *a)
{
	auto_buf all = BUF_INIT;

	a->trusted_bad = !pins_add_authorities(&a->args->home, a->trusted_bad, &all);
	free(a->trusted);
	a->trusted = mem_dup(buf_str(&all));
}

/* What a node shows now, and what it showed before while that may still be on its way. One that shows another's signature has taken back
 * both. */
static void
pin(struct peer *p, const char *pem)
{
	if (!pem[0] || (p->pinned[0] && strcmp(p->pinned[0], pem) == 0))
		return;
	free(p->pinned[1]);
	p->pinned[1] = p->pinned[0];
	p->pinned[0] = pins_may_pin(pem) ? mem_dup(pem) : NULL;
	if (p->pinned[0])
		return;
	free(p->pinned[1]);
	p->pinned[1] = NULL;
}

static void
write_trust(const struct agent *a, const struct peer *p, bool self, struct buf *out)
{
	char path[HOME_PATH_MAX];
	struct err ignored;

	for (size_t i = 0; i < ARRAY_LEN(p->pinned); i++) {
		if (p->pinned[i])
			buf_addf(out, "%s\n", p->pinned[i]);
	}
	if (self) {
		home_path(&a->args->home, HOME_WEB_CERT, path);
		if (home_read_file(path, PEM_MAX, out, &ignored) == 0)
			buf_addc(out, '\n');
	}
	buf_adds(out, a->trusted);
}

/* ---- probes ---- */

static void
forget(struct peer *p)
{
	probe_let_go(p->probe);
	for (size_t i = 0; i < ARRAY_LEN(p->pinned); i++)
		free(p->pinned[i]);
	*p = (struct peer){ 0 };
}

/* A place for a node; that of one which has left the pair when there is no other. */
static struct peer *
free_peer(struct agent *a)
{
	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++) {
		if (!a->peers[i].probe)
			return &a->peers[i];
	}
	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++) {
		if (agent_node(a, &a->peers[i].id))
			continue;
		forget(&a->peers[i]);
		return &a->peers[i];
	}
	return NULL;
}

/* To see a change without keeping the text twice. */
static uint64_t
text_mark(const char *text)
{
	uint64_t h = 14695981039346656037u;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 1099511628211u;
	return h;
}

static void
aim_peer(struct agent *a, const struct replication_node *n)
{
	struct peer *p = agent_peer(a, &n->id);
	struct probe_target t = { .mark = text_mark(n->web_cert),
				  .probe_ms = a->settings.probe_ms,
				  .refused_ms = a->settings.refused_ms,
				  .detect_ms = a->settings.detect_ms };
	auto_buf trust = BUF_INIT;
	bool fresh = !p;

	if (!p)
		p = free_peer(a);
	if (!p)
		return;
	p->id = n->id;
	p->known = true;
	p->seen_cert = t.mark;
	pin(p, n->web_cert);
	write_trust(a, p, uuid_eq(&n->id, &a->self.id), &trust);
	url_write(n->name, n->https_port, t.url, sizeof(t.url));
	text_copy(t.name, sizeof(t.name), n->name);
	t.port = n->https_port;
	t.trust = (char *)(uintptr_t)buf_str(&trust);
	if (fresh)
		p->probe = probe_new(&t);
	else
		probe_aim(p->probe, &t);
}

/* A node, or a certificate of one, that was not seen before. */
static bool
is_news(struct agent *a, const struct replication_node *n)
{
	const struct peer *p = agent_peer(a, &n->id);

	return !p || (p->seen_cert != text_mark(n->web_cert));
}

/* What the primary's service is trusted by, for vaultd, which hands requests on to it. */
static void
publish_trust(struct agent *a)
{
	const struct peer *p = agent_primary_peer(a);
	auto_buf trust = BUF_INIT;
	char path[HOME_PATH_MAX];
	struct err e = { 0 };

	if (!p)
		return;
	write_trust(a, p, false, &trust);
	if (a->published && strcmp(a->published, buf_str(&trust)) == 0)
		return;
	home_path(&a->args->home, HOME_PRIMARY_TRUST, path);
	if (home_write_file(path, buf_str(&trust), trust.len, 0600, &e)) {
		if (!a->publish_failed)
			log_err(LOG_LEVEL_WARNING, &e,
				"requests cannot be forwarded to the primary yet");
		a->publish_failed = true;
		return;
	}
	a->publish_failed = false;
	free(a->published);
	a->published = buf_take_str(&trust);
}

/* The same on every node: it does not go by the order of the rows. */
static void
mark_nodes(struct agent *a)
{
	uint64_t mark = 0;

	for (unsigned i = 0; i < a->rv.nodes_n; i++) {
		const struct replication_node *n = &a->rv.nodes[i];
		char place[320];

		url_write(n->name, n->https_port, place, sizeof(place));
		mark += text_mark(place) * 31 + text_mark(n->web_cert);
	}
	if (mark) /* and by which authorities they are trusted */
		mark += text_mark(a->own.trusted) * 31;
	if (mark)
		statepage_set_nodes(a->statepage, mark);
}

/* Nodes come and go with the node table; a probe once begun is kept until its place is needed, it costs little. */
static void
aim_peers(struct agent *a)
{
	bool news = false;

	if (a->rv.at_ms == a->aimed_view_ms && a->now_ms - a->trust_ms < TRUST_MS)
		return;
	a->aimed_view_ms = a->rv.at_ms;
	mark_nodes(a);
	if (a->rv.nodes_n < 2)
		return;
	for (unsigned i = 0; i < a->rv.nodes_n; i++)
		news |= is_news(a, &a->rv.nodes[i]);
	if (!news && a->now_ms - a->trust_ms < TRUST_MS)
		return;
	a->trust_ms = a->now_ms;
	read_trusted(a);
	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++)
		a->peers[i].known = false;
	for (unsigned i = 0; i < a->rv.nodes_n; i++)
		aim_peer(a, &a->rv.nodes[i]);
	publish_trust(a);
}

void
agent_was_away(struct agent *a)
{
	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++) {
		if (a->peers[i].probe)
			probe_was_away(a->peers[i].probe);
	}
	a->away_ms = a->streamed_ms = clock_mono_ms();
	a->handing_seen_ms = 0;
}

void
agent_look(struct agent *a)
{
	a->now_ms = clock_mono_ms();
	replication_look(a->replication, &a->rv);
	if (a->deposit)
		deposit_look(a->deposit, &a->dv);
	role_look(a->role, &a->wv);
	aim_peers(a);
	agent_aim_histories(a);
	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++) {
		if (a->peers[i].probe)
			probe_look(a->peers[i].probe, &a->peers[i].v);
	}
	agent_look_for_duplicate(a);
	agent_hear_epochs(a);
	agent_hear_removal(a);
}
