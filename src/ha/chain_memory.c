/* SPDX-License-Identifier: Apache-2.0
 *
 * The file is text, always written as a whole:
 *   holdfast-witness 1
 *   chain NODE SEQ HASH ALARM FOUND ACCEPTS TOLD
 * ALARM is 0, 1 (shrunk) or 2 (forked); FOUND is the hash that was there instead, zeros: none.
 * It may be older than the chains by WRITE_MS, never newer. An alarm is written before it is shown.
 */
#include "ha/chain_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/worker.h"
#include "store/db.h"

#define HEAD "holdfast-witness 1\n"
#define FILE_MAX (CHAIN_MEMORY_CHAINS_MAX * 300)
#define LOOK_MS 1000
#define WRITE_MS 2000
#define CUT_SCHEMA                                                                                 \
	25 /* from here on the database finds such an event without a walk over the log */
#define CUT_MAX 300

/* ---- comparing ---- */

static enum chain_memory_fault
judge(const struct chain_memory_head *c, const struct chain_memory_found *f)
{
	if (!f->there)
		return CHAIN_MEMORY_SHRUNK;
	return memcmp(c->hash, f->hash, sizeof(c->hash)) ? CHAIN_MEMORY_FORKED : CHAIN_MEMORY_FINE;
}

/* Takes the chain's end for what is true from now on. */
static enum chain_memory_turn
follow(struct chain_memory_head *c, const struct chain_memory_found *f)
{
	struct chain_memory_head next = { .node = c->node, .seq = f->head_seq };
	bool alarm = c->alarm != CHAIN_MEMORY_FINE, moved = c->seq != next.seq;

	memcpy(next.hash, f->head_hash, sizeof(next.hash));
	*c = next;
	return alarm ? CHAIN_MEMORY_ENDED : moved ? CHAIN_MEMORY_MOVED : CHAIN_MEMORY_SAME;
}

enum chain_memory_turn
chain_memory_note(struct chain_memory_head *c, const struct chain_memory_found *f, bool home,
		  int64_t now_ms)
{
	enum chain_memory_fault fault = c->seq ? judge(c, f) : CHAIN_MEMORY_FINE;

	if (fault == CHAIN_MEMORY_FINE)
		return follow(c, f);
	if (c->alarm == CHAIN_MEMORY_FINE && c->seen == CHAIN_MEMORY_FINE)
		c->accepts = f->accepts;
	c->seen = fault;
	if (f->accepts > c->accepts)
		return follow(c, f);
	if (!home)
		c->since_ms = 0;
	else if (!c->since_ms)
		c->since_ms = now_ms;
	if (c->alarm != CHAIN_MEMORY_FINE || !c->since_ms ||
	    now_ms - c->since_ms < CHAIN_MEMORY_PATIENCE_MS)
		return CHAIN_MEMORY_SAME;
	c->alarm = fault;
	c->told = false;
	memset(c->found, 0, sizeof(c->found));
	if (f->there)
		memcpy(c->found, f->hash, sizeof(c->found));
	return CHAIN_MEMORY_RAISED;
}

/* ---- the file ---- */

static int
parse_hash(const char *text, uint8_t ret[static CHAIN_MEMORY_HASH_BYTES])
{
	size_t n;

	return sodium_hex2bin(ret, CHAIN_MEMORY_HASH_BYTES, text, strlen(text), NULL, &n, NULL) ||
	       n != CHAIN_MEMORY_HASH_BYTES;
}

static bool
parse_chain(const char *line, struct chain_memory_head *ret)
{
	char node[37], hash[65], found[65];
	int alarm, told, end = 0;

	if (sscanf(line,
		   "chain %36[0-9a-f-] %18" SCNd64 " %64[0-9a-f] %1d %64[0-9a-f] %18" SCNd64
		   " %1d%n",
		   node, &ret->seq, hash, &alarm, found, &ret->accepts, &told, &end) != 7 ||
	    line[end])
		return false;
	ret->alarm = (enum chain_memory_fault)alarm;
	ret->told = told == 1;
	return uuid_parse(node, &ret->node) == 0 && !parse_hash(hash, ret->hash) &&
	       !parse_hash(found, ret->found) && alarm >= 0 && alarm <= CHAIN_MEMORY_FORKED &&
	       ret->seq >= 0 && ret->accepts >= 0;
}

int
chain_memory_read(const char *path, struct chain_memory_heads *ret, struct err *e)
{
	struct chain_memory_heads *m = mem_new(sizeof(*m));
	auto_buf text = BUF_INIT;
	char *at, *line;
	bool good;
	int rc;

	if (access(path, F_OK) && errno == ENOENT) {
		free(m);
		return err_set(e, ERR_NOT_FOUND, "there is no %s", path);
	}
	rc = home_read_file(path, FILE_MAX, &text, e);
	buf_addc(&text, '\0');
	good = !rc && strncmp(text.data, HEAD, strlen(HEAD)) == 0 &&
	       strlen(text.data) == text.len - 1;
	at = text.data + (good ? strlen(HEAD) : 0);
	while (good && (line = strsep(&at, "\n")) && at)
		good = m->n < CHAIN_MEMORY_CHAINS_MAX && parse_chain(line, &m->chains[m->n++]);
	if (good && !*line)
		*ret = *m;
	else if (!rc)
		rc = err_set(e, ERR_IO, "%s is damaged", path);
	free(m);
	return rc;
}

int
chain_memory_write(const char *path, const struct chain_memory_heads *m, struct err *e)
{
	auto_buf text = BUF_INIT;

	buf_adds(&text, HEAD);
	for (unsigned i = 0; i < m->n; i++) {
		const struct chain_memory_head *c = &m->chains[i];
		char node[UUID_STR_LEN], hash[65], found[65];

		uuid_str(&c->node, node);
		sodium_bin2hex(hash, sizeof(hash), c->hash, sizeof(c->hash));
		sodium_bin2hex(found, sizeof(found), c->found, sizeof(c->found));
		buf_addf(&text, "chain %s %" PRId64 " %s %d %s %" PRId64 " %d\n", node, c->seq,
			 hash, (int)c->alarm, found, c->accepts, c->told);
	}
	return home_write_file(path, text.data, text.len, 0600, e);
}

int
chain_memory_begin(const struct home *h, struct err *e)
{
	struct chain_memory_heads none = { 0 };
	char path[HOME_PATH_MAX];

	home_path(h, HOME_CHAIN_MEMORY, path);
	return chain_memory_write(path, &none, e);
}

/* ---- the thread ---- */

struct chain_memory {
	struct worker worker;
	char path[HOME_PATH_MAX];
	char *conninfo;
	struct uuid self;
	struct chain_memory_facts facts;
	struct chain_memory_view view;
	struct chain_memory_heads m; /* the thread changes it under the lock */
	char cut[CUT_MAX];	     /* the same */
	bool lost;		     /* there was no file, and that is not in the log yet */
	bool changed, told_failure;
	int64_t written_ms;
	struct db *db;
};

static void
hex(const uint8_t hash[static CHAIN_MEMORY_HASH_BYTES], char ret[static 65])
{
	static const uint8_t none[CHAIN_MEMORY_HASH_BYTES];

	ret[0] = '\0';
	if (memcmp(hash, none, sizeof(none)))
		sodium_bin2hex(ret, 65, hash, CHAIN_MEMORY_HASH_BYTES);
}

static struct chain_memory_head *
chain_of(struct chain_memory_heads *m, const struct uuid *node)
{
	for (unsigned i = 0; i < m->n; i++) {
		if (uuid_eq(&m->chains[i].node, node))
			return &m->chains[i];
	}
	if (m->n == CHAIN_MEMORY_CHAINS_MAX)
		return NULL;
	m->chains[m->n] = (struct chain_memory_head){ .node = *node };
	return &m->chains[m->n++];
}

static bool
is_home(const struct chain_memory_facts *f, const struct uuid *node)
{
	for (unsigned i = 0; i < f->n; i++) {
		if (uuid_eq(&f->nodes[i].id, node))
			return f->settled && f->nodes[i].home;
	}
	return f->settled;
}

static void
log_turn(const struct chain_memory_head *before, const struct chain_memory_head *now,
	 enum chain_memory_turn turn)
{
	char node[UUID_STR_LEN], remembered[65], found[65];

	uuid_str(&before->node, node);
	hex(before->hash, remembered);
	hex(now->found, found);
	if (turn == CHAIN_MEMORY_RAISED)
		log_warning("this node remembers event %" PRId64
			    " of node %s with hash %s; the log has %s%s there: it was changed "
			    "from outside. See docs/audit.md",
			    before->seq, node, remembered, found[0] ? "hash " : "nothing", found);
	else if (turn == CHAIN_MEMORY_ENDED)
		log_notice("the alarm about event %" PRId64
			   " of node %s has ended: it was accepted, or the event is back",
			   before->seq, node);
}

static void
note_row(struct chain_memory *w, const struct rows *rows, int i)
{
	struct chain_memory_found f = {
		.there = !row_null(rows, i, COL_CHAIN_MEMORY_LOOK_HASH),
		.head_seq = row_bigint(rows, i, COL_CHAIN_MEMORY_LOOK_HEAD_SEQ),
		.accepts = row_bigint(rows, i, COL_CHAIN_MEMORY_LOOK_ACCEPTS)
	};
	struct chain_memory_head *c, before;
	enum chain_memory_turn turn;
	struct uuid node;
	size_t n;

	row_uuid(rows, i, COL_CHAIN_MEMORY_LOOK_NODE, &node);
	c = chain_of(&w->m, &node);
	if (!c)
		return;
	if (f.there)
		memcpy(f.hash, row_bytea(rows, i, COL_CHAIN_MEMORY_LOOK_HASH, &n), sizeof(f.hash));
	if (f.head_seq)
		memcpy(f.head_hash, row_bytea(rows, i, COL_CHAIN_MEMORY_LOOK_HEAD_HASH, &n),
		       sizeof(f.head_hash));
	before = *c;
	turn = chain_memory_note(c, &f, is_home(&w->facts, &node), clock_mono_ms());
	log_turn(&before, c, turn);
	w->changed |= turn != CHAIN_MEMORY_SAME;
	if (turn == CHAIN_MEMORY_RAISED || turn == CHAIN_MEMORY_ENDED)
		w->written_ms = 0; /* at once */
}

static void
show(struct chain_memory *w)
{
	struct chain_memory_view v = { 0 };

	for (unsigned i = 0; i < w->m.n; i++) {
		const struct chain_memory_head *c = &w->m.chains[i];
		char node[UUID_STR_LEN];

		if (c->alarm != CHAIN_MEMORY_FINE && !v.detail[0]) {
			uuid_str(&c->node, node);
			snprintf(v.detail, sizeof(v.detail), "event %" PRId64 " of node %s", c->seq,
				 node);
		}
		v.shrunk |= c->alarm == CHAIN_MEMORY_SHRUNK;
		v.forked |= c->alarm == CHAIN_MEMORY_FORKED;
	}
	if (w->cut[0] && !v.detail[0])
		text_copy(v.detail, sizeof(v.detail), w->cut);
	v.shrunk |= w->cut[0] != '\0';
	w->view = v;
}

/* What a node said of its own chain: nobody else can remember what nobody else has seen. */
static int
look_for_cut(struct chain_memory *w, struct err *e)
{
	char cut[sizeof(w->cut)] = "";
	auto_rows rows = NULL;
	int schema, rc = 0;

	worker_lock(&w->worker);
	schema = w->facts.schema;
	worker_unlock(&w->worker);
	if (schema >= CUT_SCHEMA)
		rc = db_exec(w->db, NULL, STMT_CHAIN_CUT, NULL, &rows, e);
	if (rc)
		return rc;
	if (rows && rows_count(rows))
		text_fit(cut, sizeof(cut),
			 "events %" PRId64 " to %" PRId64 " of %s, which it found missing itself",
			 row_bigint(rows, 0, COL_CHAIN_CUT_FOUND) + 1,
			 row_bigint(rows, 0, COL_CHAIN_CUT_REMEMBERED),
			 row_text(rows, 0, COL_CHAIN_CUT_NODE));
	worker_lock(&w->worker);
	text_copy(w->cut, sizeof(w->cut), cut);
	worker_unlock(&w->worker);
	return 0;
}

static int
look(struct chain_memory *w, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	int rc;

	bind_array_begin(&b, STMT_UUID);
	for (unsigned i = 0; i < w->m.n; i++)
		bind_elem_uuid(&b, &w->m.chains[i].node);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_BIGINT);
	for (unsigned i = 0; i < w->m.n; i++)
		bind_elem_bigint(&b, w->m.chains[i].seq);
	bind_array_end(&b);
	rc = db_exec(w->db, NULL, STMT_CHAIN_MEMORY_LOOK, &b, &rows, e);
	if (rc)
		return rc;
	worker_lock(&w->worker);
	for (int i = 0; i < rows_count(rows); i++)
		note_row(w, rows, i);
	worker_unlock(&w->worker);
	return 0;
}

bool
chain_memory_next(struct chain_memory *w, struct chain_memory_news *ret)
{
	bool found = false;

	worker_lock(&w->worker);
	if (w->lost) {
		*ret = (struct chain_memory_news){ .what = "lost", .node = w->self };
		found = true;
	}
	for (unsigned i = 0; i < w->m.n && !found; i++) {
		const struct chain_memory_head *c = &w->m.chains[i];

		if (c->alarm == CHAIN_MEMORY_FINE || c->told)
			continue;
		*ret = (struct chain_memory_news){
			.what = c->alarm == CHAIN_MEMORY_SHRUNK ? "shrunk" : "forked",
			.node = c->node,
			.seq = c->seq,
		};
		hex(c->hash, ret->remembered);
		hex(c->found, ret->found);
		found = true;
	}
	worker_unlock(&w->worker);
	return found;
}

void
chain_memory_told(struct chain_memory *w, const struct chain_memory_news *n)
{
	bool lost = strcmp(n->what, "lost") == 0;

	worker_lock(&w->worker);
	if (lost)
		w->lost = false;
	for (unsigned i = 0; !lost && i < w->m.n; i++) {
		struct chain_memory_head *c = &w->m.chains[i];

		c->told |= uuid_eq(&c->node, &n->node) && c->seq == n->seq;
	}
	w->changed = true;
	worker_unlock(&w->worker);
}

/* The primary asks its own writer; a secondary's deposit thread asks the primary's. */
static int
tell_writer(struct chain_memory *w, struct err *e)
{
	auto_binds b = BINDS_INIT;
	struct chain_memory_news n;
	auto_rows rows = NULL;
	bool primary;
	int rc;

	worker_lock(&w->worker);
	primary = w->facts.primary && w->facts.settled;
	worker_unlock(&w->worker);
	if (!primary || !chain_memory_next(w, &n))
		return 0;
	bind_uuid(&b, &w->self);
	bind_text(&b, n.what);
	bind_uuid(&b, &n.node);
	bind_bigint(&b, n.seq);
	bind_text(&b, n.remembered);
	bind_text(&b, n.found);
	rc = db_exec(w->db, NULL, STMT_CHAIN_MEMORY_ALARM, &b, &rows, e);
	if (!rc)
		chain_memory_told(w, &n);
	return rc;
}

/* The memory as it is, and then what is shown of it. */
static void
keep(struct chain_memory *w)
{
	struct chain_memory_heads *m = mem_raw(sizeof(*m));
	int64_t now = clock_mono_ms();
	struct err e = { 0 };
	bool due;

	worker_lock(&w->worker);
	due = w->changed && (!w->written_ms || now - w->written_ms >= WRITE_MS);
	*m = w->m;
	w->changed &= !due;
	worker_unlock(&w->worker);
	if (due && chain_memory_write(w->path, m, &e)) {
		if (!w->told_failure)
			log_err(LOG_LEVEL_WARNING, &e,
				"what this node remembers of the log cannot be kept");
		w->told_failure = true;
		w->changed = true;
	} else if (due) {
		w->told_failure = false;
	}
	if (due)
		w->written_ms = now;
	free(m);
	worker_lock(&w->worker);
	show(w);
	worker_unlock(&w->worker);
}

static void
look_or_connect(struct chain_memory *w)
{
	auto_buf info = BUF_INIT;
	struct err e = { 0 };

	buf_addf(&info,
		 "%s connect_timeout=3 options='-c statement_timeout=3000 -c "
		 "synchronous_commit=local'",
		 w->conninfo);
	struct db_options o = { .conninfo = buf_str(&info),
				.application = "holdfast chain memory" };
	if (!w->db)
		w->db = db_open(&o, &e);
	/* A database that does not answer says nothing about the log; the status has it. */
	if (w->db && (look(w, &e) || look_for_cut(w, &e) || tell_writer(w, &e)))
		db_free(TAKE(w->db));
}

static int64_t
take_turn(void *arg)
{
	struct chain_memory *w = arg;

	worker_unlock(&w->worker);
	look_or_connect(w);
	keep(w);
	worker_lock(&w->worker);
	return clock_mono_ms() + LOOK_MS;
}

static void
remember(struct chain_memory *w)
{
	struct err e = { 0 };

	if (chain_memory_read(w->path, &w->m, &e) == 0) {
		show(w);
		return;
	}
	w->lost = w->changed = true;
	log_err(LOG_LEVEL_WARNING, &e,
		"what this node remembered of the ends of the logs is gone: a log that was cut "
		"before now is not noticed. Run `holdfast audit verify`");
}

struct chain_memory *
chain_memory_new(const struct home *h, const struct uuid *self, const char *conninfo)
{
	struct chain_memory *w = mem_new(sizeof(*w));

	w->conninfo = mem_dup(conninfo);
	home_path(h, HOME_CHAIN_MEMORY, w->path);
	w->self = *self;
	remember(w);
	worker_init(&w->worker);
	worker_start(&w->worker, "witness", take_turn, NULL, w);
	return w;
}

void
chain_memory_tell(struct chain_memory *w, const struct chain_memory_facts *f)
{
	worker_lock(&w->worker);
	w->facts = *f;
	worker_unlock(&w->worker);
}

void
chain_memory_look(struct chain_memory *w, struct chain_memory_view *ret)
{
	worker_lock(&w->worker);
	*ret = w->view;
	worker_unlock(&w->worker);
}
