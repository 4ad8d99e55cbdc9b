/* SPDX-License-Identifier: Apache-2.0 */
#include "api/metrics.h"

#include <math.h>
#include "api/api_impl.h"
#include "api/forward.h"
#include "base/clock.h"
#include "http/server.h"
#include "vault/retrieve_batch.h"
#include "vault/lists.h"
#include "vault/session.h"

static void
add_metric(struct buf *out, const char *name, const char *type, const char *help, double v)
{
	buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name, type, name, v);
}

static void
add_replies(struct api *a, struct buf *out)
{
	buf_adds(out, "# HELP holdfast_replies_total Replies by class of status.\n"
		      "# TYPE holdfast_replies_total counter\n");
	for (unsigned i = 2; i < ARRAY_LEN(a->replies); i++)
		buf_addf(out, "holdfast_replies_total{class=\"%uxx\"} %llu\n", i,
			 (unsigned long long)atomic_load(&a->replies[i]));
}

static void
add_state(struct buf *out, enum ha_state now)
{
	buf_adds(out, "# HELP holdfast_state The state of the node: 1 for the one it is in.\n"
		      "# TYPE holdfast_state gauge\n");
	for (int s = 0; s < HA_STATE_COUNT; s++)
		buf_addf(out, "holdfast_state{state=\"%s\"} %d\n", state_name(s), s == (int)now);
}

static void
add_certs(const struct statepage_view *v, struct buf *out)
{
	buf_adds(out,
		 "# HELP holdfast_certificate_end_seconds When a certificate of this node ends, "
		 "in seconds since 1970.\n# TYPE holdfast_certificate_end_seconds gauge\n");
	for (enum certlife_kind k = 0; k < CERTLIFE_KINDS; k++)
		if (v->certs[k].to_us)
			buf_addf(out, "holdfast_certificate_end_seconds{certificate=\"%s\"} %lld\n",
				 certlife_name(k), (long long)(v->certs[k].to_us / 1000000));
}

static double
lag_seconds(const struct statepage_view *v)
{
	if (v->as_of_us)
		return (double)(clock_now_us() - v->as_of_us) / 1e6;
	return state_row(v->state)->writes == WRITES_JOURNAL ? NAN : 0;
}

void
metrics_write(const struct api_call *c, struct buf *out)
{
	struct api *a = c->api;
	struct ledger_stats l;
	uint64_t requests, batches;
	auto_arena arena = arena_new();
	const struct statepage_view *v = call_view(c, arena);
	const struct rowcache_stats k = retrieve_batch_stats(a->v->retrieve_batch);
	const struct lists_stats q = lists_stats(a->v->lists);
	ledger_stats(a->v->ledger, &l);
	keys_stats(a->v->keys, &requests, &batches);
	const struct {
		const char *name, *type, *help;
		double value;
	} rows[] = {
		{ "holdfast_retrievals_total", "counter", "Passwords retrieved.",
		  (double)a->retrievals },
		{ "holdfast_ledger_events_total", "counter", "Events written.", (double)l.events },
		{ "holdfast_ledger_batches_total", "counter",
		  "Transactions or journal writes they took.", (double)l.batches },
		{ "holdfast_ledger_largest_batch", "gauge", "Most events in one of them.",
		  (double)l.largest_batch },
		{ "holdfast_ledger_failures_total", "counter", "Writes that failed.",
		  (double)l.failures },
		{ "holdfast_ledger_merged_total", "counter", "Events of other nodes taken in.",
		  (double)l.merged },
		{ "holdfast_accounts_in_conflict", "gauge",
		  "Accounts whose versions wait for a person; known on a primary.",
		  (double)l.accounts_in_conflict },
		{ "holdfast_administration_conflicts", "gauge",
		  "Conflicts of administration that nobody has acknowledged; known on a primary.",
		  (double)l.admin_unacknowledged },
		{ "holdfast_ledger_writable", "gauge", "Whether the last write succeeded.",
		  l.writable },
		{ "holdfast_ledger_wait_seconds", "gauge", "Age of the write in flight.",
		  (double)l.oldest_wait_ms / 1e3 },
		{ "holdfast_keyd_requests_total", "counter", "Requests to keyd.",
		  (double)requests },
		{ "holdfast_keyd_batches_total", "counter", "Writes that carried them.",
		  (double)batches },
		{ "holdfast_both", "gauge", "Whether commits are on both disks.", v->both },
		{ "holdfast_lag_seconds", "gauge",
		  "Age of a secondary's data, as they say themselves (NaN: they do not); 0 on a "
		  "primary.",
		  lag_seconds(v) },
		{ "holdfast_journal_rows", "gauge", "Journal rows that are not merged yet.",
		  (double)v->journal_rows },
		{ "holdfast_alerts_waiting", "gauge",
		  "Alerts that a receiver has not accepted yet.", (double)v->alerts_waiting },
		{ "holdfast_emergency_unlocked", "gauge",
		  "Whether max_emergency_age is unlocked for this outage.", a->v->unlocked },
		{ "holdfast_term", "gauge", "Term of the pair.", (double)v->term },
		{ "holdfast_serving", "gauge", "Whether users may be served here.",
		  a->v->health.serving },
		{ "holdfast_sessions_cached", "gauge", "Sessions in the cache.",
		  (double)sessions_count(a->v->sessions) },
		{ "holdfast_rows_cached", "gauge", "Rows of accounts lately retrieved.",
		  (double)k.rows },
		{ "holdfast_rows_cached_bytes", "gauge", "Memory that they take.",
		  (double)k.bytes },
		{ "holdfast_row_hits_total", "counter", "Retrievals that found their row there.",
		  (double)k.hits },
		{ "holdfast_row_misses_total", "counter", "Retrievals that did not.",
		  (double)k.misses },
		{ "holdfast_lists_running", "gauge",
		  "Lists and searches that the database works on.", (double)q.running },
		{ "holdfast_lists_waiting", "gauge", "Lists and searches that wait for their turn.",
		  (double)q.waiting },
		{ "holdfast_lists_refused_total", "counter",
		  "Lists and searches refused because there were too many.", (double)q.refused },
		{ "holdfast_fibers", "gauge", "Requests and tasks in work.",
		  (double)fiber_alive(a->v->fibers) },
		{ "holdfast_connections", "gauge", "HTTPS connections.",
		  a->server ? server_connections(a->server) : 0 },
		{ "holdfast_forwarded_total", "counter",
		  "Requests that the primary answered through this standby.",
		  (double)forward_count(a->forward) },
		{ "holdfast_forwarding", "gauge", "Requests that are at the primary now.",
		  (double)forward_waiting(a->forward) },
		{ "holdfast_requests_total", "counter", "HTTPS requests.",
		  a->server ? (double)server_requests(a->server) : 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		add_metric(out, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
	add_certs(v, out);
	add_replies(a, out);
	add_state(out, v->state);
}
