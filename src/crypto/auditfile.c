/* SPDX-License-Identifier: Apache-2.0
 *
 * Invariants: 1. Nodes come in the order of the head, each from event 1 to the end that the head
 * names, without gaps. 2. Each part of a node's events is closed by a checkpoint that begins where
 * the one before it ended. 3. Nothing follows the line "end".
 */
#include "crypto/auditfile.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_BYTES crypto_generichash_BYTES
#define SIG_BYTES crypto_sign_BYTES
#define SEQ_DIGITS 18

struct auditfile {
	FILE *f;
	const char *name;
	int64_t line_no;
	struct buf line;
	uint8_t key[AUDITFILE_KEY_BYTES];
	char at[32];
	unsigned nheads, node; /* heads[node] is being read */
	struct auditfile_event heads[AUDITFILE_NODES_MAX];
	int64_t seq; /* of the last event; 0: none of this node yet */
	uint8_t hash[KEYS_HASH_BYTES];
	int64_t part_seq; /* where the open part began */
	uint8_t part_hash[KEYS_HASH_BYTES];
	crypto_generichash_state digest;
};

static int broken(const struct auditfile *a, struct err *e, const char *fmt, ...) PRINTF(3, 4);

static int
broken(const struct auditfile *a, struct err *e, const char *fmt, ...)
{
	char what[320];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(e, ERR_CHAIN_BROKEN, "%.128s, line %lld: %s", a->name, (long long)a->line_no,
		       what);
}

static const char *
node_text(const struct uuid *node, char text[static UUID_STR_LEN])
{
	uuid_str(node, text);
	return text;
}

/* ---- lines and words ---- */

static int
read_line(struct auditfile *a, struct err *e)
{
	int c;
	buf_reset(&a->line);
	a->line_no++;
	while ((c = getc_unlocked(a->f)) != EOF && c != '\n') {
		if (c < 0x20 || c == 0x7f)
			return broken(a, e, "a control character");
		if (a->line.len == AUDITFILE_LINE_MAX)
			return broken(a, e, "the line is too long");
		buf_addc(&a->line, (char)c);
	}
	if (ferror(a->f))
		return err_errno(e, ERR_IO, "cannot read %s", a->name);
	if (c == EOF)
		return broken(a, e, "the file was cut here: it does not come to its end");
	return 0;
}

/* Takes the word up to the next space or the end; false when it is empty or does not fit. */
static bool
take_word(const char **p, char *ret, size_t n)
{
	size_t len = strcspn(*p, " ");
	if (!len || len >= n)
		return false;
	memcpy(ret, *p, len);
	ret[len] = '\0';
	*p += len;
	if (**p == ' ' && *++*p == '\0')
		return false;
	return true;
}

static bool
take_word_is(const char **p, const char *want)
{
	char word[24];
	return take_word(p, word, sizeof(word)) && strcmp(word, want) == 0;
}

/* One form only: lower case. */
static bool
take_hex(const char **p, uint8_t *ret, size_t n)
{
	char word[2 * SIG_BYTES + 1];
	if (!take_word(p, word, sizeof(word)) || strlen(word) != 2 * n ||
	    strspn(word, "0123456789abcdef") != 2 * n)
		return false;
	return sodium_hex2bin(ret, n, word, 2 * n, NULL, NULL, NULL) == 0;
}

static bool
take_seq(const char **p, int64_t *ret)
{
	char word[SEQ_DIGITS + 1];
	if (!take_word(p, word, sizeof(word)) || strspn(word, "0123456789") != strlen(word) ||
	    (word[0] == '0' && word[1]))
		return false;
	*ret = strtoll(word, NULL, 10);
	return true;
}

static bool
take_node(const char **p, struct uuid *ret)
{
	char word[UUID_STR_LEN], again[UUID_STR_LEN];
	if (!take_word(p, word, sizeof(word)) || uuid_parse(word, ret))
		return false;
	return strcmp(word, node_text(ret, again)) == 0;
}

static bool
signature_fits(const struct auditfile *a, const char *text, size_t n, const uint8_t *sig)
{
	auto_buf signed_text = BUF_INIT;
	buf_adds(&signed_text, KEYS_SIGN_CONTEXT);
	buf_add(&signed_text, text, n);
	return crypto_sign_verify_detached(sig, (const uint8_t *)signed_text.data, signed_text.len,
					   a->key) == 0;
}

/* ---- the head ---- */

static int
add_head(struct auditfile *a, const char *p, struct err *e)
{
	struct auditfile_event *h = &a->heads[a->nheads];
	if (a->nheads == AUDITFILE_NODES_MAX)
		return broken(a, e, "more than %d nodes", AUDITFILE_NODES_MAX);
	if (!take_node(&p, &h->node) || !take_seq(&p, &h->seq) ||
	    !take_hex(&p, h->hash, sizeof(h->hash)) || *p || h->seq < 1)
		return broken(a, e, "not an end of a chain: head NODE NUMBER HASH");
	if (a->nheads && memcmp(h[-1].node.b, h->node.b, sizeof(h->node.b)) >= 0)
		return broken(a, e, "the nodes are not in order");
	a->nheads++;
	return 0;
}

static int
read_first(struct auditfile *a, struct buf *text, struct err *e)
{
	const char *p;
	int rc = read_line(a, e);
	if (rc || strcmp(buf_str(&a->line), AUDITFILE_FIRST) != 0)
		return rc && rc != ERR_CHAIN_BROKEN
			       ? rc
			       : broken(a, e, "not an export of the audit log of this version");
	buf_addf(text, "%s\n", buf_str(&a->line));
	rc = read_line(a, e);
	if (rc)
		return rc;
	p = buf_str(&a->line);
	if (!take_word_is(&p, "key") || !take_hex(&p, a->key, sizeof(a->key)) || *p)
		return broken(a, e, "the public key is missing");
	buf_addf(text, "%s\n", buf_str(&a->line));
	rc = read_line(a, e);
	if (rc)
		return rc;
	p = buf_str(&a->line);
	if (!take_word_is(&p, "at") || !take_word(&p, a->at, sizeof(a->at)) || *p)
		return broken(a, e, "the time is missing");
	buf_addf(text, "%s\n", buf_str(&a->line));
	return 0;
}

static int
read_head(struct auditfile *a, struct err *e)
{
	auto_buf text = BUF_INIT;
	uint8_t sig[SIG_BYTES];
	int rc = read_first(a, &text, e);
	while (!rc) {
		rc = read_line(a, e);
		if (rc)
			break;
		const char *p = buf_str(&a->line);
		if (take_word_is(&p, "head")) {
			rc = add_head(a, p, e);
			buf_addf(&text, "%s\n", buf_str(&a->line));
			continue;
		}
		p = buf_str(&a->line);
		if (!take_word_is(&p, "sign") || !take_hex(&p, sig, sizeof(sig)) || *p)
			return broken(a, e, "neither an end of a chain nor the head's signature");
		if (!signature_fits(a, buf_str(&text), text.len, sig))
			return broken(a, e,
				      "the head's signature does not fit: the head was changed");
		return 0;
	}
	return rc;
}

static void
begin_part(struct auditfile *a)
{
	a->part_seq = a->seq;
	memcpy(a->part_hash, a->hash, sizeof(a->part_hash));
	crypto_generichash_init(&a->digest, NULL, 0, DIGEST_BYTES);
}

int
auditfile_open(FILE *f, const char *name, struct auditfile **ret, struct err *e)
{
	struct auditfile *a = calloc(1, sizeof(*a));
	if (!a)
		abort();
	a->f = f;
	a->name = name;
	begin_part(a);
	int rc = read_head(a, e);
	if (rc) {
		auditfile_free(a);
		return rc;
	}
	*ret = a;
	return 0;
}

void
auditfile_free(struct auditfile *a)
{
	if (!a)
		return;
	buf_done(&a->line);
	free(a);
}

const uint8_t *
auditfile_key(const struct auditfile *a)
{
	return a->key;
}

const char *
auditfile_at(const struct auditfile *a)
{
	return a->at;
}

unsigned
auditfile_heads(const struct auditfile *a, const struct auditfile_event **ret)
{
	*ret = a->heads;
	return a->nheads;
}

/* ---- events ---- */

static int
take_event(struct auditfile *a, const char *p, struct auditfile_event *ret, struct err *e)
{
	const struct auditfile_event *head = &a->heads[a->node];
	char name[UUID_STR_LEN];
	size_t n;
	if (!take_node(&p, &ret->node) || !take_seq(&p, &ret->seq) ||
	    !take_hex(&p, ret->hash, sizeof(ret->hash)))
		return broken(a, e, "not an event: event NODE NUMBER HASH JSON");
	n = strlen(p);
	if (n < 2 || p[0] != '{' || p[n - 1] != '}')
		return broken(a, e, "an event without its JSON");
	if (!uuid_eq(&ret->node, &head->node))
		return broken(a, e, "event %lld of node %s is expected, but here is another node",
			      (long long)a->seq + 1, node_text(&head->node, name));
	if (ret->seq != a->seq + 1 || ret->seq > head->seq)
		return broken(a, e, "event %lld of node %s is expected, but here is event %lld",
			      (long long)a->seq + 1, node_text(&head->node, name),
			      (long long)ret->seq);
	crypto_generichash_update(&a->digest, (const uint8_t *)a->line.data, a->line.len);
	crypto_generichash_update(&a->digest, (const uint8_t *)"\n", 1);
	a->seq = ret->seq;
	memcpy(a->hash, ret->hash, sizeof(a->hash));
	return 1;
}

/* The parts of a checkpoint's line. */
struct checkpoint {
	struct auditfile_event from, to;
	uint8_t digest[DIGEST_BYTES], sig[SIG_BYTES];
	size_t text_len; /* what is signed */
};

static bool
parse_checkpoint(const char *line, const char *p, struct checkpoint *c)
{
	if (!take_node(&p, &c->to.node) || !take_seq(&p, &c->from.seq) ||
	    !take_hex(&p, c->from.hash, sizeof(c->from.hash)) || !take_seq(&p, &c->to.seq) ||
	    !take_hex(&p, c->to.hash, sizeof(c->to.hash)) ||
	    !take_hex(&p, c->digest, sizeof(c->digest)))
		return false;
	c->text_len = (size_t)(p - line) - 1;
	return take_hex(&p, c->sig, sizeof(c->sig)) && !*p;
}

static void
next_node(struct auditfile *a)
{
	a->node++;
	a->seq = 0;
	memset(a->hash, 0, sizeof(a->hash));
}

static int
take_checkpoint(struct auditfile *a, const char *p, struct err *e)
{
	const struct auditfile_event *head = &a->heads[a->node];
	uint8_t digest[DIGEST_BYTES];
	char name[UUID_STR_LEN];
	struct checkpoint c;
	if (!parse_checkpoint(buf_str(&a->line), p, &c))
		return broken(a, e, "not a checkpoint");
	node_text(&head->node, name);
	if (!signature_fits(a, a->line.data, c.text_len, c.sig))
		return broken(a, e, "the signature of the checkpoint of node %s does not fit",
			      name);
	if (!uuid_eq(&c.to.node, &head->node) || c.from.seq != a->part_seq || c.to.seq != a->seq ||
	    a->seq == a->part_seq)
		return broken(a, e,
			      "this checkpoint is of other events than those that stand before it, "
			      "%lld to %lld of node %s",
			      (long long)a->part_seq + 1, (long long)a->seq, name);
	crypto_generichash_final(&a->digest, digest, sizeof(digest));
	if (memcmp(digest, c.digest, sizeof(digest)) || memcmp(c.to.hash, a->hash, sizeof(a->hash)))
		return broken(
			a, e,
			"of the events %lld to %lld of node %s at least one was changed: they "
			"are not what was signed",
			(long long)a->part_seq + 1, (long long)a->seq, name);
	if (memcmp(c.from.hash, a->part_hash, sizeof(a->part_hash)))
		return broken(a, e,
			      "event %lld of node %s does not follow the one that stands before it",
			      (long long)a->part_seq + 1, name);
	if (a->seq == head->seq) {
		if (memcmp(a->hash, head->hash, sizeof(a->hash)))
			return broken(a, e, "node %s does not end as the head says", name);
		next_node(a);
	}
	begin_part(a);
	return 0;
}

static int
take_end(struct auditfile *a, struct err *e)
{
	if (strcmp(buf_str(&a->line), "end") != 0)
		return broken(a, e, "the end is expected here");
	if (getc_unlocked(a->f) != EOF)
		return broken(a, e, "something follows the end");
	return 0;
}

int
auditfile_next(struct auditfile *a, struct auditfile_event *ret, struct err *e)
{
	char name[UUID_STR_LEN];
	for (;;) {
		int rc = read_line(a, e);
		if (rc)
			return rc;
		if (a->node == a->nheads)
			return take_end(a, e);
		const char *p = buf_str(&a->line);
		if (take_word_is(&p, "event"))
			return take_event(a, p, ret, e);
		p = buf_str(&a->line);
		if (!take_word_is(&p, "checkpoint"))
			return broken(
				a, e, "event %lld of node %s or a checkpoint is expected here",
				(long long)a->seq + 1, node_text(&a->heads[a->node].node, name));
		rc = take_checkpoint(a, p, e);
		if (rc)
			return rc;
	}
}

/* ---- two exports ---- */

static int
order(const struct auditfile_event *x, const struct auditfile_event *y)
{
	int c = memcmp(x->node.b, y->node.b, sizeof(x->node.b));
	return c ? c : (x->seq > y->seq) - (x->seq < y->seq);
}

static int
check_pair(const struct auditfile *later, const struct auditfile_event *old, int have,
	   const struct auditfile_event *now, struct err *e)
{
	char name[UUID_STR_LEN];
	node_text(&old->node, name);
	if (!have || order(now, old) != 0)
		return err_set(e, ERR_CHAIN_BROKEN,
			       "event %lld of node %s is in the earlier export, but not in %.128s: "
			       "the log was cut",
			       (long long)old->seq, name, later->name);
	if (memcmp(now->hash, old->hash, sizeof(now->hash)))
		return err_set(e, ERR_CHAIN_BROKEN,
			       "event %lld of node %s is another one in %.128s than in the earlier "
			       "export: the log was written anew",
			       (long long)old->seq, name, later->name);
	return 0;
}

/* One event of the earlier export is looked for in the later one, where it can only come later. */
static int
find_event(struct auditfile *later, const struct auditfile_event *old, int64_t *events,
	   struct err *e)
{
	struct auditfile_event now = { 0 };
	int have;
	do {
		have = auditfile_next(later, &now, e);
		if (have < 0)
			return have;
		*events += have;
	} while (have && order(&now, old) < 0);
	return check_pair(later, old, have, &now, e);
}

int
auditfile_verify(struct auditfile *later, struct auditfile *earlier, int64_t *ret_events,
		 struct err *e)
{
	struct auditfile_event ev;
	int64_t events = 0;
	int rc = 0;
	if (earlier && memcmp(later->key, earlier->key, sizeof(later->key)))
		return err_set(e, ERR_CHAIN_BROKEN,
			       "%.128s and %.128s are signed with different keys: they are not of "
			       "one vault",
			       later->name, earlier->name);
	while (earlier && (rc = auditfile_next(earlier, &ev, e)) == 1) {
		rc = find_event(later, &ev, &events, e);
		if (rc)
			return rc;
	}
	if (rc)
		return rc;
	while ((rc = auditfile_next(later, &ev, e)) == 1)
		events++;
	if (rc)
		return rc;
	*ret_events = events;
	return 0;
}
