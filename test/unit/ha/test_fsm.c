/* SPDX-License-Identifier: Apache-2.0
 *
 * Every state × every combination of observations: each flag both ways, each duration at, below and above its limit.
 * Names the invariants of ha/fsm.c (F1 … F12) and with them H1, H2, H4, H7, H10.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/home.h"
#include "ha/fsm.h"

static const struct fsm_limits limits = {
	.refused_ms = 600, .sync_timeout_ms = 2000, .settle_ms = 1000, .channel_ms = 10000
};

/* The i-th combination; false past the last. */
#define DURATIONS 3
static int64_t
duration(unsigned i, int64_t limit)
{
	return i == 0 ? 0 : i == 1 ? limit - 1 : limit;
}

static bool
take(unsigned *i)
{
	bool bit = *i & 1;
	*i >>= 1;
	return bit;
}

static unsigned
take3(unsigned *i)
{
	unsigned v = *i % DURATIONS;
	*i /= DURATIONS;
	return v;
}

enum {
#define X(name) FLAG_##name,
	FSM_FLAGS(X)
#undef X
		FLAGS
};
_Static_assert(FLAGS <= 24, "all combinations are counted in an unsigned");
#define COMBINATIONS ((1u << FLAGS) * 36u * 2u)

static int64_t
take_ok_for(unsigned *i)
{
	const int64_t at[] = { 0, limits.settle_ms - 1, limits.settle_ms, limits.channel_ms };
	int64_t v = at[*i % 4];

	*i /= 4;
	return v;
}

static struct fsm_obs
combination(unsigned i)
{
	return (struct fsm_obs)
	{
#define X(name) .name = take(&i),
		FSM_FLAGS(X)
#undef X
			.journal_rows = take(&i) ? 7 : 0,
	    .primary_ok_for_ms = take_ok_for(&i),
	    .primary_bad_for_ms = duration(take3(&i), limits.refused_ms),
	    .not_in_step_ms = duration(take3(&i), limits.sync_timeout_ms),
	};
}

/* The invariants, written anew and not read from the table. */
static void
check_edge(enum ha_state from, const struct fsm_obs *o, enum ha_state to)
{
	bool refuses = o->primary_bad_for_ms >= limits.refused_ms, silent = o->primary_silent;

	bool promotes = o->promote_ordered || (o->handed_over && from != HA_MERGING);

	if (to == HA_EMERGENCY && from == HA_FENCED) {
		assert_true(!o->is_secondary && !o->primary_ok && (refuses || silent)); /* F1, F7 */
	} else if (to == HA_EMERGENCY && from == HA_PROMOTING) {
		assert_true(o->is_secondary && o->promote_failed);
	} else if (to == HA_EMERGENCY && from != HA_EMERGENCY) {
		assert_true(o->is_secondary);
		if (!o->emergency_ordered) {
			assert_false(o->primary_ok);			      /* F1 */
			assert_true(from == HA_MERGING || refuses || silent); /* F2 */
		}
	}
	if (from == HA_STANDBY && o->is_secondary && !o->primary_ok && (refuses || silent))
		assert_int_equal(to,
				 promotes ? HA_PROMOTING : HA_EMERGENCY); /* F2, the other way */
	if (o->is_secondary && o->emergency_ordered && !promotes &&
	    (from == HA_STANDBY || from == HA_EMERGENCY || from == HA_MERGING || from == HA_RESEED))
		assert_int_equal(to, HA_EMERGENCY);   /* F10 */
	if (from == HA_EMERGENCY && to == HA_MERGING) /* F3 */
		assert_true(o->primary_ok && o->streaming &&
			    o->primary_ok_for_ms >= limits.settle_ms);
	else if (from == HA_EMERGENCY && o->is_secondary && o->primary_ok &&
		 !o->emergency_ordered && o->primary_ok_for_ms >= limits.channel_ms)
		assert_int_not_equal(to, from);
	if (from == HA_EMERGENCY && to != from && !o->is_secondary) {
		assert_true(
			(to == HA_FENCED && o->primary_ok &&
			 o->primary_ok_for_ms >= limits.settle_ms) ||
			(to == HA_ALONE && o->promote_ordered && !o->epoch_later_known)); /* F7 */
		return;
	}
	if (from == HA_EMERGENCY && to != from && to != HA_MERGING)
		assert_true(to == HA_PROMOTING || to == HA_RESEED ||
			    (to == HA_STANDBY && o->primary_ok && !o->streaming &&
			     o->primary_ok_for_ms >= limits.channel_ms));
	if (to == HA_PROMOTING && from != to) /* F8 */
		assert_true(o->is_secondary && promotes);
	if (to == HA_RESEED && from != to) /* F9 */
		assert_true(o->is_secondary && o->primary_ok && o->must_return);
	if (from == HA_RESEED && to == HA_STANDBY)
		assert_true(o->primary_ok && o->streaming && !o->must_return);
	if (to == HA_HANDING && from != to)
		assert_true(from == HA_SYNCED && o->handover_ordered && !o->is_secondary);
	if (from == HA_MERGING && to == HA_STANDBY) /* F4 */
		assert_true(o->primary_ok && o->journal_rows == 0);
	if (from == HA_MERGING && o->is_secondary && !o->primary_ok)
		assert_int_equal(to, o->promote_ordered ? HA_PROMOTING : HA_EMERGENCY);
	if (from == HA_SYNCED && to == HA_ALONE) /* F5 */
		assert_true(!o->in_step && o->not_in_step_ms >= limits.sync_timeout_ms);
	if (to == HA_SYNCED && from != HA_SYNCED) { /* F6 */
		assert_int_equal(from, HA_ALONE);
		assert_true(o->in_step && o->sync_on && o->streaming && !o->is_secondary);
	}
	if ((from == HA_SYNCED || from == HA_ALONE || from == HA_HANDING || from == HA_BEHIND ||
	     from == HA_DUPLICATE) &&
	    !o->is_secondary && o->epoch_later_known) /* F7 */
		assert_int_equal(to, HA_FENCED);
	/* A state that serves as a primary is never entered by a secondary, nor the other way round. */
	if (to != from && state_serves(to) == SERVES_EVERYONE)
		assert_false(o->is_secondary);
	if (to != from && (to == HA_STANDBY || to == HA_MERGING))
		assert_true(o->is_secondary);
	if ((from == HA_SYNCED || from == HA_ALONE || from == HA_BEHIND) && !o->is_secondary &&
	    o->behind && !o->epoch_later_known) /* F11 */
		assert_int_equal(to, HA_BEHIND);
	if (to == HA_BEHIND && from != to)
		assert_true(o->behind && !o->is_secondary);
	if ((from == HA_SYNCED || from == HA_ALONE || from == HA_HANDING) && !o->is_secondary &&
	    o->duplicate) /* F12 */
		assert_true(state_row(to)->writes != WRITES_DATABASE);
	if (to == HA_DUPLICATE && from != to)
		assert_true(o->duplicate && !o->is_secondary);
	if (from == HA_DUPLICATE && to != from) /* F12 */
		assert_true(o->epoch_later_known || (to == HA_ALONE && o->promote_ordered));
	/* Left by becoming a secondary, when the agent begins anew, or by an order that begins a later epoch. */
	if (from == HA_FENCED && to != from && to != HA_EMERGENCY)
		assert_true(to == HA_ALONE && o->promote_ordered && !o->epoch_later_known &&
			    !o->is_secondary); /* F7 */
}

static void
every_state_and_observation_keeps_the_invariants(void **ctx)
{
	for (int s = 0; s < HA_STATE_COUNT; s++) {
		for (unsigned i = 0; i < COMBINATIONS; i++) {
			struct fsm_obs o = combination(i);
			struct fsm_next n = fsm_step((enum ha_state)s, &o, &limits);

			assert_true((n.why != NULL) == (n.state != (enum ha_state)s));
			assert_true((unsigned)n.state < HA_STATE_COUNT);
			check_edge((enum ha_state)s, &o, n.state);
		}
	}
}

/* Each row of the table is reached by some observation: none is dead. */
static void
every_rule_fires(void **ctx)
{
	unsigned n, fired = 0;
	const struct fsm_rule *r = fsm_rules(&n);

	assert_true(n <= 32);
	for (int s = 0; s < HA_STATE_COUNT; s++) {
		for (unsigned i = 0; i < COMBINATIONS; i++) {
			struct fsm_obs o = combination(i);
			struct fsm_next next = fsm_step((enum ha_state)s, &o, &limits);

			for (unsigned k = 0; next.why && k < n; k++)
				fired |= (unsigned)(r[k].why == next.why) << k;
		}
	}
	assert_int_equal(fired, (1u << n) - 1);
}

/* Under an observation that does not change nobody runs in circles. */
static void
a_lasting_observation_comes_to_rest(void **ctx)
{
	for (int s = 0; s < HA_STATE_COUNT; s++) {
		for (unsigned i = 0; i < COMBINATIONS; i++) {
			struct fsm_obs o = combination(i);
			enum ha_state now = (enum ha_state)s;
			int steps = 0;

			/* What no reducer makes: well for a while, and at once bad for a while. */
			if (o.primary_ok && (o.primary_bad_for_ms || o.primary_silent))
				continue;
			/* An order is forgotten when it has failed, and names which of two programs goes on. */
			if ((o.handover_ordered && o.handover_over) ||
			    (o.promote_ordered && o.duplicate) ||
			    ((o.promote_ordered || o.handed_over) && o.promote_failed))
				continue;
			for (; steps < 8; steps++) {
				struct fsm_next n = fsm_step(now, &o, &limits);
				if (!n.why)
					break;
				now = n.state;
			}
			assert_true(steps < 8);
		}
	}
}

/* The restart of the primary's service, below half a second, is no emergency (H4). */
static void
a_short_refusal_is_no_emergency(void **ctx)
{
	struct fsm_obs o = { .is_secondary = true, .pair_exists = true, .local_db_up = true };

	for (o.primary_bad_for_ms = 0; o.primary_bad_for_ms < 600; o.primary_bad_for_ms += 50)
		assert_int_equal(fsm_step(HA_STANDBY, &o, &limits).state, HA_STANDBY);
	assert_int_equal(fsm_step(HA_STANDBY, &o, &limits).state, HA_EMERGENCY);
}

static void
write_row(const struct fsm_rule *r, struct buf *out)
{
	bool first = true;

	buf_adds(out, "| ");
	/* As drawn: synced before alone; there is one row with two. */
	for (int s = 0; s < HA_STATE_COUNT; s++) {
		if (!(r->from & (1u << s)))
			continue;
		buf_addf(out, "%s%s", first ? "" : ", ", state_name((enum ha_state)s));
		first = false;
	}
	buf_addf(out, " | `%s` | %s | %s |\n", r->when_name, state_name(r->to), r->why);
}

static void
the_page_draws_the_same_table(void **ctx)
{
	auto_buf page = BUF_INIT, rows = BUF_INIT;
	struct err e;
	unsigned n;
	const struct fsm_rule *r = fsm_rules(&n);

	assert_int_equal(home_read_file(SOURCE_ROOT "/docs/ha.md", 1u << 20, &page, &e), 0);
	for (unsigned i = 0; i < n; i++)
		write_row(&r[i], &rows);
	const char *at = strstr(buf_str(&page), "| from | when | to |");
	assert_non_null(at);
	at = strchr(strchr(at, '\n') + 1, '\n') + 1;
	const char *end = strstr(at, "\n\n");
	assert_non_null(end);
	if ((size_t)(end + 1 - at) != rows.len || memcmp(at, rows.data, rows.len) != 0)
		fail_msg("docs/ha.md should have these rows:\n%s", buf_str(&rows));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_and_observation_keeps_the_invariants),
		cmocka_unit_test(every_rule_fires),
		cmocka_unit_test(a_lasting_observation_comes_to_rest),
		cmocka_unit_test(a_short_refusal_is_no_emergency),
		cmocka_unit_test(the_page_draws_the_same_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
