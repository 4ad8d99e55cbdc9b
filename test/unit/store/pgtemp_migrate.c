/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "pgtemp.h"
#include "store/migrate.h"

void
pgtemp_migrate(struct pgtemp *p)
{
	struct db_options o = { .conninfo = pgtemp_conninfo(p, "holdfast") };
	struct err e = { 0 };
	struct db *d = db_open(&o, &e);

	if (d == NULL || migrate_run(d, &e) != 0) {
		fprintf(stderr, "pgtemp: %s\n", e.text);
		pgtemp_free(p);
		abort();
	}
	db_free(d);
}
