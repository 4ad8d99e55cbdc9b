/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/status.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "base/json_out.h"

static const struct {
	const char *code, *text, *todo;
} reasons[] = {
#define X(code, text, todo) [STATUS_##code] = { #code, text, todo },
	STATUS_REASONS(X)
#undef X
};

_Static_assert(STATUS_REASON_COUNT <= 64, "reasons are the bits of a word");

const char *
status_reason_code(enum status_reason r)
{
	return reasons[r].code;
}

const char *
status_reason_text(enum status_reason r)
{
	return reasons[r].text;
}

const char *
status_reason_todo(enum status_reason r)
{
	return reasons[r].todo;
}

/* ---- which reasons hold ---- */

static uint64_t
service_reasons(const struct status_node *n)
{
	if (n->untrusted)
		return 1ull << STATUS_CERT_UNTRUSTED;
	if (n->name_unknown)
		return 1ull << STATUS_NAME_UNKNOWN;
	if (n->service_cannot)
		return 1ull << STATUS_SERVICE_CANNOT;
	return n->service == STATUS_ACTIVE ? 0 : 1ull << STATUS_SERVICE_DOWN;
}

static bool
slot_is_lost(const struct status_node *n)
{
	return n->slot_known &&
	       (strcmp(n->slot_status, "lost") == 0 || strcmp(n->slot_status, "missing") == 0);
}

static uint64_t
slot_reasons(const struct status_node *n)
{
	if (slot_is_lost(n))
		return 1ull << STATUS_SLOT_LOST;
	return n->slot_known && strcmp(n->slot_status, "unreserved") == 0
		       ? 1ull << STATUS_SLOT_SOON_LOST
		       : 0;
}

static uint64_t
stream_reasons(const struct status_view *v, const struct status_node *n)
{
	uint64_t r = 0;

	if (n->primary)
		return 0;
	if (n->stream_known && !n->streaming)
		r |= 1ull << STATUS_NOT_STREAMING;
	else if (n->late || (v->nodes[0].primary && v->state == HA_SYNCED && !v->both))
		r |= 1ull << STATUS_OUT_OF_STEP;
	if (n->journal_rows > 0)
		r |= 1ull << STATUS_JOURNAL_WAITS;
	if (n->schema > 0 && n->schema < n->schema_known)
		r |= 1ull << STATUS_UPGRADE_WAITS;
	return r | slot_reasons(n);
}

/* The state a node says it is in, when it is one that is not as it should be. */
static uint64_t
state_reasons(const struct status_node *n)
{
	enum { STATUS_NONE = STATUS_REASON_COUNT };
	static const uint8_t of_state[HA_STATE_COUNT] = {
#define X(name, text, serves, writes, status, mode, outage, reason) [HA_##name] = STATUS_##reason,
		STATE_LIST(X)
#undef X
	};

	if (n->state >= HA_STATE_COUNT || of_state[n->state] == STATUS_NONE)
		return 0;
	return 1ull << of_state[n->state];
}

static uint64_t
own_reasons(const struct status_view *v)
{
	uint64_t r = 0;

	if (v->journal_diverged)
		r |= 1ull << STATUS_JOURNAL_DIVERGED;
	if (v->merge_refused)
		r |= 1ull << STATUS_MERGE_REFUSED;
	if (v->chain_shrunk)
		r |= 1ull << STATUS_CHAIN_SHRUNK;
	if (v->chain_forked)
		r |= 1ull << STATUS_CHAIN_FORKED;
	if (v->inbox_rows > 0)
		r |= 1ull << STATUS_JOURNAL_WAITS;
	if (v->without_effect[0])
		r |= 1ull << STATUS_WITHOUT_EFFECT;
	if (v->removed)
		r |= 1ull << STATUS_REMOVED;
	if (v->too_old)
		r |= 1ull << STATUS_TOO_OLD;
	if (v->unconfirmed)
		r |= 1ull << STATUS_HISTORY_UNCONFIRMED;
	return r;
}

static const enum status_reason of_expired[] = {
	[CERTLIFE_WEB] = STATUS_WEB_CERT_EXPIRED,
	[CERTLIFE_CHANNEL] = STATUS_CHANNEL_CERT_EXPIRED,
	[CERTLIFE_AUTHORITY] = STATUS_AUTHORITY_EXPIRED,
};

static uint64_t
cert_reasons(const struct status_node *n, int64_t now_us)
{
	uint64_t r = 0;

	for (enum certlife_kind k = 0; k < CERTLIFE_KINDS; k++) {
		enum certlife_level l = certlife_level(&n->certs[k], now_us);

		if (l == CERTLIFE_OVER)
			r |= 1ull << of_expired[k];
		else if (l == CERTLIFE_LATE)
			r |= 1ull << STATUS_CERT_ENDS;
	}
	return r;
}

/* Of those that serve as primary the one of the latest epoch; NULL: nobody does. */
static const struct status_node *
true_primary(const struct status_view *v)
{
	const struct status_node *best = NULL;

	for (unsigned i = 0; i < v->n; i++) {
		const struct status_node *n = &v->nodes[i];

		if (n->reigns && (!best || epoch_is_later(&n->epoch, &best->epoch)))
			best = n;
	}
	return best;
}

uint64_t
status_node_reasons(const struct status_view *v, unsigned i)
{
	const struct status_node *n = &v->nodes[i];
	uint64_t r = service_reasons(n) | stream_reasons(v, n) | state_reasons(n) |
		     cert_reasons(n, v->now_us);

	/* The peer's database shows in its stream and its health; silence of the service says
	 * nothing about it. */
	if (n->database == STATUS_INACTIVE || (n->self && n->database != STATUS_ACTIVE))
		r |= 1ull << STATUS_DATABASE_DOWN;
	if (n->skew_known && (n->skew_us > STATUS_SKEW_MAX_US || n->skew_us < -STATUS_SKEW_MAX_US))
		r |= 1ull << STATUS_CLOCK_SKEW;
	if (n->data_damaged)
		r |= 1ull << STATUS_DATA_DAMAGED;
	if (n->journal_unreadable)
		r |= 1ull << STATUS_JOURNAL_UNREADABLE;
	if (n->copy_failure[0])
		r |= 1ull << STATUS_COPY_FAILED;
	if (n->history_behind)
		r |= 1ull << STATUS_HISTORY_BEHIND;
	if (n->duplicate)
		r |= 1ull << STATUS_DUPLICATE;
	if (n->reigns && n != true_primary(v))
		r |= 1ull << STATUS_TWO_PRIMARIES;
	return i == 0 ? r | own_reasons(v) : r;
}

/* A node on its own has no reasons; one of a pair may not see the others. */
static bool
has_pair(const struct status_view *v)
{
	return v->n > 1 || v->state != HA_SINGLE;
}

bool
status_alive(const struct status_view *v)
{
	if (v->n < 2)
		return false;
	for (unsigned i = 0; i < v->n; i++) {
		if (status_node_reasons(v, i))
			return false;
	}
	return true;
}

/* ---- which reason explains which ---- */

#define BIT(r) (1ull << STATUS_##r)
#define SIGNED (BIT(WEB_CERT_EXPIRED) | BIT(CHANNEL_CERT_EXPIRED)) /* end with whoever signed */
#define NOT_FLOWING (BIT(NOT_STREAMING) | BIT(OUT_OF_STEP) | BIT(JOURNAL_WAITS))

/* Where the cause holds, seen from the node that it explains something of. */
enum place { HERE, AT_PRIMARY, ELSEWHERE };

/* The first row that fits is what a reason comes from. What waits for somebody's word (TOO_OLD, SLOT_SOON_LOST) is explained
 * by nothing: it must not be overlooked. */
static const struct {
	enum status_reason cause;
	enum place at;
	uint64_t effects;
} explanations[] = {
	{ STATUS_REMOVED, HERE, BIT(RETURNING) | BIT(FENCED) | BIT(SLOT_LOST) | NOT_FLOWING },
	{ STATUS_DATA_DAMAGED, HERE,
	  BIT(DATABASE_DOWN) | BIT(SERVICE_CANNOT) | BIT(RETURNING) | NOT_FLOWING },
	{ STATUS_DATA_DAMAGED, AT_PRIMARY, BIT(EMERGENCY) | NOT_FLOWING },
	{ STATUS_COPY_FAILED, HERE,
	  BIT(RETURNING) | BIT(FENCED) | BIT(SLOT_LOST) | BIT(SERVICE_CANNOT) | NOT_FLOWING },
	{ STATUS_FENCED, HERE, BIT(SERVICE_CANNOT) | NOT_FLOWING },
	{ STATUS_TWO_PRIMARIES, HERE, BIT(PRIMARY_ALONE) | NOT_FLOWING },
	{ STATUS_HISTORY_BEHIND, HERE, BIT(SERVICE_CANNOT) | NOT_FLOWING },
	{ STATUS_HISTORY_BEHIND, AT_PRIMARY, BIT(EMERGENCY) | NOT_FLOWING },
	{ STATUS_DUPLICATE, HERE, BIT(SERVICE_CANNOT) | NOT_FLOWING },
	{ STATUS_DUPLICATE, AT_PRIMARY, BIT(EMERGENCY) | NOT_FLOWING },
	{ STATUS_DATABASE_DOWN, HERE, BIT(SERVICE_CANNOT) | NOT_FLOWING },
	{ STATUS_DATABASE_DOWN, AT_PRIMARY, BIT(EMERGENCY) | NOT_FLOWING },
	{ STATUS_SERVICE_DOWN, AT_PRIMARY, BIT(EMERGENCY) | NOT_FLOWING },
	{ STATUS_NAME_UNKNOWN, AT_PRIMARY, BIT(EMERGENCY) | NOT_FLOWING },
	{ STATUS_SERVICE_CANNOT, AT_PRIMARY, BIT(EMERGENCY) | NOT_FLOWING },
	{ STATUS_CERT_UNTRUSTED, AT_PRIMARY, BIT(EMERGENCY) | BIT(JOURNAL_WAITS) },
	{ STATUS_AUTHORITY_EXPIRED, HERE, SIGNED | NOT_FLOWING },
	{ STATUS_AUTHORITY_EXPIRED, ELSEWHERE, SIGNED | BIT(PRIMARY_ALONE) | NOT_FLOWING },
	{ STATUS_CHANNEL_CERT_EXPIRED, HERE, NOT_FLOWING },
	{ STATUS_CHANNEL_CERT_EXPIRED, AT_PRIMARY, NOT_FLOWING },
	{ STATUS_SERVICE_DOWN, HERE, BIT(SLOT_LOST) | NOT_FLOWING },
	{ STATUS_SLOT_LOST, HERE, BIT(RETURNING) | NOT_FLOWING },
	{ STATUS_RETURNING, HERE, BIT(SERVICE_CANNOT) | NOT_FLOWING },
	{ STATUS_AWAY, HERE, BIT(SERVICE_CANNOT) | NOT_FLOWING },
	{ STATUS_SERVICE_CANNOT, HERE, NOT_FLOWING },
	{ STATUS_UPGRADE_WAITS, HERE, BIT(MERGING) | BIT(JOURNAL_WAITS) },
	{ STATUS_UPGRADE_WAITS, ELSEWHERE, BIT(JOURNAL_WAITS) },
	{ STATUS_JOURNAL_UNREADABLE, HERE, BIT(JOURNAL_WAITS) },
	{ STATUS_JOURNAL_DIVERGED, HERE, BIT(JOURNAL_WAITS) },
	{ STATUS_CHAIN_SHRUNK, HERE, BIT(MERGE_REFUSED) | BIT(JOURNAL_WAITS) },
	{ STATUS_MERGE_REFUSED, HERE, BIT(JOURNAL_WAITS) },
	{ STATUS_EMERGENCY, HERE, BIT(JOURNAL_WAITS) },
	{ STATUS_MERGING, HERE, BIT(JOURNAL_WAITS) },
	{ STATUS_EMERGENCY, ELSEWHERE, BIT(JOURNAL_WAITS) },
	{ STATUS_MERGING, ELSEWHERE, BIT(JOURNAL_WAITS) },
	{ STATUS_NOT_STREAMING, HERE, BIT(OUT_OF_STEP) | BIT(JOURNAL_WAITS) },
	{ STATUS_NOT_STREAMING, ELSEWHERE, BIT(PRIMARY_ALONE) | BIT(HISTORY_UNCONFIRMED) },
	{ STATUS_OUT_OF_STEP, ELSEWHERE, BIT(PRIMARY_ALONE) },
	{ STATUS_SERVICE_DOWN, ELSEWHERE, BIT(PRIMARY_ALONE) | BIT(HISTORY_UNCONFIRMED) },
	{ STATUS_CHANNEL_CERT_EXPIRED, ELSEWHERE, BIT(PRIMARY_ALONE) },
	{ STATUS_AWAY, ELSEWHERE, BIT(PRIMARY_ALONE) },
	{ STATUS_RETURNING, ELSEWHERE, BIT(PRIMARY_ALONE) },
};

bool
status_explains(unsigned row, enum status_reason *ret_cause, uint64_t *ret_effects)
{
	if (row >= ARRAY_LEN(explanations))
		return false;
	*ret_cause = explanations[row].cause;
	*ret_effects = explanations[row].effects;
	return true;
}

static bool
is_place(const struct status_view *v, enum place where, unsigned cause, unsigned effect)
{
	switch (where) {
	case HERE:
		return cause == effect;
	case AT_PRIMARY:
		return cause != effect && v->nodes[cause].primary;
	default:
		return cause != effect;
	}
}

/* One step back; false when nothing explains it. */
static bool
step_back(const struct status_view *v, struct status_at *at)
{
	/* Nobody's fault but an order. */
	if (at->reason == STATUS_EMERGENCY && v->nodes[at->node].ordered)
		return false;
	for (size_t k = 0; k < ARRAY_LEN(explanations); k++) {
		if (!(explanations[k].effects & (1ull << at->reason)))
			continue;
		for (unsigned i = 0; i < v->n; i++) {
			if (!is_place(v, explanations[k].at, i, at->node) ||
			    !(status_node_reasons(v, i) & (1ull << explanations[k].cause)))
				continue;
			*at = (struct status_at){ i, explanations[k].cause };
			return true;
		}
	}
	return false;
}

struct status_at
status_cause(const struct status_view *v, struct status_at of)
{
	/* No reason explains itself through others (tested): this ends. */
	while (step_back(v, &of))
		;
	return of;
}

/* ---- JSON ---- */

static const char *
activity(enum status_service s)
{
	static const char *const names[] = { "Unknown", "Active", "Inactive" };

	return names[s];
}

void
status_code(enum status_reason r, char ret[static 32])
{
	const char *name = reasons[r].code;

	for (size_t k = 0; k < 31; k++) {
		ret[k] = (char)tolower((unsigned char)name[k]);
		if (!ret[k])
			return;
	}
	ret[31] = '\0';
}

/* The text is about what is worst. */
static bool
is_trouble_of(const struct status_view *v, const struct status_node *n, enum status_reason r)
{
	bool unreadable = v->nodes[0].journal_unreadable;

	if (v->merge_refused)
		return r == STATUS_MERGE_REFUSED;
	if (r == STATUS_NOT_STREAMING)
		return !v->journal_diverged && !unreadable;
	return (r == STATUS_JOURNAL_UNREADABLE && n->self) || r == STATUS_JOURNAL_DIVERGED;
}

/* False when the reason is of no certificate. One that ends: the worst that has not expired. */
static bool
find_cert(const struct status_node *n, enum status_reason r, int64_t now_us,
	  enum certlife_kind *ret)
{
	bool found = false;

	for (enum certlife_kind k = 0; k < CERTLIFE_KINDS; k++) {
		bool late = r == STATUS_CERT_ENDS &&
			    certlife_level(&n->certs[k], now_us) == CERTLIFE_LATE;
		if (found || (r != of_expired[k] && !late))
			continue;
		*ret = k;
		found = true;
	}
	return found;
}

static void
say_primaries(const struct status_view *v, const struct status_node *n, char *ret, size_t room)
{
	const struct status_node *best = true_primary(v);

	text_fit(ret, room, "%s is the true primary, of epoch %lld; %s is of epoch %lld%s",
		 best->name, (long long)best->epoch.counter, n->name, (long long)n->epoch.counter,
		 best->epoch.counter == n->epoch.counter ? ", and its id is the lower one" : "");
}

static void
write_detail(const struct status_view *v, const struct status_node *n, enum status_reason r,
	     char *ret, size_t room)
{
	enum certlife_kind cert = CERTLIFE_WEB;
	char life[CERTLIFE_TEXT_MAX];

	ret[0] = '\0';
	if (r == STATUS_CLOCK_SKEW)
		snprintf(ret, room, "it is %.1f s %s",
			 (double)(n->skew_us < 0 ? -n->skew_us : n->skew_us) / 1e6,
			 n->skew_us < 0 ? "behind" : "ahead");
	else if (r == STATUS_SERVICE_DOWN || r == STATUS_SERVICE_CANNOT ||
		 r == STATUS_CERT_UNTRUSTED || r == STATUS_NAME_UNKNOWN)
		text_fit(ret, room, "%s", n->service_why);
	else if (r == STATUS_UPGRADE_WAITS)
		snprintf(ret, room, "its program writes schema %d, the data has schema %d",
			 n->schema_known, n->schema);
	else if (find_cert(n, r, v->now_us, &cert)) {
		certlife_say(cert, &n->certs[cert], v->now_us, life);
		snprintf(ret, room, "%s", life);
	} else if (r == STATUS_EMERGENCY && n->ordered)
		snprintf(ret, room, "an operator ordered it");
	else if (r == STATUS_DATA_DAMAGED && n->self)
		snprintf(ret, room, "damaged pages were met %lld times; its log names them",
			 (long long)v->damaged_pages);
	else if (r == STATUS_TWO_PRIMARIES)
		say_primaries(v, n, ret, room);
	else if (r == STATUS_HISTORY_BEHIND)
		text_fit(ret, room, "%s", n->history);
	else if (r == STATUS_COPY_FAILED)
		text_fit(ret, room, "%s", n->copy_failure);
	else if (is_trouble_of(v, n, r))
		text_fit(ret, room, "%s", v->trouble);
	else if (r == STATUS_WITHOUT_EFFECT)
		text_fit(ret, room, "%s", v->without_effect);
	else if (r == STATUS_CHAIN_SHRUNK || r == STATUS_CHAIN_FORKED)
		text_fit(ret, room, "%s", v->chain);
}

void
status_say(const struct status_view *v, unsigned i, enum status_reason r, struct status_words *ret)
{
	const struct status_node *n = &v->nodes[i];

	status_code(r, ret->code);
	text_fit(ret->text, sizeof(ret->text), reasons[r].text, n->name);
	write_detail(v, n, r, ret->detail, sizeof(ret->detail));
	ret->todo = reasons[r].todo;
}

static void
write_reason(struct json_out *w, const struct status_view *v, struct status_at at,
	     const char *cause)
{
	struct status_words s;

	status_say(v, at.node, at.reason, &s);
	json_out_object(w, NULL);
	json_out_text(w, "code", s.code);
	json_out_text(w, "node", v->nodes[at.node].name);
	json_out_text(w, "text", s.text);
	json_out_text(w, "detail", s.detail[0] ? s.detail : NULL);
	json_out_text(w, "todo", s.todo);
	json_out_text(w, "follows_from", cause);
	json_out_end_object(w);
}

/* The next reason that holds, in the order of nodes and of the list: the first one when not *begun, else the one behind *at. */
static bool
next_reason(const struct status_view *v, struct status_at *at, bool *begun)
{
	unsigned r = *begun ? at->reason + 1 : 0;

	if (!*begun)
		at->node = 0;
	*begun = true;
	for (; at->node < v->n; at->node++, r = 0) {
		uint64_t bits = status_node_reasons(v, at->node) & ~0ull << r;

		if (bits) {
			at->reason = (enum status_reason)__builtin_ctzll(bits);
			return true;
		}
	}
	return false;
}

static bool
is_same(struct status_at a, struct status_at b)
{
	return a.node == b.node && a.reason == b.reason;
}

static bool
is_cause(const struct status_view *v, struct status_at at)
{
	return is_same(status_cause(v, at), at);
}

/* Up to *left of what follows from `cause`. */
static void
write_effects(struct json_out *w, const struct status_view *v, struct status_at cause,
	      unsigned *left)
{
	struct status_at at;
	bool begun = false;
	char code[32];

	status_code(cause.reason, code);
	while (*left && next_reason(v, &at, &begun)) {
		if (is_same(at, cause) || !is_same(status_cause(v, at), cause))
			continue;
		write_reason(w, v, at, code);
		--*left;
	}
}

/* Causes before all else: where there is no room for everything, what follows is left out. */
static void
write_reasons(struct json_out *w, const struct status_view *v)
{
	unsigned causes = 0;
	struct status_at at;

	json_out_array(w, "reasons");
	for (bool begun = false; has_pair(v) && next_reason(v, &at, &begun);)
		causes += is_cause(v, at);
	if (causes > STATUS_REASONS_SHOWN)
		causes = STATUS_REASONS_SHOWN;
	unsigned left = STATUS_REASONS_SHOWN - causes;
	for (bool begun = false; causes && next_reason(v, &at, &begun);) {
		if (!is_cause(v, at))
			continue;
		causes--;
		write_reason(w, v, at, NULL);
		write_effects(w, v, at, &left);
	}
	json_out_end_array(w);
}

static void
write_known(struct json_out *w, const char *name, int64_t v)
{
	if (v < 0)
		json_out_null(w, name);
	else
		json_out_int(w, name, v);
}

static void
write_slot(struct json_out *w, const struct status_node *n)
{
	if (!n->slot_known) {
		json_out_null(w, "slot");
		return;
	}
	json_out_object(w, "slot");
	json_out_text(w, "status", n->slot_status);
	json_out_int(w, "retained_bytes", n->slot_retained);
	write_known(w, "limit_bytes", n->slot_keep);
	json_out_end_object(w);
}

static void
write_certs(struct json_out *w, const struct status_node *n, int64_t now_us)
{
	json_out_array(w, "certificates");
	for (enum certlife_kind k = 0; k < CERTLIFE_KINDS; k++) {
		const struct certlife *c = &n->certs[k];

		if (!c->to_us)
			continue;
		json_out_object(w, NULL);
		json_out_text(w, "certificate", certlife_name(k));
		json_out_time(w, "until", c->to_us);
		json_out_int(w, "days", certlife_days(c, now_us));
		json_out_text(w, "level", certlife_level_name(certlife_level(c, now_us)));
		json_out_end_object(w);
	}
	json_out_end_array(w);
}

static void
write_warning(struct json_out *w, const char *about, const char *node, const char *text,
	      const char *todo)
{
	json_out_object(w, NULL);
	json_out_text(w, "about", about);
	json_out_text(w, "node", node);
	json_out_text(w, "text", text);
	json_out_text(w, "todo", todo);
	json_out_end_object(w);
}

/* Who is waited for while one authority of the vault follows another. */
static void
warn_of_succession(struct json_out *w, const struct status_node *n)
{
	if (n->not_trust)
		write_warning(
			w, "authority", n->name,
			"it does not trust the vault's new authority yet, which signs nothing "
			"before",
			"It follows by itself: bring it back. If it is gone for good, run "
			"`holdfast ha remove` for it.");
	else if (n->shows_old)
		write_warning(
			w, "authority", n->name,
			"a certificate of it comes from the vault's former authority, which "
			"stays trusted for that",
			"Once browsers know the new one (`holdfast cert ca`), run `holdfast "
			"cert renew --web` there. If the node is gone for good, run `holdfast "
			"ha remove` for it.");
}

/* What is well still, and will not be by itself. */
static void
write_warnings(struct json_out *w, const struct status_view *v)
{
	json_out_array(w, "warnings");
	for (unsigned i = 0; i < v->n; i++) {
		warn_of_succession(w, &v->nodes[i]);
		for (enum certlife_kind k = 0; k < CERTLIFE_KINDS; k++) {
			const struct certlife *c = &v->nodes[i].certs[k];
			char text[CERTLIFE_TEXT_MAX];

			enum certlife_level l = certlife_level(c, v->now_us);

			if (l == CERTLIFE_GOOD || (l != CERTLIFE_SOON && has_pair(v)))
				continue;
			certlife_say(k, c, v->now_us, text);
			write_warning(w, "certificate", v->nodes[i].name, text, certlife_todo(k));
		}
	}
	json_out_end_array(w);
}

static void
write_node(struct json_out *w, const struct status_node *n, int64_t now_us)
{
	json_out_object(w, NULL);
	json_out_text(w, "name", n->name);
	json_out_uuid(w, "id", n->id.b);
	json_out_bool(w, "self", n->self);
	json_out_text(w, "role", n->primary ? "primary" : "secondary");
	json_out_text(w, "state", n->state < HA_STATE_COUNT ? state_name(n->state) : NULL);
	json_out_text(w, "version", n->version[0] ? n->version : NULL);
	write_known(w, "schema", n->schema > 0 ? n->schema : -1);
	write_known(w, "schema_known", n->schema_known > 0 ? n->schema_known : -1);
	json_out_text(w, "service", activity(n->service));
	json_out_text(w, "database", activity(n->database));
	write_certs(w, n, now_us);
	if (n->skew_known)
		json_out_double(w, "clock_skew_seconds", (double)n->skew_us / 1e6);
	if (!n->primary) {
		json_out_bool(w, "streaming", n->stream_known && n->streaming);
		write_known(w, "lag_bytes", n->lag_bytes);
		if (n->lag_ms < 0)
			json_out_null(w, "lag_seconds");
		else
			json_out_double(w, "lag_seconds", (double)n->lag_ms / 1000);
		json_out_time(w, "last_in_step", n->last_in_step_us);
		write_slot(w, n);
		write_known(w, "journal_rows", n->journal_rows);
	}
	json_out_end_object(w);
}

/* The first cause as one sentence, for those who show only one line. */
static void
write_first(struct json_out *w, const struct status_view *v)
{
	struct status_words s;
	struct status_at at;

	for (bool begun = false; has_pair(v) && next_reason(v, &at, &begun);) {
		if (!is_cause(v, at))
			continue;
		status_say(v, at.node, at.reason, &s);
		json_out_text(w, "reason", s.text);
		return;
	}
	json_out_null(w, "reason");
}

static void
write_alerts(struct json_out *w, const struct status_view *v)
{
	if (v->alerts_waiting < 0) {
		json_out_null(w, "alerts");
		return;
	}
	json_out_object(w, "alerts");
	json_out_int(w, "waiting", v->alerts_waiting);
	json_out_text(w, "failure", v->alerts_failure[0] ? v->alerts_failure : NULL);
	json_out_end_object(w);
}

enum pair_status
status_of_pair(const struct status_view *v)
{
	if (!has_pair(v))
		return PAIR_NOT_CONFIGURED;
	return v->n > 1 && status_alive(v) ? PAIR_ALIVE : PAIR_FAILED;
}

static void
write_maintenance(struct json_out *w, const struct maintenance *m)
{
	if (!m) {
		json_out_null(w, "maintenance");
		return;
	}
	json_out_object(w, "maintenance");
	json_out_text(w, "on", m->pair ? "pair" : "node");
	json_out_time(w, "until", m->until_us);
	json_out_text(w, "reason", m->reason);
	json_out_end_object(w);
}

void
status_render(const struct status_view *v, struct buf *out)
{
	struct json_out w;

	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "status", pair_status_name(status_of_pair(v)));
	write_first(&w, v);
	json_out_text(&w, "state", state_name(v->state));
	json_out_text(&w, "why", v->why);
	json_out_int(&w, "term", v->term);
	json_out_bool(&w, "both", v->both);
	json_out_time(&w, "as_of", v->as_of_us);
	json_out_time(&w, "time", v->now_us);
	write_known(&w, "inbox_rows", v->inbox_rows);
	json_out_bool(&w, "emergency_ordered", v->n > 0 && v->nodes[0].ordered);
	write_alerts(&w, v);
	write_maintenance(&w, v->maintenance);
	write_reasons(&w, v);
	write_warnings(&w, v);
	json_out_array(&w, "nodes");
	for (unsigned i = 0; i < v->n; i++)
		write_node(&w, &v->nodes[i], v->now_us);
	json_out_end_array(&w);
	json_out_end_object(&w);
}
