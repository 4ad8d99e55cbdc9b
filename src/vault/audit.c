/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/audit.h"

#include <stdio.h>
#include <string.h>
#include "base/name.h"
#include "vault/lists.h"
#include "vault/user.h"
#include "vault/verify.h"

/* ---- bodies ---- */

#define BODY_DEPTH 8

/* Never shown: what is sealed or hashed says nothing to a person and something to an attacker. */
static const char *const hidden[] = { "sealed", "password_hash", "setup_mac", "totp_sealed",
				      "mac",	"wrapped",	 "totp_step" };

static void
skip_space(const char **p)
{
	*p += strspn(*p, " \t\r\n");
}

static bool
skip_string(const char **p)
{
	const char *from = *p;
	if (*(*p)++ != '"')
		return false;
	for (;;) {
		unsigned char c = (unsigned char)*(*p)++;
		if (c < 0x20)
			return false;
		if (c == '"')
			return json_out_is_utf8(from, (size_t)(*p - from));
		if (c != '\\')
			continue;
		c = (unsigned char)*(*p)++;
		if (!c || !strchr("\"\\/bfnrtu", c))
			return false;
		if (c == 'u') {
			if (strspn(*p, "0123456789abcdefABCDEF") < 4)
				return false;
			*p += 4;
		}
	}
}

static size_t
digits(const char **p)
{
	size_t n = strspn(*p, "0123456789");
	*p += n;
	return n;
}

static bool
skip_number(const char **p)
{
	*p += **p == '-';
	bool zero = **p == '0';
	size_t n = digits(p);
	if (n == 0 || (zero && n > 1))
		return false;
	if (**p == '.') {
		(*p)++;
		if (!digits(p))
			return false;
	}
	if (**p == 'e' || **p == 'E') {
		(*p)++;
		*p += **p == '+' || **p == '-';
		if (!digits(p))
			return false;
	}
	return true;
}

static bool
skip_word(const char **p)
{
	static const char *const words[] = { "true", "false", "null" };
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		size_t n = strlen(words[i]);
		if (strncmp(*p, words[i], n) == 0) {
			*p += n;
			return true;
		}
	}
	return skip_number(p);
}

static bool skip_value(const char **p, int depth);

/* An object or array whose opening character is at *p. */
static bool
skip_nest(const char **p, int depth)
{
	bool object = **p == '{';
	char close = object ? '}' : ']';
	(*p)++;
	skip_space(p);
	if (**p == close) {
		(*p)++;
		return true;
	}
	for (;;) {
		skip_space(p);
		if (object) {
			if (!skip_string(p))
				return false;
			skip_space(p);
			if (*(*p)++ != ':')
				return false;
		}
		if (!skip_value(p, depth))
			return false;
		char c = *(*p)++;
		if (c == close)
			return true;
		if (c != ',')
			return false;
	}
}

static bool
skip_value(const char **p, int depth)
{
	bool good;
	skip_space(p);
	if (depth >= BODY_DEPTH)
		return false;
	if (**p == '{' || **p == '[')
		good = skip_nest(p, depth + 1);
	else
		good = **p == '"' ? skip_string(p) : skip_word(p);
	if (!good) /* p may stand behind the text's end */
		return false;
	skip_space(p);
	return true;
}

/* name: with its quotes. One that is written with escapes is hidden as well: ours never are. */
static bool
is_hidden(const char *name, size_t n)
{
	if (memchr(name, '\\', n))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
		if (strlen(hidden[i]) == n - 2 && memcmp(name + 1, hidden[i], n - 2) == 0)
			return true;
	return false;
}

/* Copies a valid object's members but the hidden ones. */
static void
copy_shown(const char *p, struct buf *out)
{
	bool any = false;
	buf_addc(out, '{');
	for (skip_space(&p), p++;; p++) {
		skip_space(&p);
		if (*p == '}')
			break;
		const char *name = p;
		skip_string(&p);
		size_t n = (size_t)(p - name);
		skip_space(&p);
		p++;
		skip_value(&p, 0);
		if (!is_hidden(name, n)) {
			if (any)
				buf_addc(out, ',');
			buf_add(out, name, (size_t)(p - name));
			any = true;
		}
		if (*p == '}')
			break;
	}
	buf_addc(out, '}');
}

void
audit_write_body(struct json_out *out, const char *name, const char *body)
{
	auto_buf shown = BUF_INIT;
	const char *p = body;
	skip_space(&p);
	if (*p == '{' && skip_value(&p, 0) && *p == '\0')
		copy_shown(body, &shown);
	else
		buf_adds(&shown, "{\"unreadable\":true}");
	json_out_raw(out, name, buf_str(&shown));
}

/* ---- the list ---- */

struct cursor_at {
	int64_t at_us, seq;
	struct uuid node;
};

/* "1767225600000000.42.01890000-…": time, number and node of the last row. */
static int
parse_cursor(const char *text, struct cursor_at *ret, struct err *e)
{
	char node[UUID_STR_LEN];
	long long at, seq;
	int used = 0;
	if (sscanf(text, "%18lld.%18lld.%36s%n", &at, &seq, node, &used) != 3 || text[used] ||
	    uuid_parse(node, &ret->node))
		return err_set(e, ERR_BAD_FIELD, "before: not what a list gave as next");
	ret->at_us = at;
	ret->seq = seq;
	return 0;
}

static void
write_id_name(struct json_out *out, const char *name, const struct rows *r, int i, int col)
{
	struct uuid id;
	if (row_null(r, i, col)) {
		json_out_null(out, name);
		return;
	}
	row_uuid(r, i, col, &id);
	json_out_object(out, name);
	json_out_uuid(out, "id", &id);
	json_out_text(out, "name", row_null(r, i, col + 1) ? NULL : row_text(r, i, col + 1));
	json_out_end_object(out);
}

static void
write_event(struct json_out *out, const struct rows *r, int i)
{
	struct uuid object;
	int kind = row_int(r, i, COL_AUDIT_LIST_KIND);
	row_uuid(r, i, COL_AUDIT_LIST_OBJECT, &object);
	json_out_object(out, NULL);
	write_id_name(out, "node", r, i, COL_AUDIT_LIST_NODE);
	json_out_int(out, "seq", row_bigint(r, i, COL_AUDIT_LIST_SEQ));
	json_out_time(out, "at", row_time(r, i, COL_AUDIT_LIST_AT));
	json_out_text(out, "kind", event_name(kind));
	json_out_text(out, "text", event_name(kind) ? event_text(kind) : NULL);
	write_id_name(out, "actor", r, i, COL_AUDIT_LIST_ACTOR);
	json_out_uuid(out, "object", &object);
	json_out_text(out, "object_name",
		      row_null(r, i, COL_AUDIT_LIST_OBJECT_NAME)
			      ? NULL
			      : row_text(r, i, COL_AUDIT_LIST_OBJECT_NAME));
	json_out_text(out, "address", row_text(r, i, COL_AUDIT_LIST_ADDRESS));
	audit_write_body(out, "body", row_text(r, i, COL_AUDIT_LIST_BODY));
	json_out_end_object(out);
}

static void
write_next(struct json_out *out, const struct rows *r, int rows)
{
	struct uuid node;
	char text[UUID_STR_LEN], cursor[96];
	if (rows_count(r) <= rows) {
		json_out_null(out, "next");
		return;
	}
	row_uuid(r, rows - 1, COL_AUDIT_LIST_NODE, &node);
	uuid_str(&node, text);
	snprintf(cursor, sizeof(cursor), "%lld.%lld.%s",
		 (long long)row_time(r, rows - 1, COL_AUDIT_LIST_AT),
		 (long long)row_bigint(r, rows - 1, COL_AUDIT_LIST_SEQ), text);
	json_out_text(out, "next", cursor);
}

static void
bind_time_or_null(struct binds *b, const int64_t *us)
{
	if (us)
		bind_time(b, *us);
	else
		bind_null(b);
}

static int
read_events(struct call *c, const struct audit_filter *f, const struct uuid *user,
	    struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	struct cursor_at cur = { 0 };
	int rc = f->before ? parse_cursor(f->before, &cur, e) : 0;
	if (rc)
		return rc;
	if (f->kind)
		bind_int(&b, f->kind);
	else
		bind_null(&b);
	bind_uuid(&b, policy_or_null(user));
	bind_uuid(&b, policy_or_null(&f->object));
	bind_time_or_null(&b, f->since_us);
	bind_time_or_null(&b, f->until_us);
	bind_uuid(&b, policy_or_null(&f->node));
	bind_time_or_null(&b, f->before ? &cur.at_us : NULL);
	bind_uuid(&b, &cur.node);
	bind_bigint(&b, cur.seq);
	bind_int(&b, f->rows + 1);
	return lists_ask(c, STMT_AUDIT_LIST, &b, ret, e);
}

static int
append_read(struct call *c, const struct audit_filter *f, const struct uuid *user, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct json_out w;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	if (f->user)
		json_out_uuid(&w, "user", user);
	if (f->kind)
		json_out_text(&w, "kind", event_name(f->kind));
	if (f->since_us)
		json_out_instant(&w, "since", *f->since_us);
	if (f->until_us)
		json_out_instant(&w, "until", *f->until_us);
	if (f->before)
		json_out_text(&w, "before", f->before);
	json_out_end_object(&w);
	return vault_append(c, EVENT_AUDIT_READ, &f->object, buf_str(&body), e);
}

int
audit_list(struct call *c, const struct audit_filter *f, struct json_out *out, struct err *e)
{
	auto_rows r = NULL;
	struct uuid user = { 0 };
	const char *name;
	int rc = f->user ? user_find(c, f->user, &user, &name, e) : 0;
	if (rc == ERR_NOT_FOUND)
		return err_set(e, ERR_BAD_FIELD, "user: there is no such user");
	if (rc == 0)
		rc = read_events(c, f, &user, &r, e);
	if (rc == 0)
		rc = append_read(c, f, &user, e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_array(out, "events");
	int n = 0;
	for (; n < rows_count(r) && n < f->rows && !row_null(r, n, COL_AUDIT_LIST_BODY); n++)
		write_event(out, r, n);
	json_out_end_array(out);
	write_next(out, r, n);
	json_out_end_object(out);
	return 0;
}

/* ---- verification ---- */

static void
write_chain(struct json_out *out, const struct verify_node *n)
{
	json_out_object(out, NULL);
	json_out_object(out, "node");
	json_out_uuid(out, "id", &n->writer);
	json_out_end_object(out);
	json_out_uuid(out, "chain", &n->node);
	json_out_int(out, "events", n->events);
	json_out_int(out, "last_seq", n->last_seq);
	json_out_bool(out, "broken", n->broken);
	if (n->broken)
		json_out_int(out, "broken_seq", n->broken_seq);
	else
		json_out_null(out, "broken_seq");
	json_out_text(out, "why", n->broken ? n->why : NULL);
	json_out_end_object(out);
}

static void
write_accepted(struct json_out *out, const struct verify_result *v)
{
	json_out_array(out, "accepted");
	for (unsigned i = 0; i < v->naccepted; i++) {
		const struct audit_break *b = &v->accepted[i];

		json_out_object(out, NULL);
		json_out_uuid(out, "node", &b->node);
		json_out_int(out, "seq", b->seq);
		json_out_time(out, "at", b->at_us);
		json_out_text(out, "by", b->by);
		json_out_text(out, "reason", b->reason);
		json_out_end_object(out);
	}
	json_out_end_array(out);
}

static void
write_idle(struct json_out *out, const struct verify_result *v)
{
	json_out_array(out, "without_effect");
	for (unsigned i = 0; i < v->nidle; i++) {
		const struct verify_idle *x = &v->idle[i];

		json_out_object(out, NULL);
		json_out_uuid(out, "chain", &x->chain);
		json_out_int(out, "first", x->first);
		json_out_int(out, "last", x->last);
		json_out_uuid(out, "by_chain", &x->by_chain);
		json_out_int(out, "by_seq", x->by_seq);
		json_out_time(out, "at", x->at_us);
		json_out_text(out, "why", x->why);
		json_out_end_object(out);
	}
	json_out_end_array(out);
}

int
audit_verify(struct call *c, struct json_out *out, struct err *e)
{
	struct verify_result *v = arena_new_of(c->a, struct verify_result);
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, &c->v->node);
	int rc = verify_run(c->v, c->f, v, e);
	if (rc)
		return rc;
	rc = vault_append(c, EVENT_AUDIT_READ, &(struct uuid){ 0 }, "{\"verify\":true}", e);
	/* That the log is broken may be why it cannot be written; that must come out. */
	if (rc && v->good)
		return rc;
	json_out_object(out, NULL);
	json_out_bool(out, "good", v->good);
	json_out_int(out, "events", v->events);
	json_out_array(out, "nodes");
	for (unsigned i = 0; i < v->nnodes; i++)
		write_chain(out, &v->nodes[i]);
	json_out_end_array(out);
	write_accepted(out, v);
	write_idle(out, v);
	json_out_end_object(out);
	return 0;
}

/* ---- acceptance ---- */

static void
write_break(struct json_out *w, const struct audit_break *b)
{
	json_out_object(w, NULL);
	json_out_uuid(w, "node", &b->node);
	json_out_int(w, "seq", b->seq);
	json_out_text(w, "why", b->why);
	json_out_int(w, "resume", b->resume);
	if (b->upto)
		json_out_int(w, "upto", b->upto);
	json_out_text(w, "hash", b->hash);
	json_out_text(w, "digest", b->digest);
	json_out_end_object(w);
}

/* Those that nobody accepted before; how many. */
static int
write_breaks(struct json_out *w, const struct verify_result *v)
{
	int n = 0;

	json_out_array(w, "breaks");
	for (unsigned i = 0; i < v->naccepted; i++) {
		if (!v->accepted[i].seq_by) {
			write_break(w, &v->accepted[i]);
			n++;
		}
	}
	json_out_end_array(w);
	return n;
}

/* As audit_without_effect reads them again. */
static void
accept_idle(struct json_out *w, const struct verify_result *v)
{
	json_out_array(w, "without_effect");
	for (unsigned i = 0; i < v->nidle; i++) {
		json_out_object(w, NULL);
		json_out_uuid(w, "node", &v->idle[i].by_chain);
		json_out_int(w, "seq", v->idle[i].by_seq);
		json_out_end_object(w);
	}
	json_out_end_array(w);
}

static int
collect_breaks(struct call *c, struct verify_result *v, struct err *e)
{
	/* The own chain goes on behind a cut before it is walked: then there is an event to go on with. */
	int rc = vault_append(c, EVENT_AUDIT_READ, &(struct uuid){ 0 }, "{\"verify\":true}", e);

	if (rc == 0)
		rc = verify_collect(c->v, c->f, v, e);
	for (unsigned i = 0; !rc && !v->good && i < v->nnodes; i++) {
		if (v->nodes[i].broken)
			rc = err_set(
				e, ERR_REFUSED,
				"the log cannot be accepted as it is: at event %lld: %s. Restore a "
				"backup instead",
				(long long)v->nodes[i].broken_seq, v->nodes[i].why);
	}
	return rc;
}

int
audit_accept(struct call *c, const char *reason, struct json_out *out, struct err *e)
{
	struct verify_result *v = arena_new_of(c->a, struct verify_result);
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, &c->v->node);
	auto_buf body = BUF_INIT;
	struct json_out w;
	int n, rc = name_check(reason, "reason", e);

	if (rc == 0)
		rc = collect_breaks(c, v, e);
	if (rc)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "reason", reason);
	n = write_breaks(&w, v);
	accept_idle(&w, v);
	json_out_end_object(&w);
	rc = vault_append(c, EVENT_AUDIT_ACCEPTED, &(struct uuid){ 0 }, buf_str(&body), e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_int(out, "breaks", n);
	json_out_int(out, "without_effect", v->nidle);
	json_out_end_object(out);
	return 0;
}
