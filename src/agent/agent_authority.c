/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: the vault's authorities, one after the other. What is to be done comes from the log and from what each node made known
 * (ha/succession.h); it is done by the agent's own socket, so that it takes its turn like a command, and never in the loop. Whatever ends in between,
 * the next look begins where that left off.
 */
#include "agent/agent_impl.h"

#include <string.h>
#include "agent/followed.h"
#include "base/clock.h"
#include "base/log.h"
#include "ha/status.h"
#include "store/migrate.h"

#define AGAIN_MS 5000 /* after an attempt that failed */

static bool
serves_as_primary(const struct agent *a)
{
	return !a->secondary && !a->rv.standby && agent_view_is_fresh(a) &&
	       state_serves(a->shown.state) == SERVES_EVERYONE;
}

/* Of this node what its files say, of the others what they made known. */
static void
decide(struct agent *a)
{
	const struct succession_log *log = &a->rv.authorities;
	const struct succession_said own = { a->own.trusted, a->own.channel_by, a->own.web_by };
	struct succession_view v;

	_Static_assert(REPLICATION_NODES_MAX <= SUCCESSION_NODES_MAX, "a place for each");
	succession_begin(&v, log, clock_now_us());
	for (unsigned i = 0; i < a->rv.nodes_n; i++) {
		const struct replication_node *n = &a->rv.nodes[i];
		struct succession_said said = { n->trusts, n->channel_by, n->web_by };

		succession_add(&v, log, agent_is_self(a, &n->id) ? &own : &said);
	}
	succession_decide(&v, &a->succession);
}

static bool
channel_is_stale(const struct agent *a)
{
	return a->shown.certs[CERTLIFE_CHANNEL].to_us &&
	       succession_is_stale(&a->succession, &a->rv.authorities, a->own.channel_by);
}

static bool
is_behind(const struct agent *a)
{
	const struct succession_log *log = &a->rv.authorities;
	char wanted[SUCCESSION_PINS_MAX];
	int sign = a->succession.sign;

	succession_pins(log, a->succession.keep, wanted);
	return !a->followed.wanted[0] || strcmp(wanted, a->followed.wanted) != 0 ||
	       strcmp(a->own.trusted, a->followed.trusted) != 0 ||
	       (sign >= 0 && strcmp(log->pins[sign], a->followed.sign) != 0) || channel_is_stale(a);
}

/* ---- the thread ---- */

/* f: what there is now, where rc is 0. */
static void
end_follow(struct agent *a, int rc, const struct authority_followed *f, const struct err *e)
{
	pthread_mutex_lock(&a->lock);
	if (rc == 0)
		a->followed = *f;
	else if (!a->follow_failed)
		log_err(LOG_LEVEL_WARNING, e,
			"this node cannot follow the vault's authority yet; it is tried again");
	a->follow_failed = rc != 0;
	if (rc == 0)
		a->follow_ms = 0;
	a->following = false;
	pthread_mutex_unlock(&a->lock);
}

static void *
follow(void *arg)
{
	struct agent *a = arg;
	struct authority_followed f = { 0 };
	auto_buf text = BUF_INIT;
	struct err e = { 0 };

	int rc = control_ask(&a->args->home, "{\"verb\":\"renew\",\"what\":\"follow\"}", NULL, NULL,
			     &text, &e);
	if (rc == 0)
		rc = followed_read(&text, &f, &e);
	end_follow(a, rc, &f, &e);
	return NULL;
}

static void *
find_first(void *arg)
{
	struct agent *a = arg;
	const struct authority_followed none_yet = { 0 };
	auto_buf ignored = BUF_INIT;
	struct err e = { 0 };

	int rc = control_ask(&a->args->home, "{\"verb\":\"renew\",\"what\":\"first authority\"}",
			     NULL, NULL, &ignored, &e);
	if (rc == 0)
		log_notice("the log knows the vault's authority now (`holdfast cert show`); "
			   "`holdfast cert renew --web` has it sign a web certificate that it has "
			   "not signed");
	end_follow(a, rc, &none_yet, &e);
	return NULL;
}

static void
begin(struct agent *a, void *(*work)(void *))
{
	pthread_t t;

	if (a->following || (a->follow_ms && a->now_ms - a->follow_ms < AGAIN_MS))
		return;
	a->follow_ms = a->now_ms;
	a->following = pthread_create(&t, NULL, work, a) == 0;
	if (a->following)
		pthread_detach(t);
}

void
agent_follow_authority(struct agent *a)
{
	authority_look(&a->args->home, &a->own);
	/* Where the schema is of before it, the node goes by its files. */
	if (!agent_view_is_fresh(a) || a->rv.schema < migrate_newest())
		return;
	if (!a->rv.authorities.n) {
		if (serves_as_primary(a))
			begin(a, find_first);
		return;
	}
	decide(a);
	if (is_behind(a))
		begin(a, follow);
}

/* ---- said ---- */

bool
agent_authority_said(const struct agent *a, char ret_trusts[static SUCCESSION_PINS_MAX])
{
	text_copy(ret_trusts, SUCCESSION_PINS_MAX, a->followed.trusted);
	return a->rv.schema >= migrate_newest() && a->followed.trusted[0] &&
	       strcmp(a->followed.trusted, a->own.trusted) == 0 && !a->following;
}

void
agent_say_succession(const struct agent *a, const struct replication_node *n,
		     struct status_node *ret)
{
	uint32_t bit = 1u << (n - a->rv.nodes);

	if (a->rv.authorities.n < 2 || !a->own.trusted[0])
		return;
	ret->not_trust = a->succession.not_trust & bit;
	ret->shows_old = a->succession.shows_old & bit;
}
