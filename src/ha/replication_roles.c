/* SPDX-License-Identifier: Apache-2.0
 *
 * What another node's certificate gives is bounded by the database where it can be (migration 0032);
 * this is the rest. A role may say what its sessions begin with, and how long they may stay: no server
 * before PostgreSQL 17 bounds a transaction, and none in a way that its role could not undo.
 */
#include "ha/replication_impl.h"

#include "base/log.h"

#define TRANSACTION_S 30 /* ours end within 15 s */
#define COPY_S 900	 /* listing all files of a database, for pg_rewind */
#define SESSIONS 6	 /* of one node and role: deposits, a comparison, a message, salvage */

static int
take_back(struct db *db, struct err *e)
{
	auto_rows rows = NULL;
	int r = db_exec(db, NULL, STMT_HA_ROLES_MEND, NULL, &rows, e);

	for (int i = 0; !r && i < rows_count(rows); i++)
		log_warning("sessions of the role %s changed their own settings; that was taken "
			    "back: whoever has another node's certificate and key did it",
			    row_text(rows, i, COL_HA_ROLES_MEND_NAME));
	return r;
}

static int
end_sessions(struct db *db, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;

	bind_int(&b, TRANSACTION_S);
	bind_int(&b, COPY_S);
	bind_int(&b, SESSIONS);
	int r = db_exec(db, NULL, STMT_HA_SESSIONS_END, &b, &rows, e);
	for (int i = 0; !r && i < rows_count(rows); i++)
		log_warning("ended a session that another node held too long, or one too many "
			    "(certificate %s)",
			    row_text(rows, i, COL_HA_SESSIONS_END_NAME));
	return r;
}

int
replication_mind_roles(struct db *db, bool primary, struct err *e)
{
	int r = primary ? take_back(db, e) : 0;

	return r ? r : end_sessions(db, e);
}
