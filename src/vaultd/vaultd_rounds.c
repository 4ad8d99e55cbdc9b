/* SPDX-License-Identifier: Apache-2.0
 *
 * What the service does at intervals. A serving primary merges what others wrote, writes its beat, empties the bin and forgets old sessions; each node writes sums of
 * what it refused.
 */
#include "vaultd/vaultd_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "ledger/ledger.h"
#include "store/db.h"
#include "vault/bin.h"
#include "vault/refusals.h"

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

/* ---- what is over ---- */

/* A session that is over is kept this long, so that whoever asks what happened lately finds it. */
#define SESSION_KEPT_US (7 * 86400 * INT64_C(1000000))
#define PRUNE_EVERY_US (3600 * INT64_C(1000000))
#define PRUNE_MOST 500 /* at once: others wait to write meanwhile */

/* A few in each round until none is left, then once an hour; by the wall clock, which may also be put back. */
static int
prune_sessions(struct vaultd *d, struct fiber *f, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	int64_t now = clock_now_us();

	if (now < d->prune_next_us && d->prune_next_us <= now + PRUNE_EVERY_US)
		return 0;
	bind_time(&b, now - SESSION_KEPT_US);
	bind_int(&b, PRUNE_MOST);
	int rc = db_exec(d->writer, f, STMT_SESSION_PRUNE, &b, &rows, e);
	if (rc)
		return rc;
	if (row_int(rows, 0, COL_SESSION_PRUNE_N) < PRUNE_MOST)
		d->prune_next_us = now + PRUNE_EVERY_US;
	return 0;
}

static int
empty_bin(struct vaultd *d, struct fiber *f, struct err *e)
{
	return bin_empty(&d->v, f, e);
}

static const struct {
	int (*run)(struct vaultd *d, struct fiber *f, struct err *e);
	const char *failed;
} chores[] = {
	{ empty_bin, "the bin cannot be emptied now" },
	{ prune_sessions, "old sessions cannot be removed now" },
};

static void
tidy(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;

	for (size_t i = 0; i < ARRAY_LEN(chores); i++) {
		struct err e = { 0 };
		if (chores[i].run(d, f, &e) && e.code != ERR_DB_GONE && e.code != ERR_NOT_SERVING)
			log_err(LOG_LEVEL_WARNING, &e, "%s", chores[i].failed);
	}
	d->tidying = false;
}

void
vaultd_on_tidy_timer(uv_timer_t *t)
{
	struct vaultd *d = t->data;

	if (d->tidying || d->stopping || state_serves(vaultd_state_now(d)) != SERVES_EVERYONE)
		return;
	d->tidying = true;
	if (!fiber_start(d->v.fibers, tidy, d))
		d->tidying = false;
}

/* ---- refusals ---- */

void
vaultd_write_refusals(struct vaultd *d, struct fiber *f)
{
	struct err e = { 0 };
	int rc = refusals_write(&d->v, f, &e);

	/* In a state in which nothing is written they go on being counted. */
	if (rc && rc != ERR_NOT_SERVING)
		log_err(LOG_LEVEL_WARNING, &e, "sums of refusals cannot be written now");
}

static void
sum_up(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;

	vaultd_write_refusals(d, f);
	d->summing = false;
}

void
vaultd_on_refusals_timer(uv_timer_t *t)
{
	struct vaultd *d = t->data;

	if (d->summing || d->stopping || !refusals_due(d->v.refusals))
		return;
	d->summing = true;
	if (!fiber_start(d->v.fibers, sum_up, d))
		d->summing = false;
}
