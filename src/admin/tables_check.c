/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/tables_check.h"

#include "base/buf.h"
#include "pg/cluster.h"
#include "store/db.h"

#define NAMED_MAX 3 /* rows; `audit verify --tables` on the node itself names more */

static struct rebuild *
begin(uv_loop_t *loop, const struct home *h)
{
	auto_buf conninfo = BUF_INIT;

	cluster_conninfo(h, "hf_vault", &conninfo);
	struct db_options o = { .conninfo = buf_str(&conninfo),
				.application = "holdfast backup verify",
				.session = rebuild_session,
				.wait_ms = 5000 };
	return rebuild_take_db(db_new(loop, &o));
}

static void
name_row(const struct rebuild_difference *d, struct buf *out)
{
	buf_addf(out, "%s row %s of %s ", out->len ? ";" : "", d->id, d->table);
	if (d->held && d->told)
		buf_addf(out, "differs (%s)", d->columns);
	else
		buf_adds(out, d->held ? "is told of nowhere in the log" : "is missing");
}

static int
refuse(const struct rebuild_result *r, struct err *e)
{
	auto_buf rows = BUF_INIT;
	char uuid[UUID_STR_LEN];

	for (unsigned i = 0; i < r->ndifferences && i < NAMED_MAX; i++)
		name_row(&r->difference[i], &rows);
	if (r->more || r->ndifferences > NAMED_MAX)
		buf_adds(&rows, "; and more");
	if (r->refused) {
		uuid_str(&r->first_refused.node, uuid);
		buf_addf(&rows, "%s event %lld of node %s is refused: %s", rows.len ? ";" : "",
			 (long long)r->first_refused.seq, uuid, r->why);
	}
	if (r->unproven)
		buf_addf(&rows,
			 "; the log does not prove the order of %lld events: a difference may come "
			 "from that",
			 (long long)r->unproven);
	return err_set(e, ERR_BAD_PACK,
		       "the tables in the backup are not what its log says:%s. Run `holdfast audit "
		       "verify --tables` on the node that it was made on",
		       buf_str(&rows));
}

int
tables_check(uv_loop_t *loop, const struct home *h, struct fiber *f, tables_progress_fn *progress,
	     void *ctx, struct err *e)
{
	struct rebuild *b = begin(loop, h);
	const struct rebuild_result *r = rebuild_result(b);
	int rc = 0;

	while (!rc && !r->done) {
		rc = rebuild_step(b, f, e);
		if (progress)
			progress(ctx,
				 r->table || !r->events ? -1 : (int)(r->applied * 100 / r->events));
	}
	if (!rc && !r->good)
		rc = refuse(r, e);
	rebuild_free(b);
	return rc;
}
