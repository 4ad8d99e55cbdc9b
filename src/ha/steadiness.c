/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/steadiness.h"

void
steadiness_note(struct steadiness *s, bool in_step, int64_t now_ms)
{
	if (!in_step)
		s->in_step_ms = 0;
	else if (!s->in_step_ms)
		s->in_step_ms = now_ms;
}

void
steadiness_relapse(struct steadiness *s, int64_t now_ms)
{
	if (!s->relapsed_ms || now_ms - s->relapsed_ms >= STEADINESS_FORGET_MS)
		s->relapses = 0;
	s->relapses++;
	s->relapsed_ms = now_ms;
	s->in_step_ms = 0;
}

int64_t
steadiness_wanted(const struct steadiness *s, int64_t base_ms)
{
	int64_t wanted = s->relapses ? base_ms : 0;

	for (unsigned i = 1; i < s->relapses && wanted < STEADINESS_MAX_MS; i++)
		wanted *= 2;
	return wanted < STEADINESS_MAX_MS ? wanted : STEADINESS_MAX_MS;
}

bool
steadiness_reached(const struct steadiness *s, int64_t base_ms, int64_t now_ms)
{
	return s->in_step_ms && now_ms - s->in_step_ms >= steadiness_wanted(s, base_ms);
}
