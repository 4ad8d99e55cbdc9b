/* SPDX-License-Identifier: Apache-2.0
 *
 * A scratch PostgreSQL for tests: own data folder below /tmp, unix socket only, superuser and
 * database "holdfast", trust for every local role. Started as root, the server runs as user
 * postgres (or holdfast). It dies with the test that started it. Link dep_pgtemp.
 */
#pragma once

#include <stdbool.h>
#include "base/err.h"

struct pgtemp;

/* What a test program returns to meson when there is no PostgreSQL: skipped, not passed. */
#define PGTEMP_SKIP 77

bool pgtemp_have(void);		 /* are PostgreSQL's programs and a user for them here? */
struct pgtemp *pgtemp_new(void); /* initdb, start, create the database; aborts when that fails */
void pgtemp_migrate(struct pgtemp *p);		      /* the product's schema */
void pgtemp_migrate_to(struct pgtemp *p, int schema); /* the one of that number */
void pgtemp_free(struct pgtemp *p); /* stops it and removes its folder; takes NULL */

/* conninfo as `role` ("holdfast", "hf_vault"); borrowed until the next call. */
const char *pgtemp_conninfo(struct pgtemp *p, const char *role);
const char *pgtemp_dir(const struct pgtemp *p);

void pgtemp_start(struct pgtemp *p); /* and waits until it answers */
void pgtemp_stop(struct pgtemp *p);  /* immediate: as after a crash */
void pgtemp_signal(struct pgtemp *p,
		   int sig); /* to every process of the server (SIGSTOP, SIGCONT) */
void pgtemp_sql(struct pgtemp *p, const char *sql); /* as superuser; aborts when it fails */
void pgtemp_settle(struct pgtemp *p); /* ends every connection: nothing sent before is done after */
