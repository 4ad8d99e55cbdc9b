/* SPDX-License-Identifier: Apache-2.0
 *
 * What the node that serves everyone does at intervals: it merges what others wrote, says that it is there, empties the bin.
 */
#include "vaultd/vaultd_impl.h"

#include "base/log.h"
#include "ledger/ledger.h"
#include "vault/bin.h"

/* ---- merging ---- */

static void
merge(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;

	ledger_merge_inbox(d->v.ledger, f);
	d->merging = false;
}

void
vaultd_on_merge_timer(uv_timer_t *t)
{
	struct vaultd *d = t->data;

	if (d->merging || d->stopping || state_serves(vaultd_state_now(d)) != SERVES_EVERYONE)
		return;
	d->merging = true;
	if (!fiber_start(d->v.fibers, merge, d))
		d->merging = false;
}

/* ---- the beat ---- */

static void
beat(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;

	ledger_beat(d->v.ledger, f);
	d->beating = false;
}

void
vaultd_on_beat_timer(uv_timer_t *t)
{
	struct vaultd *d = t->data;

	if (d->beating || d->stopping || state_serves(vaultd_state_now(d)) != SERVES_EVERYONE)
		return;
	d->beating = true;
	if (!fiber_start(d->v.fibers, beat, d))
		d->beating = false;
}

/* ---- the bin ---- */

static void
empty_bin(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;
	struct err e = { 0 };

	if (bin_empty(&d->v, f, &e) && e.code != ERR_DB_GONE && e.code != ERR_NOT_SERVING)
		log_err(LOG_LEVEL_WARNING, &e, "the bin cannot be emptied now");
	d->emptying = false;
}

void
vaultd_on_bin_timer(uv_timer_t *t)
{
	struct vaultd *d = t->data;

	if (d->emptying || d->stopping || state_serves(vaultd_state_now(d)) != SERVES_EVERYONE)
		return;
	d->emptying = true;
	if (!fiber_start(d->v.fibers, empty_bin, d))
		d->emptying = false;
}
