/* SPDX-License-Identifier: Apache-2.0
 *
 * Follows the state page: empties caches, reads the overlay, loads data keys, and tells the log.
 */
#include "vaultd/vaultd_impl.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/fiber_sleep.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/statepage.h"
#include "base/trespass.h"
#include "ledger/ledger.h"
#include "vault/age_limit.h"
#include "vault/journal_overlay.h"
#include "vault/withdrawn.h"
#include "vault/session.h"

enum ha_state
vaultd_state_now(const struct vaultd *d)
{
	return statepage_state(d->v.statepage);
}

int
vaultd_append_event(struct vaultd *d, struct fiber *f, enum event_kind kind, const char *body,
		    struct err *e)
{
	struct event ev = { .kind = kind, .object = d->v.node, .address = "", .body = body };

	return ledger_append(d->v.ledger, f, &ev, 1, NULL, e);
}

static int
tell_state(struct vaultd *d, struct fiber *f, enum ha_state to, const char *reason, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct json_out w;
	int rc;

	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "from", state_name(d->told));
	json_out_text(&w, "to", state_name(to));
	json_out_text(&w, "reason", reason);
	json_out_end_object(&w);
	rc = vaultd_append_event(d, f, EVENT_HA_STATE, buf_str(&body), e);
	if (!rc)
		d->told = to;
	return rc;
}

static void
read_reason(const struct vaultd *d, enum ha_state *ret_state, char *ret_reason, size_t n)
{
	struct statepage_view *v = mem_raw(sizeof(*v));

	statepage_read(d->v.statepage, v);
	*ret_state = v->state;
	snprintf(ret_reason, n, "%s", v->reason);
	free(v);
}

void
vaultd_reload_journaled(struct vaultd *d, struct fiber *f)
{
	struct err e = { 0 };

	if (journal_overlay_reload(d->v.journal_overlay, d->v.ledger, f, &e))
		log_err(LOG_LEVEL_ERROR, &e, "versions made here in emergency cannot be read now");
	if (withdrawn_reload(d->v.withdrawn, d->v.ledger, f, &e))
		log_err(LOG_LEVEL_ERROR, &e,
			"what was withdrawn here in emergency cannot be read now");
}

/* The log hears of the state the node is in, until it is told; what the node left again meanwhile is skipped. */
static void
follow_state(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;

	while (!d->stopping &&
	       (d->followed_seq != d->state_seq || d->told != vaultd_state_now(d))) {
		char reason[STATEPAGE_REASON_MAX];
		struct err e = { 0 };
		enum ha_state to;

		if (d->followed_seq != d->state_seq) {
			d->followed_seq = d->state_seq;
			if (sessions_reload(d->v.sessions, f, &e))
				log_err(LOG_LEVEL_ERROR, &e,
					"sessions of the journal are lost to this node");
			vaultd_reload_journaled(d, f);
			if (state_serves(vaultd_state_now(d)) != SERVES_NOBODY)
				vaultd_begin_load_keys(d);
		}
		read_reason(d, &to, reason, sizeof(reason));
		if (d->told != to && tell_state(d, f, to, reason, &e))
			fiber_sleep_ms(&d->loop, f, VAULTD_RETRY_MS);
	}
	d->telling = false;
}

/* How long emergency lasts is said to whoever asks (api/reply.c). */
static void
note_emergency(struct vaultd *d, enum ha_state now)
{
	if (state_serves(now) != SERVES_EMERGENCY)
		atomic_store(&d->v.emergency_since_ms, 0);
	else if (!atomic_load(&d->v.emergency_since_ms))
		atomic_store(&d->v.emergency_since_ms, clock_mono_ms());
}

void
vaultd_on_page_timer(uv_timer_t *t)
{
	struct vaultd *d = t->data;
	struct statepage_quick q = statepage_quick(d->v.statepage);

	TRESPASS_AS_ORDERED();
	if (q.state_seq != d->state_seq)
		log_notice("the node is now in state %s", state_name(q.state));
	d->state_seq = q.state_seq;
	age_limit_on_state(&d->v, q.state);
	note_emergency(d, q.state);
	if (d->telling || d->stopping || (d->told == q.state && d->followed_seq == q.state_seq))
		return;
	d->telling = true;
	if (!fiber_start(d->v.fibers, follow_state, d))
		d->telling = false;
}
