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
			return jw_utf8(from, (size_t)(*p - from));
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
audit_write_body(struct jw *out, const char *name, const char *body)
{
	auto_buf shown = BUF_INIT;
	const char *p = body;
	skip_space(&p);
	if (*p == '{' && skip_value(&p, 0) && *p == '\0')
		copy_shown(body, &shown);
	else
		buf_adds(&shown, "{\"unreadable\":true}");
	jw_raw(out, name, buf_str(&shown));
}

/* ---- the list ---- */

/* Columns of audit_list. */
enum {
	COL_NODE,
	COL_NODE_NAME,
	COL_SEQ,
	COL_AT,
	COL_KIND,
	COL_ACTOR,
	COL_ACTOR_NAME,
	COL_OBJECT,
	COL_ADDRESS,
	COL_BODY,
	COL_OBJECT_NAME,
};

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
write_id_name(struct jw *out, const char *name, const struct rows *r, int i, int col)
{
	struct uuid id;
	if (row_null(r, i, col)) {
		jw_null(out, name);
		return;
	}
	row_uuid(r, i, col, &id);
	jw_object(out, name);
	jw_uuid(out, "id", &id);
	jw_text(out, "name", row_null(r, i, col + 1) ? NULL : row_text(r, i, col + 1));
	jw_end_object(out);
}

static void
write_event(struct jw *out, const struct rows *r, int i)
{
	struct uuid object;
	int kind = row_int(r, i, COL_KIND);
	row_uuid(r, i, COL_OBJECT, &object);
	jw_object(out, NULL);
	write_id_name(out, "node", r, i, COL_NODE);
	jw_int(out, "seq", row_bigint(r, i, COL_SEQ));
	jw_time(out, "at", row_time(r, i, COL_AT));
	jw_text(out, "kind", event_name(kind));
	jw_text(out, "text", event_name(kind) ? event_text(kind) : NULL);
	write_id_name(out, "actor", r, i, COL_ACTOR);
	jw_uuid(out, "object", &object);
	jw_text(out, "object_name",
		row_null(r, i, COL_OBJECT_NAME) ? NULL : row_text(r, i, COL_OBJECT_NAME));
	jw_text(out, "address", row_text(r, i, COL_ADDRESS));
	audit_write_body(out, "body", row_text(r, i, COL_BODY));
	jw_end_object(out);
}

static void
write_next(struct jw *out, const struct rows *r, int rows)
{
	struct uuid node;
	char text[UUID_STR_LEN], cursor[96];
	if (rows_count(r) <= rows) {
		jw_null(out, "next");
		return;
	}
	row_uuid(r, rows - 1, COL_NODE, &node);
	uuid_str(&node, text);
	snprintf(cursor, sizeof(cursor), "%lld.%lld.%s", (long long)row_time(r, rows - 1, COL_AT),
		 (long long)row_bigint(r, rows - 1, COL_SEQ), text);
	jw_text(out, "next", cursor);
}

static void
bind_time_or_null(struct binds *b, int64_t us)
{
	if (us)
		bind_time(b, us);
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
	bind_time_or_null(&b, cur.at_us);
	bind_uuid(&b, &cur.node);
	bind_bigint(&b, cur.seq);
	bind_int(&b, f->rows + 1);
	return lists_ask(c, STMT_AUDIT_LIST, &b, ret, e);
}

static int
append_read(struct call *c, const struct audit_filter *f, const struct uuid *user, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct jw w;
	jw_init(&w, &body);
	jw_object(&w, NULL);
	if (f->user)
		jw_uuid(&w, "user", user);
	if (f->kind)
		jw_text(&w, "kind", event_name(f->kind));
	if (f->since_us)
		jw_time(&w, "since", f->since_us);
	if (f->until_us)
		jw_time(&w, "until", f->until_us);
	if (f->before)
		jw_text(&w, "before", f->before);
	jw_end_object(&w);
	return vault_append(c, EVENT_AUDIT_READ, &f->object, buf_str(&body), e);
}

int
audit_list(struct call *c, const struct audit_filter *f, struct jw *out, struct err *e)
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
	jw_object(out, NULL);
	jw_array(out, "events");
	int n = 0;
	for (; n < rows_count(r) && n < f->rows && !row_null(r, n, COL_BODY); n++)
		write_event(out, r, n);
	jw_end_array(out);
	write_next(out, r, n);
	jw_end_object(out);
	return 0;
}

/* ---- verification ---- */

static void
write_chain(struct jw *out, const struct verify_node *n)
{
	jw_object(out, NULL);
	jw_object(out, "node");
	jw_uuid(out, "id", &n->node);
	jw_end_object(out);
	jw_int(out, "events", n->events);
	jw_int(out, "last_seq", n->last_seq);
	jw_bool(out, "broken", n->broken);
	if (n->broken)
		jw_int(out, "broken_seq", n->broken_seq);
	else
		jw_null(out, "broken_seq");
	jw_text(out, "why", n->broken ? n->why : NULL);
	jw_end_object(out);
}

static void
write_accepted(struct jw *out, const struct verify_result *v)
{
	jw_array(out, "accepted");
	for (unsigned i = 0; i < v->naccepted; i++) {
		const struct audit_break *b = &v->accepted[i];

		jw_object(out, NULL);
		jw_uuid(out, "node", &b->node);
		jw_int(out, "seq", b->seq);
		jw_time(out, "at", b->at_us);
		jw_text(out, "by", b->by);
		jw_text(out, "reason", b->reason);
		jw_end_object(out);
	}
	jw_end_array(out);
}

int
audit_verify(struct call *c, const char *chain_head_path, struct jw *out, struct err *e)
{
	struct verify_result *v = arena_new_of(c->a, struct verify_result);
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, &c->v->node);
	int rc = verify_run(c->v, c->f, chain_head_path, v, e);
	if (rc)
		return rc;
	rc = vault_append(c, EVENT_AUDIT_READ, &(struct uuid){ 0 }, "{\"verify\":true}", e);
	/* That the log is broken may be why it cannot be written; that must come out. */
	if (rc && v->good)
		return rc;
	jw_object(out, NULL);
	jw_bool(out, "good", v->good);
	jw_int(out, "events", v->events);
	jw_array(out, "nodes");
	for (unsigned i = 0; i < v->nnodes; i++)
		write_chain(out, &v->nodes[i]);
	jw_end_array(out);
	write_accepted(out, v);
	jw_end_object(out);
	return 0;
}

/* ---- acceptance ---- */

static void
write_break(struct jw *w, const struct audit_break *b)
{
	jw_object(w, NULL);
	jw_uuid(w, "node", &b->node);
	jw_int(w, "seq", b->seq);
	jw_text(w, "why", b->why);
	jw_int(w, "resume", b->resume);
	if (b->upto)
		jw_int(w, "upto", b->upto);
	jw_text(w, "hash", b->hash);
	jw_text(w, "digest", b->digest);
	jw_end_object(w);
}

/* Those that nobody accepted before; how many. */
static int
write_breaks(struct jw *w, const struct verify_result *v)
{
	int n = 0;

	jw_array(w, "breaks");
	for (unsigned i = 0; i < v->naccepted; i++) {
		if (!v->accepted[i].seq_by) {
			write_break(w, &v->accepted[i]);
			n++;
		}
	}
	jw_end_array(w);
	return n;
}

static int
collect_breaks(struct call *c, const char *chain_head_path, struct verify_result *v, struct err *e)
{
	/* The own chain goes on behind a cut before it is walked: then there is an event to go on with. */
	int rc = vault_append(c, EVENT_AUDIT_READ, &(struct uuid){ 0 }, "{\"verify\":true}", e);

	if (rc == 0)
		rc = verify_collect(c->v, c->f, chain_head_path, v, e);
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
audit_accept(struct call *c, const char *chain_head_path, const char *reason, struct jw *out,
	     struct err *e)
{
	struct verify_result *v = arena_new_of(c->a, struct verify_result);
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, &c->v->node);
	auto_buf body = BUF_INIT;
	struct jw w;
	int n, rc = name_check(reason, "reason", e);

	if (rc == 0)
		rc = collect_breaks(c, chain_head_path, v, e);
	if (rc)
		return rc;
	jw_init(&w, &body);
	jw_object(&w, NULL);
	jw_text(&w, "reason", reason);
	n = write_breaks(&w, v);
	jw_end_object(&w);
	rc = vault_append(c, EVENT_AUDIT_ACCEPTED, &(struct uuid){ 0 }, buf_str(&body), e);
	if (rc)
		return rc;
	jw_object(out, NULL);
	jw_int(out, "breaks", n);
	jw_end_object(out);
	return 0;
}
