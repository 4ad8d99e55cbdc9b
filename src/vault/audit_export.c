/* SPDX-License-Identifier: Apache-2.0
 *
 * The export: a signed head with the ends of all chains, then each chain in parts, each closed by a
 * signed checkpoint. A part is signed only after its keyed chain was verified. Requests know
 * nothing of each other: what joins the parts are the hashes at their ends.
 */
#include "vault/audit.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "crypto/auditfile.h"

#define PART_ROWS 200
#define PART_BYTES (4u << 20)
#define HEX(bytes) (2 * (bytes) + 1)

struct part {
	struct call *c;
	struct uuid node;
	char node_text[UUID_STR_LEN];
	int64_t from;
	uint8_t from_hash[KEYS_HASH_BYTES];
	struct rows *rows;
	struct event ev[PART_ROWS];
	size_t n;
};

static int
log_export(struct call *c, const struct uuid *node, int64_t after, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct jw w;
	jw_init(&w, &body);
	jw_object(&w, NULL);
	jw_bool(&w, "export", true);
	if (!uuid_is_nil(node)) {
		jw_uuid(&w, "node", node);
		jw_int(&w, "after", after);
	}
	jw_end_object(&w);
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
	int rc = db_exec(vault_reader(c->v), c->f, STMT_EVENT_HEAD, &b, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) != 1)
		return err_set(e, ERR_CHAIN_BROKEN, "a chain has no end");
	ret->node = *node;
	ret->seq = row_bigint(r, 0, 0);
	const void *hash = row_bytea(r, 0, 1, &len);
	if (len != sizeof(ret->hash))
		return err_set(e, ERR_CHAIN_BROKEN, "the hash of event %lld is damaged",
			       (long long)ret->seq);
	memcpy(ret->hash, hash, len);
	return 0;
}

static int
read_heads(struct call *c, struct auditfile_event *heads, unsigned *ret_n, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct uuid node;
	int rc = db_exec(vault_reader(c->v), c->f, STMT_EVENT_NODES, &b, &r, e);
	if (!rc && rows_count(r) > AUDITFILE_NODES_MAX)
		return err_set(e, ERR_TOO_LARGE, "the log is of more than %d nodes",
			       AUDITFILE_NODES_MAX);
	for (int i = 0; !rc && i < rows_count(r); i++) {
		row_uuid(r, i, 0, &node);
		rc = head_of(c, &node, &heads[i], e);
	}
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
write_lines(struct jw *out, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		jw_textn(out, NULL, text, n);
		text += n + (text[n] == '\n');
	}
}

int
audit_export_head(struct call *c, struct jw *out, struct err *e)
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
	jw_object(out, NULL);
	jw_array(out, "lines");
	write_lines(out, buf_str(&text));
	jw_end_array(out);
	jw_array(out, "heads");
	for (unsigned i = 0; i < n; i++) {
		jw_object(out, NULL);
		jw_uuid(out, "node", &heads[i].node);
		jw_int(out, "seq", heads[i].seq);
		jw_end_object(out);
	}
	jw_end_array(out);
	jw_end_object(out);
	return 0;
}

/* ---- a part ---- */

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
	int rc = db_exec(vault_reader(p->c->v), p->c->f, STMT_EVENT_HASH, &b, &r, e);
	if (rc)
		return rc;
	const void *hash = rows_count(r) ? row_bytea(r, 0, 0, &len) : NULL;
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

/* Takes the rows that fit into a part; end[i] is where the canonical bytes of the i-th end. */
static int
encode_part(struct part *p, int64_t upto, struct buf *bytes, size_t *end, struct err *e)
{
	int n = rows_count(p->rows);
	for (int i = 0; i < n && bytes->len < PART_BYTES; i++) {
		struct event *ev = &p->ev[i];
		*ev = (struct event){ .node = p->node, .seq = row_bigint(p->rows, i, 0) };
		ev->at_us = row_time(p->rows, i, 1);
		ev->kind = (enum event_kind)row_int(p->rows, i, 2);
		row_uuid(p->rows, i, 3, &ev->actor);
		row_uuid(p->rows, i, 4, &ev->object);
		ev->address = row_text(p->rows, i, 5);
		ev->body = row_text(p->rows, i, 6);
		if (ev->seq > upto)
			break;
		if (ev->seq != p->from + i + 1 || strlen(ev->address) > EVENT_ADDRESS_MAX ||
		    strlen(ev->body) > EVENT_BODY_MAX || (unsigned)ev->kind > UINT16_MAX)
			return not_fitting(p, p->from + i + 1, e);
		event_encode(ev, bytes);
		end[i] = bytes->len;
		p->n = (size_t)i + 1;
	}
	if (!p->n)
		return err_set(e, ERR_BAD_FIELD, "after: node %s has no event after %lld",
			       p->node_text, (long long)p->from);
	return 0;
}

static int
check_part(struct part *p, int64_t upto, struct err *e)
{
	auto_buf bytes = BUF_INIT;
	size_t end[PART_ROWS], at = 0, len;
	struct iovec items[PART_ROWS];
	uint8_t out[PART_ROWS][KEYS_HASH_BYTES];
	int rc = encode_part(p, upto, &bytes, end, e);
	for (size_t i = 0; i < p->n; at = end[i], i++)
		items[i] = (struct iovec){ bytes.data + at, end[i] - at };
	if (!rc)
		rc = keys_chain(p->c->v->keys, p->c->f, p->from_hash, items, p->n, out, e);
	for (size_t i = 0; !rc && i < p->n; i++) {
		const void *hash = row_bytea(p->rows, (int)i, 7, &len);
		if (len != KEYS_HASH_BYTES || memcmp(hash, out[i], len))
			return not_fitting(p, p->ev[i].seq, e);
	}
	return rc;
}

static void
add_line(const struct part *p, size_t i, struct buf *line)
{
	const struct event *ev = &p->ev[i];
	struct jw w;
	size_t len, json;
	buf_addf(line, "event %s %lld ", p->node_text, (long long)ev->seq);
	add_hex(line, row_bytea(p->rows, (int)i, 7, &len), KEYS_HASH_BYTES);
	buf_addc(line, ' ');
	json = line->len;
	jw_init(&w, line);
	jw_object(&w, NULL);
	jw_time(&w, "at", ev->at_us);
	jw_text(&w, "kind", event_name(ev->kind));
	jw_int(&w, "number", ev->kind);
	jw_uuid(&w, "actor", &ev->actor);
	jw_uuid(&w, "object", &ev->object);
	jw_text(&w, "address", ev->address);
	audit_write_body(&w, "body", ev->body);
	jw_end_object(&w);
	/* Between the words of JSON a line end is a space like any other. */
	for (; json < line->len; json++)
		if ((unsigned char)line->data[json] < 0x20 || line->data[json] == 0x7f)
			line->data[json] = ' ';
}

static int
write_part(struct part *p, struct jw *out, struct err *e)
{
	crypto_generichash_state st;
	uint8_t digest[crypto_generichash_BYTES];
	auto_buf line = BUF_INIT;
	size_t len;
	crypto_generichash_init(&st, NULL, 0, sizeof(digest));
	jw_object(out, NULL);
	jw_array(out, "lines");
	for (size_t i = 0; i < p->n; i++) {
		buf_reset(&line);
		add_line(p, i, &line);
		jw_textn(out, NULL, line.data, line.len);
		buf_addc(&line, '\n');
		crypto_generichash_update(&st, (const uint8_t *)line.data, line.len);
	}
	crypto_generichash_final(&st, digest, sizeof(digest));
	buf_reset(&line);
	buf_addf(&line, "checkpoint %s %lld ", p->node_text, (long long)p->from);
	add_hex(&line, p->from_hash, sizeof(p->from_hash));
	buf_addf(&line, " %lld ", (long long)p->ev[p->n - 1].seq);
	add_hex(&line, row_bytea(p->rows, (int)p->n - 1, 7, &len), KEYS_HASH_BYTES);
	buf_addc(&line, ' ');
	add_hex(&line, digest, sizeof(digest));
	int rc = sign_text(p->c, &line, " ", e);
	if (rc)
		return rc;
	jw_textn(out, NULL, line.data, line.len);
	jw_end_array(out);
	jw_int(out, "seq", p->ev[p->n - 1].seq);
	jw_end_object(out);
	return 0;
}

static int
read_part(struct part *p, int64_t upto, struct err *e)
{
	auto_binds b = BINDS_INIT;
	bind_uuid(&b, &p->node);
	bind_bigint(&b, p->from);
	bind_int(&b, PART_ROWS);
	int rc = read_from_hash(p, e);
	if (!rc)
		rc = db_exec(vault_reader(p->c->v), p->c->f, STMT_EVENT_CHUNK, &b, &p->rows, e);
	return rc ? rc : check_part(p, upto, e);
}

int
audit_export_part(struct call *c, const struct uuid *node, int64_t after, int64_t upto,
		  struct jw *out, struct err *e)
{
	struct part *p = calloc(1, sizeof(*p));
	if (!p)
		abort();
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
	free(p);
	return rc;
}
