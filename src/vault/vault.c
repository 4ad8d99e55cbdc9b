/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/vault.h"

#include "base/json_out.h"
#include "base/log.h"
#include "ledger/event_body.h"
#include "vault/retrieve_batch.h"
#include "vault/journal_overlay.h"
#include "vault/age_limit.h"
#include "vault/hold.h"
#include "vault/session.h"
#include "vault/withdrawn.h"

#define FIRST_DATA_KEY 1

struct db *
vault_reader(struct vault *v)
{
	return v->reader[v->next_reader++ % VAULT_READERS];
}

void
vault_on_durable(void *ctx, const struct event *ev)
{
	struct vault *v = ctx;

	if (v->sessions)
		sessions_on_event(v->sessions, ev);
	if (v->retrieve_batch)
		retrieve_batch_on_event(v->retrieve_batch, ev);
	age_limit_on_event(v, ev);
	if (v->hold)
		hold_on_event(v->hold, ev);
	if (v->journal_overlay)
		journal_overlay_on_event(v->journal_overlay, ev, ledger_wrote_journal(v->ledger));
	if (v->withdrawn)
		withdrawn_on_event(v->withdrawn, ev, ledger_wrote_journal(v->ledger));
}

/* The node's name is one of a host: it needs no escapes. */
const char *
vault_body(const struct call *c, const char *body)
{
	if (!c->who.via || body[0] != '{')
		return body;
	return arena_printf(c->a, "{\"via\":\"%s\"%s%s", c->who.via, body[1] == '}' ? "" : ",",
			    body + 1);
}

int
vault_append(struct call *c, enum event_kind kind, const struct uuid *object, const char *body,
	     struct err *e)
{
	struct event ev = {
		.kind = kind,
		.actor = c->who.user,
		.address = c->who.address ? c->who.address : "",
		.body = vault_body(c, body),
	};

	if (object)
		ev.object = *object;
	int rc = ledger_append(c->v->ledger, c->f, &ev, 1, &c->durability, e);
	c->logged = c->logged || rc == 0;
	return rc;
}

enum state_served
vault_serves(const struct vault *v)
{
	return state_serves(statepage_state(v->statepage));
}

/* The first data key of a new vault: made in keyd, known to the log in wrapped form only. */
static int
create_first(struct vault *v, struct fiber *f, struct err *e)
{
	auto_buf wrapped = BUF_INIT, body = BUF_INIT;
	struct event ev = { .kind = EVENT_KEY_CREATED, .address = "" };
	struct json_out w;
	int rc = keys_create(v->keys, f, FIRST_DATA_KEY, &wrapped, e);

	if (rc)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_int(&w, "id", FIRST_DATA_KEY);
	event_body_hex(&w, "wrapped", wrapped.data, wrapped.len);
	json_out_end_object(&w);
	ev.body = buf_str(&body);
	rc = ledger_append(v->ledger, f, &ev, 1, NULL, e);
	if (!rc)
		v->data_key = FIRST_DATA_KEY;
	return rc;
}

int
vault_load_keys(struct vault *v, struct fiber *f, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	uint32_t newest = 0;
	int rc = db_exec(vault_reader(v), f, STMT_KEY_LIST, &b, &rows, e);

	if (rc)
		return rc;
	for (int i = 0; i < rows_count(rows); i++) {
		size_t n;
		const void *wrapped = row_bytea(rows, i, COL_KEY_LIST_WRAPPED, &n);
		int32_t id = row_int(rows, i, COL_KEY_LIST_ID);

		if (id < 1)
			return err_set(e, ERR_CRYPTO, "the table of data keys holds the number %d",
				       (int)id);
		rc = keys_load(v->keys, f, (uint32_t)id, wrapped, n, e);
		if (rc)
			return err_prefix(e, "data key %d: ", (int)id);
		newest = (uint32_t)id;
	}
	if (newest) {
		v->data_key = newest;
		return 0;
	}
	return vault_serves(v) == SERVES_EVERYONE ? create_first(v, f, e) : 0;
}
