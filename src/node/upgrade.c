/* SPDX-License-Identifier: Apache-2.0 */
#include "node/upgrade.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/url.h"
#include "ha/pins.h"
#include "ha/probe.h"
#include "http/client.h"
#include "store/migrate.h"

#define WAIT_MS 15000 /* for a node that starts, or that is behind a line that comes back */
#define CALL_MS 3000
#define PAUSE_MS 300

/* A row of the node table, and what the node said. */
struct other {
	char name[256], url[URL_MAX];
	const char *cert; /* borrowed */
	struct probe_reply reply;
	char failure[256];
};

static int
ask(const struct home *h, struct other *o, struct err *e)
{
	auto_buf trust = BUF_INIT;
	struct client_reply r = { 0 };

	(void)pins_add_authorities(h, true, &trust); /* the agent says which cannot be used */
	if (pins_may_pin(o->cert))
		buf_addf(&trust, "%s\n", o->cert);
	struct client_options options = { .base = o->url,
					  .trust_pem = buf_str(&trust),
					  .connect_ms = CALL_MS,
					  .total_ms = CALL_MS };
	struct client *c = client_new(&options, e);
	int rc = c ? client_call(c, "GET", "/v1/sys/health", NULL, &r, NULL, e) : e->code;
	if (rc == 0)
		rc = probe_parse(buf_str(&r.body), r.body.len, &o->reply, e);
	client_reply_done(&r);
	client_free(c);
	return rc;
}

/* Until it answers, or the time is over. */
static int
hear(const struct home *h, struct other *o, int64_t until_ms, struct err *e)
{
	int rc;

	while ((rc = ask(h, o, e)) != 0 && clock_mono_ms() < until_ms)
		clock_sleep_ms(PAUSE_MS);
	if (rc == 0)
		return 0;
	struct err why = *e;
	return err_set(
		e, ERR_UNREACHABLE,
		"this program upgrades the data to schema %d, and %s does not say whether it can "
		"read that (%s). Nothing was changed. Upgrade %s first, and start this node when "
		"it answers. If it is gone for good, start this node once with --upgrade-alone",
		migrate_newest(), o->name, why.text, o->name);
}

static int
judge(const struct other *o, int have, struct err *e)
{
	if (o->reply.schema_known >= migrate_newest())
		return 0;
	return err_set(
		e, ERR_PRECONDITION,
		"the data has schema %d and this program upgrades it to %d, which %s cannot read "
		"(it runs %s): it could no longer give emergency access. Nothing was changed. "
		"Upgrade %s first, then this node; until then run the previous program here",
		have, migrate_newest(), o->name,
		o->reply.version[0] ? o->reply.version : "an older program", o->name);
}

static void
take_row(const struct rows *r, int row, struct other *ret)
{
	*ret = (struct other){ .cert = row_text(r, row, COL_HA_UPGRADE_NODES_WEB_CERT) };
	text_copy(ret->name, sizeof(ret->name), row_text(r, row, COL_HA_UPGRADE_NODES_NAME));
	url_write(ret->name, row_int(r, row, COL_HA_UPGRADE_NODES_HTTPS_PORT), ret->url,
		  sizeof(ret->url));
}

int
upgrade_may_migrate(const struct home *h, struct db *d, int have, bool *ret_migrate, struct err *e)
{
	int64_t until = clock_mono_ms() + WAIT_MS;
	struct home_node self;
	struct uuid id;
	auto_rows r = NULL;

	*ret_migrate = true;
	int rc = home_node_read(h, &self, e);
	if (rc == 0)
		rc = db_exec(d, NULL, STMT_HA_UPGRADE_NODES, NULL, &r, e);
	if (rc != 0)
		return rc;
	/* The node table names the latest primary first. A database that was promoted, and fell before the log said so, follows
	 * nobody: it goes on with what was ordered. */
	if (rows_count(r) > 0) {
		row_uuid(r, 0, COL_HA_UPGRADE_NODES_ID, &id);
		if (!uuid_eq(&id, &self.id) &&
		    row_bigint(r, 0, COL_HA_UPGRADE_NODES_PRIMARY_SINCE_TERM) > 0)
			return 0;
	}
	for (int i = 0; rc == 0 && i < rows_count(r); i++) {
		struct other o;

		row_uuid(r, i, COL_HA_UPGRADE_NODES_ID, &id);
		if (uuid_eq(&id, &self.id))
			continue;
		take_row(r, i, &o);
		rc = hear(h, &o, until, e);
		if (rc == 0 && strcmp(o.reply.mode, "primary") == 0 &&
		    o.reply.term > row_bigint(r, i, COL_HA_UPGRADE_NODES_TERM)) {
			log_notice("%s is the primary of a later term: this node keeps its schema "
				   "and returns to it",
				   o.name);
			*ret_migrate = false;
			return 0;
		}
		if (rc == 0)
			rc = judge(&o, have, e);
	}
	return rc;
}
