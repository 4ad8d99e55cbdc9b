/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/replication_impl.h"

#include <string.h>

void
replication_step_init(struct replication_step *s, int64_t now_ms)
{
	*s = (struct replication_step){ .in_step_ms = now_ms };
}

/* When the ring is full the newest sample takes the LSN in and keeps its earlier time: later, never
 * sooner. */
static void
add_sample(struct replication_step *s, int64_t now_ms, int64_t lsn)
{
	unsigned i = (s->first + s->n) % REPLICATION_SAMPLES;

	if (s->n == REPLICATION_SAMPLES) {
		s->sample[(s->first + s->n - 1) % REPLICATION_SAMPLES].lsn = lsn;
		return;
	}
	s->sample[i].at_ms = now_ms;
	s->sample[i].lsn = lsn;
	s->n++;
}

void
replication_step_note(struct replication_step *s, int64_t now_ms, int64_t lsn, int64_t flushed)
{
	if (lsn > s->lsn) {
		add_sample(s, now_ms, lsn);
		s->lsn = lsn;
	}
	s->streams = flushed >= 0;
	s->reached = s->reached && s->streams;
	if (!s->streams)
		return;
	s->flushed = flushed;
	while (s->n && s->sample[s->first].lsn <= s->flushed) {
		s->first = (s->first + 1) % REPLICATION_SAMPLES;
		s->n--;
		s->reached = true;
	}
	if (s->n)
		return;
	s->in_step_ms = now_ms;
	s->reached = true;
}

bool
replication_step_in(const struct replication_step *s, int64_t now_ms, int64_t timeout_ms)
{
	return s->streams && s->reached && replication_step_late(s, now_ms) < timeout_ms;
}

int64_t
replication_step_late(const struct replication_step *s, int64_t now_ms)
{
	int64_t late = s->n ? now_ms - s->sample[s->first].at_ms : 0;
	int64_t away = s->streams ? 0 : now_ms - s->in_step_ms;

	return late > away ? late : away;
}

bool
replication_is_proven(const struct replication_view *v, const struct replication_standby *s)
{
	for (unsigned i = 0; i < v->proofs_n; i++) {
		if (strcmp(v->proofs[i].name, s->name) == 0 && v->proofs[i].pid == s->pid)
			return strcmp(s->state, "streaming") == 0 && s->flush_lsn <= v->lsn;
	}
	return false;
}

int64_t
replication_best_flush(const struct replication_view *v)
{
	int64_t best = -1;

	for (unsigned i = 0; i < v->standbys_n; i++) {
		const struct replication_standby *s = &v->standbys[i];

		if (replication_is_proven(v, s) && s->flush_lsn > best)
			best = s->flush_lsn;
	}
	return best;
}
