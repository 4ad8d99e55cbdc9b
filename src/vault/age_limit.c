/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/age_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "ledger/event_body.h"

static bool
is_outage(enum ha_state s)
{
	return state_row(s)->outage != OUTAGE_OVER;
}

void
age_limit_on_state(struct vault *v, enum ha_state now)
{
	if (!is_outage(now))
		v->unlocked = false;
}

/* An event without a readable state ends it too: closed is the safe side. */
static void
follow_state(struct vault *v, const struct event *ev, const char *field)
{
	auto_buf state = BUF_INIT;

	if (event_body_get(ev->body, field, &state) || !is_outage(state_by_name(buf_str(&state))))
		v->unlocked = false;
}

void
age_limit_on_event(struct vault *v, const struct event *ev)
{
	if (!uuid_eq(&ev->node, &v->node))
		return;
	if (ev->kind == EVENT_EMERGENCY_UNLOCKED)
		v->unlocked = true;
	else if (ev->kind == EVENT_HA_STATE)
		follow_state(v, ev, "to");
	else if (ev->kind == EVENT_NODE_STARTED)
		follow_state(v, ev, "state");
}

static int64_t
as_of(const struct vault *v)
{
	struct statepage_view *p = mem_raw(sizeof(*p));

	statepage_read(v->statepage, p);
	int64_t us = p->as_of_us;
	free(p);
	return us;
}

/* "26 h", "90 min", "5 s": rounded down. */
static void
write_span(int64_t ms, char *ret, size_t room)
{
	int64_t s = ms / 1000;

	if (s >= 7200)
		snprintf(ret, room, "%lld h", (long long)(s / 3600));
	else if (s >= 120)
		snprintf(ret, room, "%lld min", (long long)(s / 60));
	else
		snprintf(ret, room, "%lld s", (long long)s);
}

int
age_limit_check(struct vault *v, struct err *e)
{
	int64_t limit = v->settings->max_emergency_age, at;
	char known[CLOCK_ISO_LEN] = "an unknown time", span[32];

	if (limit == 0 || v->unlocked || vault_serves(v) != SERVES_EMERGENCY)
		return 0;
	at = as_of(v);
	if (at && clock_now_us() - at <= limit * 1000)
		return 0;
	if (at)
		clock_iso(at, known);
	write_span(limit, span, sizeof(span));
	return err_set(e, ERR_EMERGENCY_TOO_OLD,
		       "nothing is given out here: the data is as of %s, and max_emergency_age is "
		       "%s. Bring the primary back, or let an administrator log in at this node "
		       "and run `holdfast ha unlock`",
		       known, span);
}

static int
check_unlock(const struct vault *v, struct err *e)
{
	if (v->settings->max_emergency_age == 0)
		return err_set(e, ERR_REFUSED,
			       "max_emergency_age is not set here: nothing is locked");
	return 0;
}

int
age_limit_unlock(struct call *c, const char *reason, struct json_out *out, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct json_out w;
	int rc = check_unlock(c->v, e);

	if (rc)
		return rc;
	int64_t at = as_of(c->v);
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "user", c->who.name);
	json_out_time(&w, "as_of", at);
	json_out_int(&w, "limit_ms", c->v->settings->max_emergency_age);
	if (reason)
		json_out_text(&w, "reason", reason);
	json_out_end_object(&w);
	rc = vault_append(c, EVENT_EMERGENCY_UNLOCKED, &c->v->node, buf_str(&body), e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_bool(out, "unlocked", true);
	json_out_time(out, "as_of", at);
	json_out_int(out, "max_emergency_age", c->v->settings->max_emergency_age);
	json_out_end_object(out);
	return 0;
}
