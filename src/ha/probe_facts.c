/* SPDX-License-Identifier: Apache-2.0
 *
 * Reduces what was heard of another node to facts: pure functions.
 */
#include "ha/probe.h"

#include <jansson.h>
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"

#define FAST_MS 100	    /* how often a node that refuses is asked */
#define SHORT_MS 1000	    /* enough for a handshake on a short line */
#define UNKEPT_MIN_MS 3000  /* a handshake on a slow and lossy line takes its time */
#define UNKEPT_EXTRA_MS 500 /* the second attempt begins this much later at most */

/* ---- what a body says ---- */

static int
take_text(const json_t *o, const char *name, char *ret, size_t room, struct err *e)
{
	const json_t *v = json_object_get(o, name);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v) || json_string_length(v) >= room)
		return err_set(e, ERR_BAD_FIELD,
			       "the health answer's %s is no text below %zu bytes", name, room);
	memcpy(ret, json_string_value(v), json_string_length(v));
	ret[json_string_length(v)] = '\0';
	return 0;
}

static int
take_number(const json_t *o, const char *name, int64_t *ret, struct err *e)
{
	const json_t *v = json_object_get(o, name);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return err_set(e, ERR_BAD_FIELD, "the health answer's %s is no whole number", name);
	*ret = json_integer_value(v);
	return 0;
}

static int
take_time(const json_t *o, const char *name, int64_t *ret, struct err *e)
{
	char text[CLOCK_ISO_LEN] = "";
	int r = take_text(o, name, text, sizeof(text), e);

	if (r || !text[0])
		return r;
	if (clock_parse_iso(text, ret))
		return err_set(e, ERR_BAD_FIELD, "the health answer's %s is no time", name);
	return 0;
}

static int
take_claim(const json_t *o, const char *name, const char *proof_name, struct epoch_claim *ret,
	   struct err *e)
{
	char epoch[EPOCH_TEXT_MAX] = "", proof[EPOCH_PROOF_TEXT_MAX] = "";
	int r = take_text(o, name, epoch, sizeof(epoch), e);

	if (!r)
		r = take_text(o, proof_name, proof, sizeof(proof), e);
	return r || !epoch[0] ? r : epoch_claim_parse(epoch, proof, ret, e);
}

/* More of them than there can be are no list of nodes. */
static void
take_members(const json_t *o, struct probe_reply *ret)
{
	const json_t *list = json_object_get(o, "members"), *one;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > PROBE_MEMBERS_MAX)
		return;
	json_array_foreach((json_t *)(uintptr_t)list, i, one)
	{
		const char *id = json_string_value(one);

		if (!id || strlen(id) >= sizeof(ret->members[0])) {
			ret->members_n = 0;
			return;
		}
		text_copy(ret->members[ret->members_n++], sizeof(ret->members[0]), id);
	}
}

static int
take_fields(const json_t *o, struct probe_reply *ret, struct err *e)
{
	int r = take_text(o, "node", ret->node, sizeof(ret->node), e);

	if (!r)
		r = take_text(o, "node_id", ret->node_id, sizeof(ret->node_id), e);
	if (!r)
		r = take_text(o, "mode", ret->mode, sizeof(ret->mode), e);
	if (!r)
		r = take_text(o, "state", ret->state, sizeof(ret->state), e);
	if (!r)
		r = take_text(o, "why", ret->why, sizeof(ret->why), e);
	if (!r)
		r = take_text(o, "version", ret->version, sizeof(ret->version), e);
	if (!r)
		r = take_text(o, "duplicate", ret->duplicate, sizeof(ret->duplicate), e);
	if (!r)
		r = take_text(o, "run", ret->run, sizeof(ret->run), e);
	if (!r)
		r = take_number(o, "schema", &ret->schema, e);
	if (!r)
		r = take_number(o, "schema_known", &ret->schema_known, e);
	if (!r)
		r = take_time(o, "time", &ret->time_us, e);
	if (!r)
		r = take_number(o, "term", &ret->term, e);
	if (!r)
		r = take_claim(o, "epoch", "epoch_proof", &ret->epoch, e);
	if (!r)
		r = take_claim(o, "told", "told_proof", &ret->told, e);
	if (!r)
		r = take_number(o, "journal", &ret->journal_rows, e);
	if (!r)
		r = take_time(o, "as_of", &ret->as_of_us, e);
	if (!r)
		r = take_time(o, "channel_from", &ret->channel.from_us, e);
	if (!r)
		r = take_time(o, "channel_until", &ret->channel.to_us, e);
	if (!r)
		r = take_number(o, "pair_port", &ret->pair_port, e);
	if (!r)
		r = take_number(o, "as_of_term", &ret->as_of_term, e);
	take_members(o, ret);
	ret->synced = json_is_true(json_object_get(o, "synced"));
	ret->ordered = json_is_true(json_object_get(o, "ordered"));
	ret->data_damaged = json_is_true(json_object_get(o, "data_damaged"));
	ret->journal_unreadable = json_is_true(json_object_get(o, "journal_unreadable"));
	return r;
}

static json_t *
load_object(const char *text, size_t n, struct err *e)
{
	json_error_t why;

	if (n > PROBE_BODY_MAX) {
		err_set(e, ERR_TOO_LARGE, "the health answer is longer than %d bytes",
			PROBE_BODY_MAX);
		return NULL;
	}
	json_t *o = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
	if (json_is_object(o))
		return o;
	json_decref(o);
	err_set(e, ERR_BAD_JSON, "the health answer is no JSON object");
	return NULL;
}

int
probe_parse(const char *text, size_t n, struct probe_reply *ret, struct err *e)
{
	json_t *o = load_object(text, n, e);
	struct probe_reply reply = { 0 };

	if (!o)
		return e->code;
	int r = take_fields(o, &reply, e);
	json_decref(o);
	if (!r)
		*ret = reply;
	return r;
}

void
probe_parse_claim(const char *text, size_t n, struct epoch_claim *ret)
{
	struct epoch_claim c = { 0 };
	struct err ignored = { 0 };
	json_t *o = load_object(text, n, &ignored);

	if (!o || take_claim(o, "epoch", "epoch_proof", &c, &ignored) || !epoch_has_proof(&c))
		c = (struct epoch_claim){ 0 };
	json_decref(o);
	*ret = c;
}

/* ---- facts over time ---- */

/* An unknown certificate is no answer either: nobody has proven to be the primary. It so counts as silence, which leaves
 * a renewed certificate detect_ms to arrive through the log. */
static bool
is_answer(enum probe_outcome o)
{
	return o == PROBE_OK || o == PROBE_STANDBY || o == PROBE_CANNOT || o == PROBE_REFUSED;
}

void
probe_ask(struct probe_sense *s, bool kept, int64_t now_ms)
{
	if (s->unanswered_ms)
		return;
	s->unanswered_ms = now_ms;
	s->kept = kept;
}

bool
probe_note(struct probe_sense *s, enum probe_outcome outcome, bool serves, int64_t asked_ms,
	   int64_t now_ms)
{
	bool ok = outcome == PROBE_OK && serves;

	if (asked_ms < s->answered_ms)
		return false;
	s->last = outcome;
	if (is_answer(outcome)) {
		s->answer_ms = now_ms;
		s->answered_ms = asked_ms;
		s->unanswered_ms = 0;
	}
	if (ok && !s->ok)
		s->ok_since_ms = now_ms;
	s->ok = ok;
	if (ok)
		s->bad_since_ms = 0;
	else if (is_answer(outcome) && !s->bad_since_ms)
		s->bad_since_ms = now_ms;
	return true;
}

void
probe_begin_anew(struct probe_sense *s, int64_t now_ms)
{
	if (s->unanswered_ms) {
		s->unanswered_ms = now_ms;
		s->kept = false;
	}
	if (s->bad_since_ms)
		s->bad_since_ms = now_ms;
	if (s->ok)
		s->ok_since_ms = now_ms;
}

int64_t
probe_ok_for(const struct probe_sense *s, int64_t now_ms)
{
	return s->ok ? now_ms - s->ok_since_ms : 0;
}

int64_t
probe_bad_for(const struct probe_sense *s, int64_t now_ms)
{
	return s->bad_since_ms ? now_ms - s->bad_since_ms : 0;
}

static int64_t
unkept_ms(int64_t detect_ms)
{
	return detect_ms > UNKEPT_MIN_MS ? detect_ms : UNKEPT_MIN_MS;
}

bool
probe_is_silent(const struct probe_sense *s, int64_t detect_ms, int64_t now_ms)
{
	int64_t limit = s->kept ? detect_ms : unkept_ms(detect_ms) + UNKEPT_EXTRA_MS;

	return s->unanswered_ms && now_ms - s->unanswered_ms >= limit;
}

int64_t
probe_patience(int64_t detect_ms, bool kept, bool helps, bool silent)
{
	if (kept)
		return detect_ms;
	return helps && silent ? SHORT_MS : unkept_ms(detect_ms);
}

/* A refusal must be noticed and have lasted refused_ms within a second (H4), so the pause shrinks
 * when probe_ms alone would be too long. */
int64_t
probe_pause(const struct probe_sense *s, int64_t probe_ms, int64_t refused_ms)
{
	int64_t room = 800 - refused_ms;

	if (!s->ok)
		return FAST_MS;
	if (room < FAST_MS)
		room = FAST_MS;
	return probe_ms < room ? probe_ms : room;
}
