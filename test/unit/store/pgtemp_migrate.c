/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "pgtemp.h"
#include "store/migrate.h"

void
pgtemp_migrate(struct pgtemp *p)
{
	pgtemp_migrate_to(p, migrate_newest());
}

void
pgtemp_migrate_to(struct pgtemp *p, int schema)
{
	struct db_options o = { .conninfo = pgtemp_conninfo(p, "holdfast") };
	struct err e = { 0 };
	struct db *d = db_open(&o, &e);

	if (d == NULL || migrate_to(d, schema, &e) != 0) {
		fprintf(stderr, "pgtemp: %s\n", e.text);
		pgtemp_free(p);
		abort();
	}
	db_free(d);
}
