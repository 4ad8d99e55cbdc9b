/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema migrations: migration/NNNN_name.sql, embedded at build, forward only, each in its own
 * transaction with its row in schema_migration(number, name, sha256, at). Newer data than this
 * program knows, or a released file whose hash differs, is refused.
 */
#pragma once

#include "store/db.h"

struct migration {
	int number; /* 1, 2, …; 0 ends the table */
	const char *name, *sql;
	const char *sha256; /* of the file, hexadecimal */
};

int migrate_run(struct db *blocking, struct err *e) NONNULL MUST_USE; /* to the newest */
/* Migrates no further than that number. */
int migrate_to(struct db *blocking, int number, struct err *e) NONNULL MUST_USE;
int migrate_newest(void); /* number of the newest embedded */
/* *ret = number the database has (0: none). Reads only, so it works on a standby. */
int migrate_current(struct db *blocking, int *ret, struct err *e) NONNULL MUST_USE;
