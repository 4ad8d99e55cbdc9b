/* SPDX-License-Identifier: Apache-2.0
 *
 * The service's own health: whether it can serve, why not, and the data keys, without which it cannot.
 */
#include "vaultd/vaultd_impl.h"

#include <unistd.h>
#include "base/clock.h"
#include "base/fiber_sleep.h"
#include "base/log.h"
#include "base/statepage.h"
#include "ledger/ledger.h"
#include "vault/audit_tables.h"

#define KEYS_ASK_MS 500
#define PING_MS 500
#define PING_MAX_MS 1000
#define WRITE_GRACE_MS 1500

/* ---- data keys ---- */

/* Until it works: without the data keys nothing can be opened. */
static void
load_keys(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;
	int last = 0;

	for (;;) {
		struct err e = { 0 };
		int rc = vault_load_keys(&d->v, f, &e);

		if (!rc || d->stopping)
			break;
		if (rc != last && rc != ERR_DB_GONE)
			log_err(LOG_LEVEL_WARNING, &e, "the data keys cannot be loaded yet");
		last = rc;
		fiber_sleep_ms(&d->loop, f, VAULTD_RETRY_MS);
	}
	d->keys_loaded = true;
	d->loading = false;
	vaultd_update_health(d);
}

void
vaultd_begin_load_keys(struct vaultd *d)
{
	if (d->loading)
		return;
	d->loading = true;
	if (!fiber_start(d->v.fibers, load_keys, d))
		d->loading = false;
}

/* ---- health ---- */

static void
ping(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;
	auto_binds b = BINDS_INIT;
	struct err e = { 0 };

	if (db_exec(d->pulse, f, STMT_PING, &b, NULL, &e))
		text_fit(d->ping_why, sizeof(d->ping_why), "the database does not answer: %s",
			 e.text);
	else
		d->ping_why[0] = '\0';
	d->ping_began_ms = 0;
}

static void
begin_ping(struct vaultd *d, int64_t now)
{
	if (d->ping_began_ms || now < d->ping_next_ms)
		return;
	d->ping_next_ms = now + PING_MS;
	d->ping_began_ms = now;
	if (!fiber_start(d->v.fibers, ping, d))
		d->ping_began_ms = 0;
}

/* true when users can be served; the sentence says why not, or what else is not as it should be. */
static bool
judge(const struct vaultd *d, int64_t now, char *why, size_t n)
{
	struct ledger_stats s;
	int64_t silent_ms = d->v.statepage ? now - statepage_quick(d->v.statepage).beat_mono_ms : 0;

	ledger_stats(d->v.ledger, &s);
	why[0] = '\0';
	if (!keys_available(d->v.keys))
		snprintf(why, n, "the keys are not available: keyd is not running");
	else if (!s.writable)
		text_fit(why, n, "the audit log cannot be written: %s", s.why);
	else if (s.oldest_wait_ms > d->settings.sync_timeout + WRITE_GRACE_MS)
		snprintf(why, n, "the audit log has been waiting %lld ms for a commit",
			 (long long)s.oldest_wait_ms);
	else if (d->ping_began_ms && now - d->ping_began_ms > PING_MAX_MS)
		snprintf(why, n, "the database has not answered for %lld ms",
			 (long long)(now - d->ping_began_ms));
	else if (d->ping_why[0])
		snprintf(why, n, "%s", d->ping_why);
	else if (!d->keys_loaded)
		snprintf(why, n, "the data keys are not loaded yet");
	if (why[0])
		return false;
	if (silent_ms <= STATEPAGE_BEAT_MAX_MS && silent_ms >= 0)
		return true;
	/* Nobody would notice a peer that became the primary, or bring it back into step. */
	snprintf(why, n, "the agent has been silent for %lld ms", (long long)silent_ms);
	return vaultd_state_now(d) == HA_SINGLE;
}

void
vaultd_update_health(struct vaultd *d)
{
	struct vault_health h = { 0 };

	h.serving = judge(d, clock_mono_ms(), h.why, sizeof(h.why));
	if (h.serving != d->v.health.serving)
		log_at(h.serving ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING,
		       h.serving ? "serving" : "not serving: %s", h.why);
	d->v.health = h;
}

/* The connection broke though keyd may live: the supervisor gives a new one as soon as there is a keyd. */
static void
ask_for_keys(struct vaultd *d, int64_t now)
{
	if (keys_available(d->v.keys) || now - d->keys_asked_ms < KEYS_ASK_MS)
		return;
	d->keys_asked_ms = now;
	if (write(PROC_FD_LINK, "K", 1) != 1)
		_exit(1); /* the supervisor is gone */
}

void
vaultd_on_health_timer(uv_timer_t *t)
{
	struct vaultd *d = t->data;

	int64_t now = clock_mono_ms();

	begin_ping(d, now);
	vaultd_update_health(d);
	ask_for_keys(d, now);
	audit_tables_tidy(&d->v);
}
