/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger's statements: one transaction holds the rows of the log and the changes they make.
 */
#include "ledger/ledger_impl.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

struct binds *
ledger_step(struct ledger_steps *s, enum stmt stmt)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 8;
		s->v = mem_grow(s->v, s->cap, sizeof(*s->v));
	}
	s->v[s->n] = (struct db_step){ .s = stmt, .b = BINDS_INIT };
	return &s->v[s->n++].b;
}

void
ledger_steps_done(struct ledger_steps *s)
{
	for (size_t i = 0; i < s->n; i++)
		binds_done(&s->v[i].b);
	free(s->v);
	*s = (struct ledger_steps){ 0 };
}

static void
bind_uuids(struct binds *b, const struct ledger_item *items, size_t n, size_t offset)
{
	bind_array_begin(b, STMT_UUID);
	for (size_t i = 0; i < n; i++) {
		const struct uuid *u =
			(const struct uuid *)(const void *)((const char *)items[i].ev + offset);

		bind_elem_uuid(b, uuid_is_nil(u) ? NULL : u);
	}
	bind_array_end(b);
}

static void
step_insert(struct ledger_steps *s, const struct uuid *node, const struct ledger_item *items,
	    size_t n)
{
	struct binds *b = ledger_step(s, STMT_EVENT_INSERT);

	bind_uuid(b, node);
	bind_array_begin(b, STMT_BIGINT);
	for (size_t i = 0; i < n; i++)
		bind_elem_bigint(b, items[i].ev->seq);
	bind_array_end(b);
	bind_array_begin(b, STMT_TIMESTAMPTZ);
	for (size_t i = 0; i < n; i++)
		bind_elem_time(b, items[i].ev->at_us);
	bind_array_end(b);
	bind_array_begin(b, STMT_INT);
	for (size_t i = 0; i < n; i++)
		bind_elem_int(b, (int32_t)items[i].ev->kind);
	bind_array_end(b);
	bind_uuids(b, items, n, offsetof(struct event, actor));
	bind_uuids(b, items, n, offsetof(struct event, object));
	bind_array_begin(b, STMT_TEXT);
	for (size_t i = 0; i < n; i++)
		bind_elem_text(b, items[i].ev->address);
	bind_array_end(b);
	bind_array_begin(b, STMT_TEXT);
	for (size_t i = 0; i < n; i++)
		bind_elem_text(b, items[i].ev->body);
	bind_array_end(b);
	bind_array_begin(b, STMT_BYTEA);
	for (size_t i = 0; i < n; i++)
		bind_elem_bytea(b, items[i].hash, KEYS_HASH_BYTES);
	bind_array_end(b);
}

static void
step_apply(struct ledger_steps *s, const struct uuid *node, int stmt, int64_t from, int64_t to)
{
	struct binds *b = ledger_step(s, (enum stmt)stmt);

	bind_uuid(b, node);
	bind_bigint(b, from);
	bind_bigint(b, to);
}

/* What says something that is weighed; and what makes something, of which words may be there already, or which may not be there any more: that can be where it
 * was merged alone. */
static const struct {
	enum stmt stmt;
	bool merged;
} says[] = {
	{ STMT_APPLY_USER_CREATED, true },	{ STMT_APPLY_USER_CHANGED, false },
	{ STMT_APPLY_USER_TOTP, false },	{ STMT_APPLY_USER_RECOVERED, false },
	{ STMT_APPLY_RESOURCE_CREATED, true },	{ STMT_APPLY_RESOURCE_CHANGED, false },
	{ STMT_APPLY_RESOURCE_DELETED, false }, { STMT_APPLY_RESOURCE_RESTORED, false },
	{ STMT_APPLY_ACCOUNT_CREATED, true },	{ STMT_APPLY_ACCOUNT_CHANGED, false },
	{ STMT_APPLY_ACCOUNT_DELETED, false },	{ STMT_APPLY_ACCOUNT_RESTORED, false },
	{ STMT_APPLY_ACCOUNT_COMBINED, false }, { STMT_APPLY_SHARED, false },
	{ STMT_APPLY_UNSHARED, false },		{ STMT_APPLY_EMERGENCY_POLICY, false },
	{ STMT_APPLY_MAINTENANCE, false },	{ STMT_APPLY_HANDOVER, false },
	{ STMT_APPLY_TEAM_CREATED, true },	{ STMT_APPLY_TEAM_CHANGED, false },
	{ STMT_APPLY_TEAM_REMOVED, false },	{ STMT_APPLY_MEMBER_ADDED, false },
	{ STMT_APPLY_MEMBER_REMOVED, false },	{ STMT_APPLY_FOLDER_CREATED, false },
	{ STMT_APPLY_FOLDER_CHANGED, false },	{ STMT_APPLY_FOLDER_REMOVED, false },
};

/* Whether what a user is may be another thing behind them. */
static bool
says_who_administers(int stmt)
{
	return stmt == STMT_APPLY_USER_CREATED || stmt == STMT_APPLY_USER_CHANGED ||
	       stmt == STMT_APPLY_USER_RECOVERED;
}

/* Whether shares may reach others behind them; those that make somebody whom words were about already can be where they were merged alone. */
static bool
says_whom_shares_reach(int stmt, enum ledger_effect effect)
{
	return stmt == STMT_APPLY_SHARED || stmt == STMT_APPLY_UNSHARED ||
	       stmt == STMT_APPLY_SHARE_ACCEPTED || stmt == STMT_APPLY_TEAM_REMOVED ||
	       stmt == STMT_APPLY_MEMBER_ADDED || stmt == STMT_APPLY_MEMBER_REMOVED ||
	       (effect == LEDGER_MERGED &&
		(stmt == STMT_APPLY_USER_CREATED || stmt == STMT_APPLY_TEAM_CREATED));
}

/* Whether folders may stand elsewhere behind them, or be reached by others; what is put into one says that it is there, which is news where it was merged alone. */
static bool
says_where_folders_stand(int stmt, enum ledger_effect effect)
{
	return stmt == STMT_APPLY_FOLDER_CREATED || stmt == STMT_APPLY_FOLDER_CHANGED ||
	       stmt == STMT_APPLY_FOLDER_REMOVED ||
	       (effect == LEDGER_MERGED &&
		(stmt == STMT_APPLY_RESOURCE_CREATED || stmt == STMT_APPLY_RESOURCE_CHANGED));
}

/* One run of events, and what weighs what they say behind it: what comes next may go by it. */
static void
step_run(struct ledger_steps *s, const struct uuid *node, int stmt, int64_t from, int64_t to,
	 enum ledger_effect effect)
{
	step_apply(s, node, stmt, from, to);
	for (size_t i = 0; i < ARRAY_LEN(says); i++)
		if ((int)says[i].stmt == stmt && (effect == LEDGER_MERGED || !says[i].merged))
			step_apply(s, node, STMT_WEIGH_WORDS, from, to);
	if (stmt == STMT_APPLY_NODE_REMOVED || stmt == STMT_APPLY_RESTORED)
		step_apply(s, node, STMT_APPLY_NODES, from, to);
	if (says_where_folders_stand(stmt, effect))
		step_apply(s, node, STMT_PLACE_FOLDERS, from, to);
	if (says_whom_shares_reach(stmt, effect))
		step_apply(s, node, STMT_FOLLOW_SHARES, from, to);
	if (says_who_administers(stmt))
		ledger_step(s, STMT_KEEP_ADMINISTRATOR);
}

/* Events that give names or take them, what marks the holders behind them (-1: nothing is kept of it), and what fails if a name that is given anew has others. */
static const struct naming {
	int mark, refuse;
	int kind[6];
} namings[] = {
	{ STMT_MARK_PRINCIPALS,
	  STMT_REFUSE_PRINCIPALS,
	  { EVENT_USER_CREATED, EVENT_USER_CHANGED, EVENT_TEAM_CREATED, EVENT_TEAM_CHANGED,
	    EVENT_TEAM_REMOVED } },
	{ STMT_MARK_RESOURCES,
	  STMT_REFUSE_RESOURCES,
	  { EVENT_RESOURCE_CREATED, EVENT_RESOURCE_CHANGED, EVENT_RESOURCE_DELETED,
	    EVENT_RESOURCE_RESTORED } },
	{ STMT_MARK_ACCOUNTS,
	  STMT_REFUSE_ACCOUNTS,
	  { EVENT_ACCOUNT_CREATED, EVENT_ACCOUNT_CHANGED, EVENT_ACCOUNT_DELETED,
	    EVENT_ACCOUNT_RESTORED, EVENT_ACCOUNT_COMBINED, EVENT_RESOURCE_RESTORED } },
	{ -1, STMT_REFUSE_FOLDERS, { EVENT_FOLDER_CREATED, EVENT_FOLDER_CHANGED } },
};

static bool
names_by(const struct naming *x, int kind)
{
	for (size_t i = 0; i < ARRAY_LEN(x->kind); i++)
		if (x->kind[i] == kind)
			return true;
	return false;
}

/* The statement for each naming that some of the events are of. */
static void
step_namings(struct ledger_steps *s, const struct uuid *node, const struct ledger_item *items,
	     size_t n, bool refuse)
{
	for (const struct naming *x = namings; x < namings + ARRAY_LEN(namings); x++) {
		int stmt = refuse ? x->refuse : x->mark;
		int64_t from = 0, to = 0;

		for (size_t i = 0; i < n; i++) {
			if (!names_by(x, items[i].ev->kind))
				continue;
			to = items[i].ev->seq;
			from = from ? from : to;
		}
		if (from && stmt >= 0)
			step_apply(s, node, stmt, from, to);
	}
}

/* What is worked out anew behind events of some kinds, merged or this node's own, and of which. */
static const struct retelling {
	enum stmt stmt;
	enum ledger_effect effect;
	int kind[24];
} retellings[] = {
	{ STMT_RETELL_BINS_EMPTIED_AGAIN, LEDGER_OWN, { EVENT_BIN_EMPTIED } },
	{ STMT_RETELL_BINS,
	  LEDGER_MERGED,
	  { EVENT_RESOURCE_CREATED, EVENT_RESOURCE_DELETED, EVENT_RESOURCE_RESTORED,
	    EVENT_BIN_EMPTIED, EVENT_ACCOUNT_CREATED, EVENT_ACCOUNT_DELETED, EVENT_ACCOUNT_RESTORED,
	    EVENT_ACCOUNT_COMBINED, EVENT_VERSION_ADDED } },
	{ STMT_RETELL_VERSIONS,
	  LEDGER_MERGED,
	  { EVENT_VERSION_ADDED,   EVENT_CONFLICT_SETTLED, EVENT_CHANGE_APPROVED,
	    EVENT_CHANGE_DECLINED, EVENT_RESOURCE_CREATED, EVENT_RESOURCE_CHANGED,
	    EVENT_ACCOUNT_CREATED, EVENT_ACCOUNT_CHANGED,  EVENT_SHARED,
	    EVENT_UNSHARED,	   EVENT_USER_CHANGED,	   EVENT_USER_RECOVERED,
	    EVENT_TEAM_REMOVED,	   EVENT_MEMBER_ADDED,	   EVENT_MEMBER_REMOVED,
	    EVENT_FOLDER_CREATED,  EVENT_FOLDER_CHANGED,   EVENT_FOLDER_REMOVED,
	    EVENT_PROMOTED,	   EVENT_RESTORED,	   EVENT_MERGED } },
};

/* What this node adds itself comes behind all that there is. A MERGED event does not: it tells something new of the log that it names. */
static bool
retells(const struct retelling *x, int kind, enum ledger_effect effect)
{
	if (effect != x->effect && kind != EVENT_MERGED)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(x->kind); i++)
		if (x->kind[i] == kind)
			return true;
	return false;
}

/* One statement of each for all of them. */
static void
step_retellings(struct ledger_steps *s, const struct uuid *node, const struct ledger_item *items,
		size_t n, enum ledger_effect effect)
{
	for (const struct retelling *x = retellings; x < retellings + ARRAY_LEN(retellings); x++) {
		size_t i = 0;

		while (i < n && !retells(x, items[i].ev->kind, effect))
			i++;
		if (i < n)
			step_apply(s, node, (int)x->stmt, items[i].ev->seq, items[n - 1].ev->seq);
	}
}

void
ledger_step_refusals(struct ledger_steps *s, const struct uuid *node,
		     const struct ledger_item *items, size_t n)
{
	step_namings(s, node, items, n, true);
}

void
ledger_step_events(struct ledger_steps *s, const struct uuid *node, const struct ledger_item *items,
		   size_t n, enum ledger_effect effect)
{
	step_insert(s, node, items, n);
	if (effect != LEDGER_LOG_ONLY)
		ledger_step_applies(s, node, items, n, effect);
}

void
ledger_step_applies(struct ledger_steps *s, const struct uuid *node,
		    const struct ledger_item *items, size_t n, enum ledger_effect effect)
{
	int run = -1;
	int64_t from = 0, to = 0;

	for (size_t i = 0; i < n; i++) {
		const struct event *ev = items[i].ev;
		int stmt = event_apply_stmt(ev->kind);

		/* Kinds that change nothing don't end a run: the statement picks its own kind. */
		if (stmt < 0)
			continue;
		if (stmt != run) {
			if (run >= 0)
				step_run(s, node, run, from, to, effect);
			run = stmt;
			from = ev->seq;
		}
		to = ev->seq;
	}
	if (run >= 0)
		step_run(s, node, run, from, to, effect);
	step_retellings(s, node, items, n, effect);
	step_namings(s, node, items, n, false);
}

int
ledger_read_head(struct ledger *l, struct fiber *f, const struct uuid *node, int64_t *ret_seq,
		 uint8_t ret_hash[static KEYS_HASH_BYTES], struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	const void *hash;
	size_t n;
	int rc;

	bind_uuid(&b, node);
	rc = db_exec(l->o.writer, f, STMT_EVENT_HEAD, &b, &rows, e);
	if (rc)
		return rc;
	if (!rows_count(rows)) {
		*ret_seq = 0;
		memset(ret_hash, 0, KEYS_HASH_BYTES);
		return 0;
	}
	hash = row_bytea(rows, 0, COL_EVENT_HEAD_HASH, &n);
	if (n != KEYS_HASH_BYTES)
		return err_set(e, ERR_CHAIN_BROKEN,
			       "the newest event of the log has no proper hash");
	*ret_seq = row_bigint(rows, 0, COL_EVENT_HEAD_SEQ);
	memcpy(ret_hash, hash, KEYS_HASH_BYTES);
	return 0;
}

static int
follow_once(struct ledger *l, struct fiber *f, const struct uuid *node, int64_t *seq,
	    uint8_t hash[static KEYS_HASH_BYTES], bool *ret_more, struct err *e)
{
	uint8_t found[KEYS_HASH_BYTES];
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	const char *hex;
	size_t n;
	int rc;

	*ret_more = false;
	bind_uuid(&b, node);
	bind_bigint(&b, *seq + 1);
	rc = db_exec(l->o.writer, f, STMT_ACCEPTED_END, &b, &rows, e);
	/* What accepts it was changed from outside so that it cannot be read: then it accepts nothing. */
	if (rc && ledger_is_culprit(e))
		return 0;
	if (rc || !rows_count(rows))
		return rc;
	hex = row_text(rows, 0, COL_ACCEPTED_END_HASH);
	if (sodium_hex2bin(found, sizeof(found), hex, strlen(hex), NULL, &n, NULL) ||
	    n != sizeof(found))
		return 0;
	*seq = row_bigint(rows, 0, COL_ACCEPTED_END_UPTO);
	memcpy(hash, found, sizeof(found));
	*ret_more = true;
	return 0;
}

int
ledger_follow_end(struct ledger *l, struct fiber *f, const struct uuid *node, int64_t *seq,
		  uint8_t hash[static KEYS_HASH_BYTES], struct err *e)
{
	bool more = true;
	int rc = 0;

	while (!rc && more)
		rc = follow_once(l, f, node, seq, hash, &more, e);
	return rc;
}

bool
ledger_is_culprit(const struct err *e)
{
	/* Integrity, data exception, a statement grown too complex, raised by a statement of ours.
	 */
	static const char classes[][3] = { "23", "22", "54", "P0" };

	if (e->code != ERR_DB)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (!strncmp(e->sqlstate, classes[i], 2))
			return true;
	return false;
}
