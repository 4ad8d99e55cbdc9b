/* SPDX-License-Identifier: Apache-2.0
 *
 * The limit from below: PostgreSQL inserting event rows of a retrieval in batches, by the product's
 * own statement (unnest), one connection, one transaction a batch. limit_pg CONNINFO BATCH SECONDS
 * prints rows a second. The database must be a scratch one: it gets the schema and is filled.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "ledger/event.h"
#include "store/db.h"
#include "store/migrate.h"

#define BATCH_MAX 4096

static void
die(const struct err *e, const char *what)
{
	fprintf(stderr, "limit_pg: %s: %s\n", what, e->text);
	exit(1);
}

static void
bind_batch(struct binds *b, const struct uuid *node, int64_t seq, int n)
{
	static const char body[] =
		"{\"reason\":\"bench\",\"n\":1,\"resource\":\"site 00000\",\"login\":\"root\"}";
	struct uuid id[2];
	uint8_t hash[32];

	uuid_new(&id[0]);
	uuid_new(&id[1]);
	randombytes_buf(hash, sizeof(hash));
	binds_reset(b);
	bind_uuid(b, node);
	bind_array_begin(b, STMT_BIGINT);
	for (int i = 0; i < n; i++)
		bind_elem_bigint(b, seq + i);
	bind_array_end(b);
	bind_array_begin(b, STMT_TIMESTAMPTZ);
	for (int i = 0; i < n; i++)
		bind_elem_time(b, clock_now_us());
	bind_array_end(b);
	bind_array_begin(b, STMT_INT);
	for (int i = 0; i < n; i++)
		bind_elem_int(b, EVENT_RETRIEVED);
	bind_array_end(b);
	for (int k = 0; k < 2; k++) {
		bind_array_begin(b, STMT_UUID);
		for (int i = 0; i < n; i++)
			bind_elem_uuid(b, &id[k]);
		bind_array_end(b);
	}
	bind_array_begin(b, STMT_TEXT);
	for (int i = 0; i < n; i++)
		bind_elem_text(b, "127.0.0.1");
	bind_array_end(b);
	bind_array_begin(b, STMT_TEXT);
	for (int i = 0; i < n; i++)
		bind_elem_text(b, body);
	bind_array_end(b);
	bind_array_begin(b, STMT_BYTEA);
	for (int i = 0; i < n; i++)
		bind_elem_bytea(b, hash, sizeof(hash));
	bind_array_end(b);
}

int
main(int argc, char **argv)
{
	struct err e = { 0 };
	auto_binds b = BINDS_INIT;
	struct uuid node;
	int64_t rows = 0;

	if (argc != 4 || sodium_init() < 0) {
		fprintf(stderr, "usage: limit_pg CONNINFO BATCH SECONDS\n");
		return 2;
	}
	int batch = atoi(argv[2]);
	if (batch < 1 || batch > BATCH_MAX)
		return 2;
	struct db *d = db_open(&(struct db_options){ argv[1], "limit_pg", 0 }, &e);
	if (!d)
		die(&e, "connect");
	if (migrate_run(d, &e) < 0)
		die(&e, "make the schema");
	uuid_new(&node);
	int64_t begun = clock_mono_ms(), end = begun + 1000 * atoi(argv[3]);
	while (clock_mono_ms() < end) {
		bind_batch(&b, &node, rows + 1, batch);
		if (db_exec(d, NULL, STMT_EVENT_INSERT, &b, NULL, &e) < 0)
			die(&e, "insert");
		rows += batch;
	}
	printf("%.0f\n", (double)rows * 1000 / (double)(clock_mono_ms() - begun));
	db_free(d);
	return 0;
}
