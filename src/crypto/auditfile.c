/* SPDX-License-Identifier: Apache-2.0
 *
 * Invariants: 1. Nodes come in the order of the head, each from event 1 to the end that the head
 * names, without gaps. 2. A checkpoint that begins where the previous one ended closes each part of
 * a node's events. 3. Between two parts, and nowhere else, a signed line may say where the chain
 * goes on instead, because an administrator accepted a break; the event that accepts it is in the
 * file. 4. Nothing follows the line "end".
 */
#include "crypto/auditfile.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

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
	unsigned naccepted;
	struct auditfile_accepted accepted[AUDITFILE_ACCEPTED_MAX];
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
	struct auditfile *a = mem_new(sizeof(*a));
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

unsigned
auditfile_accepted(const struct auditfile *a, const struct auditfile_accepted **ret)
{
	*ret = a->accepted;
	return a->naccepted;
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

/* What was read so far is proven; the chain may be at its end. */
static int
end_part(struct auditfile *a, struct err *e)
{
	const struct auditfile_event *head = &a->heads[a->node];
	char name[UUID_STR_LEN];
	if (a->seq == head->seq) {
		if (memcmp(a->hash, head->hash, sizeof(a->hash)))
			return broken(a, e, "node %s does not end as the head says",
				      node_text(&head->node, name));
		next_node(a);
	}
	begin_part(a);
	return 0;
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
	return end_part(a, e);
}

struct accepted_line {
	struct auditfile_event from, to;
	struct auditfile_accepted b;
	uint8_t sig[SIG_BYTES];
	size_t text_len;
};

static bool
parse_accepted(const char *line, const char *p, struct accepted_line *l)
{
	if (!take_node(&p, &l->b.node) || !take_seq(&p, &l->from.seq) ||
	    !take_hex(&p, l->from.hash, sizeof(l->from.hash)) || !take_seq(&p, &l->b.to) ||
	    !take_seq(&p, &l->to.seq) || !take_hex(&p, l->to.hash, sizeof(l->to.hash)) ||
	    !take_node(&p, &l->b.node_by) || !take_seq(&p, &l->b.seq_by))
		return false;
	l->b.from = l->from.seq + 1;
	l->b.next = l->to.seq + 1;
	l->text_len = (size_t)(p - line) - 1;
	return take_hex(&p, l->sig, sizeof(l->sig)) && !*p;
}

/* Whether the head says that the file has the event that accepts the break. */
static bool
has_acceptance(const struct auditfile *a, const struct auditfile_accepted *b)
{
	for (unsigned i = 0; i < a->nheads; i++)
		if (uuid_eq(&a->heads[i].node, &b->node_by))
			return b->seq_by > 0 && b->seq_by <= a->heads[i].seq;
	return false;
}

static int
take_accepted(struct auditfile *a, const char *p, struct err *e)
{
	const struct auditfile_event *head = &a->heads[a->node];
	struct accepted_line l;
	char name[UUID_STR_LEN];
	if (!parse_accepted(buf_str(&a->line), p, &l))
		return broken(a, e, "not an accepted break");
	node_text(&head->node, name);
	if (!signature_fits(a, a->line.data, l.text_len, l.sig))
		return broken(a, e, "the signature of the accepted break of node %s does not fit",
			      name);
	if (!uuid_eq(&l.b.node, &head->node) || a->seq != a->part_seq || l.from.seq != a->seq ||
	    memcmp(l.from.hash, a->hash, sizeof(a->hash)) || l.to.seq < a->seq ||
	    l.to.seq > head->seq || l.b.to < l.b.from || !has_acceptance(a, &l.b))
		return broken(a, e,
			      "this accepted break is not one of the place where it stands, event "
			      "%lld of node %s",
			      (long long)a->seq + 1, name);
	if (a->naccepted == AUDITFILE_ACCEPTED_MAX)
		return broken(a, e, "more than %d accepted breaks", AUDITFILE_ACCEPTED_MAX);
	a->accepted[a->naccepted++] = l.b;
	a->seq = l.to.seq;
	memcpy(a->hash, l.to.hash, sizeof(a->hash));
	return end_part(a, e);
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

/* The next event: 1; at the proven end: 0; ERR_CHAIN_BROKEN with the first break named. */
static int
next_event(struct auditfile *a, struct auditfile_event *ret, struct err *e)
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
		bool accepted = take_word_is(&p, "accepted");
		if (!accepted)
			p = buf_str(&a->line);
		if (!accepted && !take_word_is(&p, "checkpoint"))
			return broken(
				a, e, "event %lld of node %s or a checkpoint is expected here",
				(long long)a->seq + 1, node_text(&a->heads[a->node].node, name));
		rc = accepted ? take_accepted(a, p, e) : take_checkpoint(a, p, e);
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

/* Of the later export: the event that was read last, to be looked at again. */
struct ahead {
	struct auditfile *a;
	struct auditfile_event now;
	int have; /* 1: now; 0: at the end; -1: not begun */
	int64_t events;
};

static int
step(struct ahead *x, struct err *e)
{
	int rc = next_event(x->a, &x->now, e);
	if (rc < 0)
		return rc;
	x->have = rc;
	x->events += rc;
	return 0;
}

static bool
is_lost(const struct auditfile *later, const struct auditfile_event *old)
{
	for (unsigned i = 0; i < later->naccepted; i++) {
		const struct auditfile_accepted *b = &later->accepted[i];
		if (uuid_eq(&b->node, &old->node) && b->from <= old->seq && old->seq <= b->to)
			return true;
	}
	return false;
}

static int
check_pair(const struct ahead *x, const struct auditfile_event *old, int64_t *lost, struct err *e)
{
	bool there = x->have == 1 && order(&x->now, old) == 0;
	char name[UUID_STR_LEN];
	if (there && memcmp(x->now.hash, old->hash, sizeof(old->hash)) == 0)
		return 0;
	if (is_lost(x->a, old)) {
		++*lost;
		return 0;
	}
	node_text(&old->node, name);
	if (!there)
		return err_set(e, ERR_CHAIN_BROKEN,
			       "event %lld of node %s is in the earlier export, but not in %.128s: "
			       "the log was cut",
			       (long long)old->seq, name, x->a->name);
	return err_set(e, ERR_CHAIN_BROKEN,
		       "event %lld of node %s is another one in %.128s than in the earlier "
		       "export: the log was rewritten",
		       (long long)old->seq, name, x->a->name);
}

/* One event of the earlier export is looked for in the later one, where it can only come later. */
static int
find_event(struct ahead *x, const struct auditfile_event *old, int64_t *lost, struct err *e)
{
	int rc = 0;
	while (!rc && x->have && (x->have < 0 || order(&x->now, old) < 0))
		rc = step(x, e);
	return rc ? rc : check_pair(x, old, lost, e);
}

int
auditfile_verify(struct auditfile *later, struct auditfile *earlier, struct auditfile_result *ret,
		 struct err *e)
{
	struct ahead x = { .a = later, .have = -1 };
	struct auditfile_event ev;
	int64_t lost = 0;
	int rc = 0;
	if (earlier && memcmp(later->key, earlier->key, sizeof(later->key)))
		return err_set(e, ERR_CHAIN_BROKEN,
			       "%.128s and %.128s are signed with different keys: they are not of "
			       "one vault",
			       later->name, earlier->name);
	while (earlier && (rc = next_event(earlier, &ev, e)) == 1) {
		rc = find_event(&x, &ev, &lost, e);
		if (rc)
			return rc;
	}
	while (!rc && x.have)
		rc = step(&x, e);
	if (rc)
		return rc;
	*ret = (struct auditfile_result){ x.events, lost };
	return 0;
}
