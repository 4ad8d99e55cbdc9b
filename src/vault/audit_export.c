/* SPDX-License-Identifier: Apache-2.0
 *
 * The export: a signed head with the ends of all chains, then each chain in parts, each closed by a
 * signed checkpoint. A part is signed only after its keyed chain was verified. Where that fails but
 * an administrator accepted the break, the part begins with signed lines that say so. Requests know
 * nothing of each other: the hashes at their ends join the parts.
 */
#include "vault/audit.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "crypto/auditfile.h"
#include "ledger/event_body.h"
#include "vault/audit_break.h"
#include "vault/lists.h"

#define PART_ROWS 200
#define PART_BYTES (4u << 20)
#define JUMPS_MAX 16
#define HEX(bytes) (2 * (bytes) + 1)

/* An accepted break: the file goes on behind event `last` instead of `after`. */
struct jump {
	const struct audit_break *b;
	int64_t after, upto, last;
	uint8_t after_hash[KEYS_HASH_BYTES], last_hash[KEYS_HASH_BYTES];
};

struct part {
	struct call *c;
	struct uuid node;
	char node_text[UUID_STR_LEN];
	int64_t from;
	uint8_t from_hash[KEYS_HASH_BYTES];
	struct rows *rows;
	struct event ev[PART_ROWS];
	size_t n;
	struct audit_break *known;
	size_t nknown;
	struct jump jumps[JUMPS_MAX];
	size_t njumps;
	bool bare; /* the first event is not proven by what stands before it */
};

static int
log_export(struct call *c, const struct uuid *node, int64_t after, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct json_out w;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_bool(&w, "export", true);
	if (!uuid_is_nil(node)) {
		json_out_uuid(&w, "node", node);
		json_out_int(&w, "after", after);
	}
	json_out_end_object(&w);
	return vault_append(c, EVENT_AUDIT_READ, node, buf_str(&body), e);
}

static void
add_hex(struct buf *b, const void *bytes, size_t n)
{
	char hex[HEX(KEYS_SIGN_BYTES)];
	sodium_bin2hex(hex, sizeof(hex), bytes, n);
	buf_adds(b, hex);
}

static int
head_of(struct call *c, const struct uuid *node, struct auditfile_event *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	size_t len;
	bind_uuid(&b, node);
	int rc = lists_ask(c, STMT_EVENT_HEAD, &b, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) != 1)
		return err_set(e, ERR_CHAIN_BROKEN, "a chain has no end");
	ret->node = *node;
	ret->seq = row_bigint(r, 0, COL_EVENT_HEAD_SEQ);
	const void *hash = row_bytea(r, 0, COL_EVENT_HEAD_HASH, &len);
	if (len != sizeof(ret->hash))
		return err_set(e, ERR_CHAIN_BROKEN, "the hash of event %lld is damaged",
			       (long long)ret->seq);
	memcpy(ret->hash, hash, len);
	return 0;
}

/* Whether this break was accepted, by an event that is proven. */
static int
is_accepted(struct call *c, struct audit_break *b, bool *ret, struct err *e)
{
	int rc = b->proven ? 0 : audit_break_prove(c->v, c->f, b, e);

	*ret = b->proven;
	return rc;
}

static bool
take_hash(const char *hex, uint8_t ret[static KEYS_HASH_BYTES])
{
	size_t n;

	return sodium_hex2bin(ret, KEYS_HASH_BYTES, hex, strlen(hex), NULL, &n, NULL) == 0 &&
	       n == KEYS_HASH_BYTES;
}

/* A chain whose end is lost ends where it will go on. */
static int
follow_head(struct call *c, struct audit_break *known, size_t n, struct auditfile_event *head,
	    struct err *e)
{
	for (;;) {
		const struct audit_break *k =
			audit_break_end(known, n, &head->node, head->seq + 1, 0);
		bool good = false;
		int rc = k ? is_accepted(c, &known[k - known], &good, e) : 0;

		if (rc || !good || !take_hash(k->hash, head->hash))
			return rc;
		head->seq = k->upto;
	}
}

static int
read_heads(struct call *c, struct auditfile_event *heads, unsigned *ret_n, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct audit_break *known = NULL;
	struct uuid node;
	size_t nknown = 0;
	int rc = lists_ask(c, STMT_EVENT_NODES, &b, &r, e);
	if (!rc)
		rc = audit_break_read(c->v, c->f, &known, &nknown, e);
	if (!rc && rows_count(r) > AUDITFILE_NODES_MAX)
		rc = err_set(e, ERR_TOO_LARGE, "the log is of more than %d nodes",
			     AUDITFILE_NODES_MAX);
	for (int i = 0; !rc && i < rows_count(r); i++) {
		row_uuid(r, i, COL_EVENT_NODES_NODE, &node);
		rc = head_of(c, &node, &heads[i], e);
		if (!rc)
			rc = follow_head(c, known, nknown, &heads[i], e);
	}
	free(known);
	if (!rc)
		*ret_n = (unsigned)rows_count(r);
	return rc;
}

/* Appends `sep`, the signature of the text so far, and nothing else. */
static int
sign_text(struct call *c, struct buf *text, const char *sep, struct err *e)
{
	uint8_t key[KEYS_SIGN_KEY_BYTES], sig[KEYS_SIGN_BYTES];
	int rc = keys_sign(c->v->keys, c->f, text->data, text->len, key, sig, e);
	if (rc)
		return rc;
	buf_adds(text, sep);
	add_hex(text, sig, sizeof(sig));
	return 0;
}

static int
head_text(struct call *c, const struct auditfile_event *heads, unsigned n, struct buf *text,
	  struct err *e)
{
	uint8_t key[KEYS_SIGN_KEY_BYTES], sig[KEYS_SIGN_BYTES];
	char at[CLOCK_ISO_LEN], node[UUID_STR_LEN];
	int rc = keys_sign(c->v->keys, c->f, "", 0, key, sig, e);
	if (rc)
		return rc;
	clock_iso(clock_now_us(), at);
	buf_adds(text, AUDITFILE_FIRST "\nkey ");
	add_hex(text, key, sizeof(key));
	buf_addf(text, "\nat %s\n", at);
	for (unsigned i = 0; i < n; i++) {
		uuid_str(&heads[i].node, node);
		buf_addf(text, "head %s %lld ", node, (long long)heads[i].seq);
		add_hex(text, heads[i].hash, sizeof(heads[i].hash));
		buf_addc(text, '\n');
	}
	return sign_text(c, text, "sign ", e);
}

static void
write_lines(struct json_out *out, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		json_out_textn(out, NULL, text, n);
		text += n + (text[n] == '\n');
	}
}

int
audit_export_head(struct call *c, struct json_out *out, struct err *e)
{
	struct auditfile_event *heads =
		arena_alloc(c->a, AUDITFILE_NODES_MAX * sizeof(struct auditfile_event));
	auto_buf text = BUF_INIT;
	unsigned n = 0;
	int rc = log_export(c, &(struct uuid){ 0 }, 0, e);
	if (!rc)
		rc = read_heads(c, heads, &n, e);
	if (!rc)
		rc = head_text(c, heads, n, &text, e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_array(out, "lines");
	write_lines(out, buf_str(&text));
	json_out_end_array(out);
	json_out_array(out, "heads");
	for (unsigned i = 0; i < n; i++) {
		json_out_object(out, NULL);
		json_out_uuid(out, "node", &heads[i].node);
		json_out_int(out, "seq", heads[i].seq);
		json_out_end_object(out);
	}
	json_out_end_array(out);
	json_out_end_object(out);
	return 0;
}

/* ---- a part ---- */

/* Of an event that is gone, whose hash the break that was accepted tells. */
static int
read_lost_hash(struct part *p, struct err *e)
{
	bool good = false;
	int rc = 0;

	for (size_t i = 0; i < p->nknown && !rc && !good; i++) {
		struct audit_break *b = &p->known[i];

		if (uuid_eq(&b->node, &p->node) && b->upto == p->from &&
		    take_hash(b->hash, p->from_hash))
			rc = is_accepted(p->c, b, &good, e);
	}
	if (rc || good)
		return rc;
	return err_set(e, ERR_BAD_FIELD, "after: node %s has no event %lld", p->node_text,
		       (long long)p->from);
}

static int
read_from_hash(struct part *p, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	size_t len = 0;
	if (!p->from)
		return 0;
	bind_uuid(&b, &p->node);
	bind_bigint(&b, p->from);
	int rc = lists_ask(p->c, STMT_EVENT_HASH, &b, &r, e);
	if (rc)
		return rc;
	const void *hash = rows_count(r) ? row_bytea(r, 0, COL_EVENT_HASH_HASH, &len) : NULL;
	if (!hash)
		return read_lost_hash(p, e);
	if (len != sizeof(p->from_hash))
		return err_set(e, ERR_BAD_FIELD, "after: node %s has no event %lld", p->node_text,
			       (long long)p->from);
	memcpy(p->from_hash, hash, len);
	return 0;
}

static int
not_fitting(const struct part *p, int64_t seq, struct err *e)
{
	return err_set(e, ERR_REFUSED,
		       "event %lld of node %s does not fit its chain, so it is not signed: run "
		       "`holdfast audit verify`",
		       (long long)seq, p->node_text);
}

/* Where the next part has to begin, because a break that was accepted may be there. */
static int64_t
next_break(const struct part *p, int64_t after)
{
	int64_t seq = INT64_MAX;

	for (size_t i = 0; i < p->nknown; i++) {
		const struct audit_break *b = &p->known[i];

		if (uuid_eq(&b->node, &p->node) && b->seq > after && b->seq < seq)
			seq = b->seq;
	}
	return seq;
}

/* Takes the rows that fit into a part; end[i] is where the canonical bytes of the i-th end. */
static int
encode_part(struct part *p, int64_t upto, struct buf *bytes, size_t *end, struct err *e)
{
	int64_t stop = next_break(p, p->from + 1);
	int n = rows_count(p->rows);
	for (int i = 0; i < n && bytes->len < PART_BYTES; i++) {
		struct event *ev = &p->ev[i];
		audit_break_row(p->rows, i, &p->node, ev);
		if (ev->seq > upto || (i && ev->seq >= stop))
			break;
		if (ev->seq != p->from + i + 1 || !audit_break_encodable(ev))
			return not_fitting(p, p->from + i + 1, e);
		event_encode(ev, bytes);
		end[i] = bytes->len;
		p->n = (size_t)i + 1;
	}
	if (!p->n && !p->njumps)
		return err_set(e, ERR_BAD_FIELD, "after: node %s has no event after %lld",
			       p->node_text, (long long)p->from);
	return 0;
}

static int
check_part(struct part *p, int64_t upto, struct err *e)
{
	auto_buf bytes = BUF_INIT;
	size_t end[PART_ROWS], at = 0, len, first = p->bare;
	struct iovec items[PART_ROWS];
	uint8_t out[PART_ROWS][KEYS_HASH_BYTES];
	const uint8_t *before = p->from_hash;
	int rc = encode_part(p, upto, &bytes, end, e);
	for (size_t i = 0; i < p->n; at = end[i], i++)
		items[i] = (struct iovec){ bytes.data + at, end[i] - at };
	if (!rc && p->n && p->bare) /* its hash was looked at when it was found to be accepted */
		before = row_bytea(p->rows, 0, COL_EVENT_CHUNK_HASH, &len);
	if (!rc && p->n > first)
		rc = keys_chain(p->c->v->keys, p->c->f, before, items + first, p->n - first,
				out + first, e);
	for (size_t i = first; !rc && i < p->n; i++) {
		const void *hash = row_bytea(p->rows, (int)i, COL_EVENT_CHUNK_HASH, &len);
		if (len != KEYS_HASH_BYTES || memcmp(hash, out[i], len))
			return not_fitting(p, p->ev[i].seq, e);
	}
	return rc;
}

/* ---- breaks that were accepted ---- */

/* Whether the next row is the one with which the chain was accepted to go on. */
static int
fits_resume(struct part *p, const struct audit_break *b, bool *ret, struct err *e)
{
	uint8_t digest[KEYS_HASH_BYTES];
	char hex[HEX(KEYS_HASH_BYTES)];
	struct event ev;
	const void *hash;
	size_t len;
	int rc;

	audit_break_row(p->rows, 0, &p->node, &ev);
	hash = row_bytea(p->rows, 0, COL_EVENT_CHUNK_HASH, &len);
	if (ev.seq != b->resume || len != KEYS_HASH_BYTES || !audit_break_encodable(&ev))
		return 0;
	sodium_bin2hex(hex, sizeof(hex), hash, len);
	if (strcmp(hex, b->hash) != 0)
		return 0;
	rc = audit_break_digest(p->c->v, p->c->f, &ev, digest, e);
	sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest));
	*ret = !rc && strcmp(hex, b->digest) == 0;
	return rc;
}

/* Up to where an earlier export may have other events than this one. */
static int64_t
lost_upto(const struct part *p, const struct audit_break *b)
{
	auto_buf at = BUF_INIT;
	int64_t upto = b->seq;
	struct event ev;

	if (b->resume || b->upto)
		return b->resume ? b->resume : b->upto;
	audit_break_row(p->rows, 0, &p->node, &ev);
	if (ev.kind == EVENT_LOG_CUT && event_body_get(ev.body, "remembered", &at) == 0)
		upto = strtoll(buf_str(&at), NULL, 10);
	return upto > b->seq ? upto : b->seq;
}

/* Whether the break is the one that is here, and where the file goes on behind it. */
static int
try_jump(struct part *p, struct audit_break *b, struct jump *j, bool *ret, struct err *e)
{
	int64_t next = rows_count(p->rows) ? row_bigint(p->rows, 0, COL_EVENT_CHUNK_SEQ) : 0;
	int rc = 0;

	*ret = false;
	*j = (struct jump){ .b = b, .after = p->from, .last = p->from };
	memcpy(j->after_hash, p->from_hash, sizeof(j->after_hash));
	if (b->resume && next)
		rc = fits_resume(p, b, ret, e);
	else if (b->upto)
		*ret = (!next || next > b->upto) && take_hash(b->hash, j->last_hash);
	else
		*ret = next == b->seq;
	if (rc || !*ret)
		return rc;
	j->upto = lost_upto(p, b);
	if (b->resume || b->upto)
		j->last = b->resume ? b->resume - 1 : b->upto;
	else
		memcpy(j->last_hash, p->from_hash, sizeof(j->last_hash));
	return is_accepted(p->c, b, ret, e);
}

static bool
is_jumped(const struct part *p, const struct audit_break *b)
{
	for (size_t i = 0; i < p->njumps; i++)
		if (audit_break_same(p->jumps[i].b, b))
			return true;
	return false;
}

/* All that were accepted in front of the next event, one behind the other. */
static int
jump_breaks(struct part *p, struct err *e)
{
	for (size_t i = 0; i < p->nknown && p->njumps < JUMPS_MAX; i++) {
		struct audit_break *b = &p->known[i];
		struct jump *j = &p->jumps[p->njumps];
		bool here = false;
		int rc = 0;

		if (uuid_eq(&b->node, &p->node) && b->seq == p->from + 1 && !is_jumped(p, b))
			rc = try_jump(p, b, j, &here, e);
		if (rc)
			return rc;
		if (!here)
			continue;
		p->njumps++;
		p->from = j->last;
		memcpy(p->from_hash, j->last_hash, sizeof(p->from_hash));
		p->bare |= b->resume > 0;
		i = (size_t)-1; /* another may follow, wherever it stands */
	}
	return 0;
}

static int
write_jump(struct part *p, const struct jump *j, struct json_out *out, struct err *e)
{
	auto_buf line = BUF_INIT;
	char by[UUID_STR_LEN];
	int rc;

	uuid_str(&j->b->node_by, by);
	buf_addf(&line, "accepted %s %lld ", p->node_text, (long long)j->after);
	add_hex(&line, j->after_hash, sizeof(j->after_hash));
	buf_addf(&line, " %lld %lld ", (long long)j->upto, (long long)j->last);
	add_hex(&line, j->last_hash, sizeof(j->last_hash));
	buf_addf(&line, " %s %lld", by, (long long)j->b->seq_by);
	rc = sign_text(p->c, &line, " ", e);
	if (!rc)
		json_out_textn(out, NULL, line.data, line.len);
	return rc;
}

/* ---- what is written ---- */

static void
add_line(const struct part *p, size_t i, struct buf *line)
{
	const struct event *ev = &p->ev[i];
	struct json_out w;
	size_t len, json;
	buf_addf(line, "event %s %lld ", p->node_text, (long long)ev->seq);
	add_hex(line, row_bytea(p->rows, (int)i, COL_EVENT_CHUNK_HASH, &len), KEYS_HASH_BYTES);
	buf_addc(line, ' ');
	json = line->len;
	json_out_init(&w, line);
	json_out_object(&w, NULL);
	json_out_time(&w, "at", ev->at_us);
	json_out_text(&w, "kind", event_name(ev->kind));
	json_out_int(&w, "number", ev->kind);
	json_out_uuid(&w, "actor", &ev->actor);
	json_out_uuid(&w, "object", &ev->object);
	json_out_text(&w, "address", ev->address);
	audit_write_body(&w, "body", ev->body);
	json_out_end_object(&w);
	/* Between the words of JSON a line end is a space like any other. */
	for (; json < line->len; json++)
		if ((unsigned char)line->data[json] < 0x20 || line->data[json] == 0x7f)
			line->data[json] = ' ';
}

static int
write_events(struct part *p, struct json_out *out, struct err *e)
{
	crypto_generichash_state st;
	uint8_t digest[crypto_generichash_BYTES];
	auto_buf line = BUF_INIT;
	size_t len;
	crypto_generichash_init(&st, NULL, 0, sizeof(digest));
	for (size_t i = 0; i < p->n; i++) {
		buf_reset(&line);
		add_line(p, i, &line);
		json_out_textn(out, NULL, line.data, line.len);
		buf_addc(&line, '\n');
		crypto_generichash_update(&st, (const uint8_t *)line.data, line.len);
	}
	crypto_generichash_final(&st, digest, sizeof(digest));
	buf_reset(&line);
	buf_addf(&line, "checkpoint %s %lld ", p->node_text, (long long)p->from);
	add_hex(&line, p->from_hash, sizeof(p->from_hash));
	buf_addf(&line, " %lld ", (long long)p->ev[p->n - 1].seq);
	add_hex(&line, row_bytea(p->rows, (int)p->n - 1, COL_EVENT_CHUNK_HASH, &len),
		KEYS_HASH_BYTES);
	buf_addc(&line, ' ');
	add_hex(&line, digest, sizeof(digest));
	int rc = sign_text(p->c, &line, " ", e);
	if (!rc)
		json_out_textn(out, NULL, line.data, line.len);
	return rc;
}

static int
write_part(struct part *p, struct json_out *out, struct err *e)
{
	int rc = 0;
	json_out_object(out, NULL);
	json_out_array(out, "lines");
	for (size_t i = 0; i < p->njumps && !rc; i++)
		rc = write_jump(p, &p->jumps[i], out, e);
	if (!rc && p->n)
		rc = write_events(p, out, e);
	if (rc)
		return rc;
	json_out_end_array(out);
	json_out_int(out, "seq", p->n ? p->ev[p->n - 1].seq : p->from);
	json_out_end_object(out);
	return 0;
}

static int
read_part(struct part *p, int64_t upto, struct err *e)
{
	auto_binds b = BINDS_INIT;
	bind_uuid(&b, &p->node);
	bind_bigint(&b, p->from);
	bind_int(&b, PART_ROWS);
	int rc = audit_break_read(p->c->v, p->c->f, &p->known, &p->nknown, e);
	if (!rc)
		rc = read_from_hash(p, e);
	if (!rc)
		rc = lists_ask(p->c, STMT_EVENT_CHUNK, &b, &p->rows, e);
	if (!rc)
		rc = jump_breaks(p, e);
	return rc ? rc : check_part(p, upto, e);
}

int
audit_export_part(struct call *c, const struct uuid *node, int64_t after, int64_t upto,
		  struct json_out *out, struct err *e)
{
	struct part *p = mem_new(sizeof(*p));
	p->c = c;
	p->node = *node;
	p->from = after;
	uuid_str(node, p->node_text);
	int rc = read_part(p, upto, e);
	if (!rc)
		rc = log_export(c, node, after, e);
	if (!rc)
		rc = write_part(p, out, e);
	rows_free(p->rows);
	free(p->known);
	free(p);
	return rc;
}
