/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: maintenance, which makes alerts silent (ha/maintenance.h). The word of a serving primary goes through its writer into
 * the log, and to the others by replication; any other node keeps its own in a file.
 */
#include "agent/agent_impl.h"

#include <string.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "ledger/event.h"

#define WAIT_MS 10000

void
agent_read_maintenance(struct agent *a)
{
	struct err e = { 0 };

	if (maintenance_read(&a->args->home, &a->maintenance, &e))
		log_err(LOG_LEVEL_ERROR, &e,
			"what was said of maintenance here is lost, and alerts are sent; say it "
			"again with `holdfast ha maintenance`");
}

const struct maintenance *
agent_maintenance(const struct agent *a, int64_t now_us)
{
	const struct maintenance *m = maintenance_later(&a->maintenance, &a->rv.maintenance);

	return maintenance_is_on(m, now_us) ? m : NULL;
}

static bool
serves_pair(const struct agent *a)
{
	return !a->secondary && state_serves(a->shown.state) == SERVES_EVERYONE;
}

static bool
is_in_log(const struct agent *a, const struct maintenance *m)
{
	const struct maintenance *have = &a->rv.maintenance;

	return have->at_us >= a->maintenance.at_us && have->until_us == m->until_us &&
	       strcmp(have->reason, m->reason) == 0;
}

/* What is no primary any more says so itself. */
static bool
is_taken(const struct agent *a, const void *m)
{
	return is_in_log(a, m) || !serves_pair(a);
}

/* Waits, with the lock given back, until the vault's writer has taken it into the log; what it does not take it is told to forget, so that
 * the word does not count later for the whole pair. */
static int
ask_writer(struct agent *a, const struct maintenance *m, bool *ret_taken, struct err *e)
{
	int64_t until = clock_mono_ms() + WAIT_MS;
	auto_buf body = BUF_INIT;

	maintenance_body(m, &body);
	enum replication_fate fate = agent_ask_writer(a, EVENT_MAINTENANCE, &a->self.id,
						      buf_str(&body), is_taken, m, until);
	if (fate == REPLICATION_UNKNOWN)
		return err_set(
			e, ERR_TIMEOUT,
			"it is not known whether this was done: the vault was told, and the "
			"database does not answer. `holdfast ha status` shows whether alerts "
			"are silent; to say it again does no harm");
	*ret_taken = fate == REPLICATION_TAKEN && serves_pair(a);
	return 0;
}

/* The loop must not wait for a disk: the lock is given back meanwhile. */
static int
keep_here(struct agent *a, const struct maintenance *m, struct err *e)
{
	pthread_mutex_unlock(&a->lock);
	int rc = maintenance_write(&a->args->home, m, e);
	pthread_mutex_lock(&a->lock);
	if (rc == 0)
		a->maintenance = *m;
	return rc;
}

static void
answer(const struct maintenance *m, bool pair, struct buf *out)
{
	struct json_out w;

	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "on", pair ? "pair" : "node");
	json_out_time(&w, "until", m->until_us);
	json_out_text(&w, "reason", m->reason);
	json_out_end_object(&w);
}

int
agent_order_maintenance(struct agent *a, const char *order, struct buf *ret_text, struct err *e)
{
	struct maintenance m;
	int rc = maintenance_parse(order, clock_now_us(), &m, e);
	bool pair = false;

	if (rc == 0 && serves_pair(a))
		rc = ask_writer(a, &m, &pair, e);
	if (rc == 0 && !pair)
		rc = keep_here(a, &m, e);
	if (rc)
		return rc;
	log_notice(m.until_us ? "maintenance of the %s begins, its alerts are silent: %s"
			      : "maintenance of the %s is over%s",
		   pair ? "pair" : "node", m.reason);
	answer(&m, pair, ret_text);
	return 0;
}
