/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread that knocks: whether PostgreSQL still lets anybody in. Its connections of before may go on while no new one can be
 * made, for instance when its shared memory was removed from outside (systemd's RemoveIPC): then nothing mends itself, and
 * whatever has to connect anew does not serve. A server that is starting, stopping, frozen or full is no such case.
 */
#include "ha/replication_impl.h"

#include <string.h>
#include "base/clock.h"
#include "base/log.h"

#define KNOCK_MS 5000
#define AGAIN_MS 1000 /* while nobody is let in */

/* Places become free again. */
static bool
is_full(const struct err *e)
{
	return strstr(e->text, "too many") || strstr(e->text, "remaining connection slots");
}

static int64_t
knock(void *arg)
{
	struct replication *r = arg;
	struct err e = { 0 };

	worker_unlock(&r->worker);
	struct db *d = replication_connect(r, "holdfast knock", &e);
	bool shut = !d && !is_full(&e) && db_answers(r->conninfo);
	db_free(d);
	worker_lock(&r->worker);
	if (!shut)
		r->shut_ms = 0;
	else if (!r->shut_ms)
		r->shut_ms = clock_mono_ms();
	if (shut)
		text_fit(r->shut_why, sizeof(r->shut_why), "%s", e.text);
	return clock_mono_ms() + (shut ? AGAIN_MS : KNOCK_MS);
}

void
replication_start_knocks(struct replication *r)
{
	worker_start(&r->worker, "knock", knock, NULL, r);
}

int64_t
replication_shut_since(struct replication *r, char *ret_why, size_t room)
{
	worker_lock(&r->worker);
	int64_t since = r->shut_ms;
	text_fit(ret_why, room, "%s", since ? r->shut_why : "");
	worker_unlock(&r->worker);
	return since;
}
