/* SPDX-License-Identifier: Apache-2.0
 *
 * H9: Alive only when everything holds; each thing that does not hold is one reason, by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "base/home.h"
#include "base/statepage.h"
#include "ha/fsm.h"
#include "ha/status.h"

static void
make_well(struct status_view *v)
{
	*v = (struct status_view){ .state = HA_SYNCED, .both = true, .term = 1, .n = 2 };
	v->nodes[0] = (struct status_node){ .name = "a",
					    .self = true,
					    .primary = true,
					    .state = HA_SYNCED,
					    .service = STATUS_ACTIVE,
					    .database = STATUS_ACTIVE,
					    .lag_bytes = -1,
					    .journal_rows = 0 };
	v->nodes[1] = (struct status_node){ .name = "b",
					    .state = HA_STANDBY,
					    .service = STATUS_ACTIVE,
					    .database = STATUS_ACTIVE,
					    .stream_known = true,
					    .streaming = true,
					    .slot_known = true,
					    .slot_status = "reserved",
					    .journal_rows = 0,
					    .skew_known = true,
					    .skew_us = 59000000 };
}

static void
alive_when_all_is_well(void **ctx)
{
	struct status_view v;

	make_well(&v);
	assert_true(status_alive(&v));
	v.n = 1;
	assert_false(status_alive(&v));
}

#define BREAK(reason, node, change)                                                                \
	do {                                                                                       \
		struct status_view v;                                                              \
		make_well(&v);                                                                     \
		change;                                                                            \
		assert_false(status_alive(&v));                                                    \
		assert_int_equal(status_node_reasons(&v, (node)), 1ull << STATUS_##reason);        \
		assert_int_equal(status_node_reasons(&v, 1 - (node)), 0);                          \
	} while (0)

static void
each_fault_is_its_own_reason(void **ctx)
{
	BREAK(SERVICE_DOWN, 0, v.nodes[0].service = STATUS_INACTIVE);
	BREAK(SERVICE_DOWN, 1, v.nodes[1].service = STATUS_UNKNOWN);
	BREAK(SERVICE_CANNOT, 1, v.nodes[1].service_cannot = true);
	BREAK(CERT_UNTRUSTED, 1, v.nodes[1].untrusted = true);
	BREAK(WEB_CERT_EXPIRED, 1, (v.now_us = 9, v.nodes[1].certs[CERTLIFE_WEB].to_us = 9));
	BREAK(CHANNEL_CERT_EXPIRED, 1,
	      (v.now_us = 9, v.nodes[1].certs[CERTLIFE_CHANNEL].to_us = 9));
	BREAK(AUTHORITY_EXPIRED, 0, (v.now_us = 9, v.nodes[0].certs[CERTLIFE_AUTHORITY].to_us = 9));
	BREAK(CERT_ENDS, 0,
	      (v.now_us = 9, v.nodes[0].certs[CERTLIFE_WEB] = (struct certlife){ -100, 10 }));
	BREAK(NAME_UNKNOWN, 1, v.nodes[1].name_unknown = true);
	BREAK(DATABASE_DOWN, 0, v.nodes[0].database = STATUS_UNKNOWN);
	BREAK(DATABASE_DOWN, 1, v.nodes[1].database = STATUS_INACTIVE);
	BREAK(NOT_STREAMING, 1, v.nodes[1].streaming = false);
	BREAK(OUT_OF_STEP, 1, v.both = false);
	BREAK(PRIMARY_ALONE, 0, v.nodes[0].state = HA_ALONE);
	BREAK(SLOT_LOST, 1, strcpy(v.nodes[1].slot_status, "lost"));
	BREAK(SLOT_LOST, 1, strcpy(v.nodes[1].slot_status, "missing"));
	BREAK(SLOT_SOON_LOST, 1, strcpy(v.nodes[1].slot_status, "unreserved"));
	BREAK(JOURNAL_WAITS, 1, v.nodes[1].journal_rows = 1);
	BREAK(JOURNAL_WAITS, 0, v.inbox_rows = 1);
	BREAK(UPGRADE_WAITS, 1, (v.nodes[1].schema = 8, v.nodes[1].schema_known = 13));
	BREAK(JOURNAL_UNREADABLE, 0, v.nodes[0].journal_unreadable = true);
	BREAK(JOURNAL_UNREADABLE, 1, v.nodes[1].journal_unreadable = true);
	BREAK(DATA_DAMAGED, 0, v.nodes[0].data_damaged = true);
	BREAK(DATA_DAMAGED, 1, v.nodes[1].data_damaged = true);
	BREAK(JOURNAL_DIVERGED, 0, v.journal_diverged = true);
	BREAK(MERGE_REFUSED, 0, v.merge_refused = true);
	BREAK(REMOVED, 0, v.removed = true);
	BREAK(WITHOUT_EFFECT, 0, strcpy(v.without_effect, "events 1 to 2 of b: why"));
	BREAK(CHAIN_SHRUNK, 0, v.chain_shrunk = true);
	BREAK(CHAIN_FORKED, 0, v.chain_forked = true);
	BREAK(CLOCK_SKEW, 1, v.nodes[1].skew_us = 60000001);
	BREAK(CLOCK_SKEW, 1, v.nodes[1].skew_us = -60000001);
	BREAK(EMERGENCY, 1, v.nodes[1].state = HA_EMERGENCY);
	BREAK(TOO_OLD, 0, v.too_old = true);
	BREAK(MERGING, 1, v.nodes[1].state = HA_MERGING);
	BREAK(FENCED, 0, v.nodes[0].state = HA_FENCED);
	BREAK(DUPLICATE, 0, v.nodes[0].state = HA_DUPLICATE);
	BREAK(DUPLICATE, 1, v.nodes[1].duplicate = true);
	BREAK(TWO_PRIMARIES, 1,
	      (v.nodes[0].reigns = v.nodes[1].reigns = true,
	       v.nodes[0].epoch = (struct epoch){ 3, { { 1 } } },
	       v.nodes[1].epoch = (struct epoch){ 2, { { 2 } } }));
	BREAK(TWO_PRIMARIES, 0,
	      (v.nodes[0].reigns = v.nodes[1].reigns = true,
	       v.nodes[0].epoch = (struct epoch){ 2, { { 1 } } },
	       v.nodes[1].epoch = (struct epoch){ 2, { { 2 } } }));
	BREAK(COPY_FAILED, 0, strcpy(v.nodes[0].copy_failure, "no room"));
	BREAK(HISTORY_BEHIND, 0, v.nodes[0].state = HA_BEHIND);
	BREAK(HISTORY_BEHIND, 1, v.nodes[1].history_behind = true);
	BREAK(HISTORY_UNCONFIRMED, 0, v.unconfirmed = true);
	BREAK(OUT_OF_STEP, 1, v.nodes[1].late = true);
	BREAK(AWAY, 1, v.nodes[1].state = HA_PROMOTING);
}

static void
the_text_is_json_and_says_it(void **ctx)
{
	struct status_view v;
	auto_buf out = BUF_INIT;
	json_error_t why;

	make_well(&v);
	v.nodes[1].untrusted = true;
	strcpy(v.nodes[1].service_why, "signed by \"x\"");
	status_render(&v, &out);
	json_t *o = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, &why);
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "status")), "Failed");
	assert_string_equal(json_string_value(json_object_get(o, "reason")),
			    "the web certificate of b is not trusted here");
	json_t *r = json_array_get(json_object_get(o, "reasons"), 0);
	assert_string_equal(json_string_value(json_object_get(r, "code")), "cert_untrusted");
	assert_string_equal(json_string_value(json_object_get(r, "node")), "b");
	assert_string_equal(json_string_value(json_object_get(r, "detail")), "signed by \"x\"");
	assert_non_null(strstr(json_string_value(json_object_get(r, "todo")), "cert import"));
	assert_int_equal(json_array_size(json_object_get(o, "nodes")), 2);
	json_decref(o);
}

/* H10: of two that serve the status says which is the true one, whoever asks. */
static void
two_primaries_are_told_apart(void **ctx)
{
	struct status_view v;
	struct status_words w;

	make_well(&v);
	v.nodes[1].reigns = true; /* one alone is as it should be */
	assert_true(status_alive(&v));
	v.nodes[0].reigns = true;
	v.nodes[0].epoch = (struct epoch){ 4, { { 9 } } };
	v.nodes[1].epoch = (struct epoch){ 5, { { 1 } } };
	status_say(&v, 0, STATUS_TWO_PRIMARIES, &w);
	assert_string_equal(w.code, "two_primaries");
	assert_string_equal(w.text,
			    "there are two primaries: a serves as one and is not the true one");
	assert_string_equal(w.detail, "b is the true primary, of epoch 5; a is of epoch 4");
	v.nodes[0].epoch.counter = 5;
	status_say(&v, 1, STATUS_TWO_PRIMARIES, &w);
	assert_string_equal(w.detail, "a is the true primary, of epoch 5; b is of epoch 5, and its "
				      "id is the lower one");
}

/* H9: a certificate that ends in weeks is a warning, and the pair is Alive. */
static void
an_end_that_is_near_is_a_warning(void **ctx)
{
	const int64_t day = 86400ll * 1000000;
	struct status_view v;
	auto_buf out = BUF_INIT;
	json_error_t why;

	make_well(&v);
	v.now_us = 20000 * day;
	v.nodes[1].certs[CERTLIFE_CHANNEL] =
		(struct certlife){ v.now_us - 300 * day, v.now_us + 20 * day };
	assert_true(status_alive(&v));
	status_render(&v, &out);
	json_t *o = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, &why);
	assert_string_equal(json_string_value(json_object_get(o, "status")), "Alive");
	json_t *w = json_array_get(json_object_get(o, "warnings"), 0);
	assert_string_equal(json_string_value(json_object_get(w, "node")), "b");
	assert_string_equal(json_string_value(json_object_get(w, "text")),
			    "the channel certificate ends on 2024-10-24, in 20 days");
	assert_non_null(strstr(json_string_value(json_object_get(w, "todo")), "--channel"));
	assert_int_equal(json_array_size(json_object_get(o, "warnings")), 1);
	json_decref(o);
}

/* An operator's order is told apart from a lost primary, by whoever sees the node. */
static void
an_ordered_emergency_says_so(void **ctx)
{
	for (int ordered = 0; ordered < 2; ordered++) {
		struct status_view v;
		struct status_words s;

		make_well(&v);
		v.nodes[1].state = HA_EMERGENCY;
		v.nodes[1].ordered = ordered;
		status_say(&v, 1, STATUS_EMERGENCY, &s);
		assert_string_equal(s.code, "emergency");
		assert_string_equal(s.detail, ordered ? "an operator ordered it" : "");
		assert_non_null(strstr(s.todo, "holdfast ha emergency off"));
	}
}

/* Primary `a` and secondary `b`, as `self` (0 a, 1 b) sees them. */
static void
see_from(struct status_view *v, int self)
{
	make_well(v);
	if (!self)
		return;
	struct status_node a = v->nodes[0];
	v->nodes[0] = v->nodes[1];
	v->nodes[1] = a;
	v->nodes[0].self = true;
	v->nodes[1].self = false;
}

/* "code<cause code" of each reason in turn, with a blank between. */
static void
order_of(const struct status_view *v, char *ret, size_t room)
{
	auto_buf out = BUF_INIT, all = BUF_INIT;
	json_error_t why;
	size_t i;
	json_t *r;

	status_render(v, &out);
	json_t *o = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, &why);
	assert_non_null(o);
	json_array_foreach(json_object_get(o, "reasons"), i, r)
	{
		const char *from = json_string_value(json_object_get(r, "follows_from"));

		assert_non_null(json_object_get(r, "follows_from"));
		buf_addf(&all, "%s%s%s%s", i ? " " : "",
			 json_string_value(json_object_get(r, "code")), from ? "<" : "",
			 from ? from : "");
	}
	json_t *first = json_array_get(json_object_get(o, "reasons"), 0);
	assert_string_equal(json_string_value(json_object_get(o, "reason")),
			    json_string_value(json_object_get(first, "text")));
	snprintf(ret, room, "%s", buf_str(&all));
	json_decref(o);
}

static void
the_cause_comes_first(void **ctx)
{
	struct status_view v;
	char got[512];

	see_from(&v, 1); /* the primary's machine is gone */
	v.state = v.nodes[0].state = HA_EMERGENCY;
	v.nodes[0].streaming = false;
	v.nodes[0].journal_rows = 3;
	v.nodes[1].service = STATUS_INACTIVE;
	order_of(&v, got, sizeof(got));
	assert_string_equal(got,
			    "service_down not_streaming<service_down journal_waits<service_down "
			    "emergency<service_down");
	v.too_old = true; /* waits for somebody's word: not hidden under another */
	order_of(&v, got, sizeof(got));
	assert_non_null(strstr(got, "too_old"));
	assert_null(strstr(got, "too_old<"));

	see_from(&v, 0); /* the secondary's */
	v.state = v.nodes[0].state = HA_ALONE;
	v.nodes[1].streaming = false;
	v.nodes[1].service = STATUS_INACTIVE;
	order_of(&v, got, sizeof(got));
	assert_string_equal(got,
			    "service_down primary_alone<service_down not_streaming<service_down");

	see_from(&v, 0); /* its slot is lost, through nobody's fall */
	v.state = v.nodes[0].state = HA_ALONE;
	v.nodes[1].streaming = false;
	strcpy(v.nodes[1].slot_status, "lost");
	order_of(&v, got, sizeof(got));
	assert_string_equal(got, "slot_lost primary_alone<slot_lost not_streaming<slot_lost");

	see_from(&v, 1); /* its own database is damaged */
	v.nodes[0].data_damaged = true;
	v.nodes[0].service_cannot = true;
	v.nodes[0].database = STATUS_INACTIVE;
	v.nodes[0].streaming = false;
	order_of(&v, got, sizeof(got));
	assert_string_equal(got, "data_damaged service_cannot<data_damaged "
				 "database_down<data_damaged not_streaming<data_damaged");

	see_from(&v, 0); /* what the authority signed has ended with it, on each node */
	v.now_us = 9;
	v.state = v.nodes[0].state = HA_ALONE;
	v.nodes[1].streaming = false;
	v.nodes[0].certs[CERTLIFE_AUTHORITY].to_us = v.nodes[0].certs[CERTLIFE_CHANNEL].to_us = 9;
	v.nodes[1].certs[CERTLIFE_WEB].to_us = v.nodes[1].certs[CERTLIFE_CHANNEL].to_us = 9;
	order_of(&v, got, sizeof(got));
	assert_string_equal(
		got, "authority_expired channel_cert_expired<authority_expired "
		     "primary_alone<authority_expired web_cert_expired<authority_expired "
		     "channel_cert_expired<authority_expired not_streaming<authority_expired");

	see_from(&v, 1); /* by order, while the primary is gone too: two causes */
	v.state = v.nodes[0].state = HA_EMERGENCY;
	v.nodes[0].ordered = true;
	v.nodes[1].service = STATUS_INACTIVE;
	order_of(&v, got, sizeof(got));
	assert_string_equal(got, "emergency service_down");

	see_from(&v, 1); /* what has nothing to do with it stays a cause */
	v.nodes[1].service = STATUS_INACTIVE;
	v.nodes[1].skew_us = 99000000;
	v.nodes[1].skew_known = true;
	v.nodes[0].streaming = false;
	order_of(&v, got, sizeof(got));
	assert_string_equal(got, "service_down not_streaming<service_down clock_skew");
}

/* Nothing explains itself, however it goes round: there is always a cause to begin with. */
static void
explanations_do_not_go_round(void **ctx)
{
	uint64_t from[STATUS_REASON_COUNT] = { 0 }, effects;
	enum status_reason cause;

	for (unsigned k = 0; status_explains(k, &cause, &effects); k++)
		from[cause] |= effects;
	for (unsigned length = 0; length < STATUS_REASON_COUNT; length++)
		for (unsigned r = 0; r < STATUS_REASON_COUNT; r++)
			for (unsigned s = 0; s < STATUS_REASON_COUNT; s++)
				if (from[r] & (1ull << s))
					from[r] |= from[s];
	for (unsigned r = 0; r < STATUS_REASON_COUNT; r++)
		if (from[r] & (1ull << r))
			fail_msg("%s explains itself", status_reason_code((enum status_reason)r));
}

/* Words of the settings file are no words for people. */
static void
no_sentence_names_a_setting(void **ctx)
{
	static const char *const settings[] = {
#define SETTING(field, kind, when, def, min, max, help) #field,
#include "base/settings.def"
#undef SETTING
	};
	unsigned n = 0;
	const struct fsm_rule *rules = fsm_rules(&n);

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		if (!strchr(settings[i], '_'))
			continue; /* "name" and "standby" are words too */
		for (unsigned k = 0; k < n; k++)
			assert_null(strstr(rules[k].why, settings[i]));
		for (unsigned r = 0; r < STATUS_REASON_COUNT; r++)
			assert_null(strstr(status_reason_text((enum status_reason)r), settings[i]));
	}
}

/* Everything wrong everywhere, with the longest names: still one whole text in the page. */
static void
the_worst_still_fits_the_page(void **ctx)
{
	struct status_view v;
	auto_buf out = BUF_INIT;
	json_error_t why;

	make_well(&v);
	v.n = STATUS_NODES_MAX;
	for (unsigned i = 0; i < v.n; i++) {
		struct status_node *n = &v.nodes[i];

		if (i > 1)
			*n = v.nodes[1];
		memset(n->name, 'n', 253);
		memset(n->service_why, 'w', 200);
		n->service_cannot = true;
		n->journal_rows = 99999;
		n->skew_us = 1000000000;
		n->streaming = false;
		n->state = HA_EMERGENCY;
		strcpy(n->slot_status, "lost");
	}
	memset(v.trouble, 't', 200);
	v.journal_diverged = v.merge_refused = v.nodes[0].journal_unreadable = true;
	v.chain_shrunk = v.chain_forked = true;
	status_render(&v, &out);
	assert_true(out.len < STATEPAGE_STATUS_MAX);
	json_t *o = json_loadb(out.data, out.len, 0, &why);
	assert_non_null(o);
	json_decref(o);
}

/* NAME in the page stands for the node. */
static void
write_row(enum status_reason r, struct buf *out)
{
	const char *text = status_reason_text(r), *at = strstr(text, "%s");

	buf_adds(out, "| `");
	for (const char *p = status_reason_code(r); *p; p++)
		buf_addc(out, (char)tolower((unsigned char)*p));
	assert_non_null(at);
	buf_addf(out, "` | %.*sNAME%s | %s |\n", (int)(at - text), text, at + 2,
		 status_reason_todo(r));
}

static void
the_page_lists_the_same_reasons(void **ctx)
{
	auto_buf page = BUF_INIT, rows = BUF_INIT;
	struct err e;

	assert_int_equal(home_read_file(SOURCE_ROOT "/docs/ha.md", 1u << 20, &page, &e), 0);
	for (unsigned r = 0; r < STATUS_REASON_COUNT; r++)
		write_row((enum status_reason)r, &rows);
	if (!strstr(buf_str(&page), buf_str(&rows)))
		fail_msg("docs/ha.md should have these rows:\n%s", buf_str(&rows));
}

static json_t *
read_statepage(const struct statepage_view *page, int64_t now)
{
	auto_buf out = BUF_INIT;
	json_error_t e;
	status_read(page, now, &out);
	return json_loads(buf_str(&out), 0, &e);
}

/* What was written before the agent fell silent is never told again (H9). */
static void
an_old_text_is_not_told(void **ctx)
{
	static struct statepage_view page = { .status = PAIR_ALIVE,
					      .status_json = "{\"status\":\"Alive\"}" };
	static const struct {
		int64_t beat, now;
		const char *status, *code;
	} rows[] = {
		{ 1000, 1000 + STATEPAGE_BEAT_MAX_MS, "Alive", NULL },
		{ 1000, 1001 + STATEPAGE_BEAT_MAX_MS, "Failed", "agent_silent" },
		{ 1000, 999, "Failed", "agent_silent" }, /* of another boot */
		{ 0, 100, "Failed", "starting" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		page.beat_mono_ms = rows[i].beat;
		json_t *o = read_statepage(&page, rows[i].now);
		assert_non_null(o);
		assert_string_equal(json_string_value(json_object_get(o, "status")),
				    rows[i].status);
		json_t *first = json_array_get(json_object_get(o, "reasons"), 0);
		if (rows[i].code)
			assert_string_equal(json_string_value(json_object_get(first, "code")),
					    rows[i].code);
		else
			assert_null(first);
		json_decref(o);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alive_when_all_is_well),
		cmocka_unit_test(each_fault_is_its_own_reason),
		cmocka_unit_test(the_text_is_json_and_says_it),
		cmocka_unit_test(two_primaries_are_told_apart),
		cmocka_unit_test(an_end_that_is_near_is_a_warning),
		cmocka_unit_test(an_ordered_emergency_says_so),
		cmocka_unit_test(the_cause_comes_first),
		cmocka_unit_test(explanations_do_not_go_round),
		cmocka_unit_test(no_sentence_names_a_setting),
		cmocka_unit_test(the_worst_still_fits_the_page),
		cmocka_unit_test(the_page_lists_the_same_reasons),
		cmocka_unit_test(an_old_text_is_not_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
