/* SPDX-License-Identifier: Apache-2.0 */
#include "node/ownstatus.h"

#include <errno.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/pidfile.h"
#include "base/statepage.h"
#include "ha/status.h"

/* ERR_UNREACHABLE: nobody serves this home; ERR_NOT_SERVING: somebody begins to. */
static int
open_statepage(const struct home *h, struct statepage **ret, struct err *e)
{
	char path[HOME_PATH_MAX];
	int rc = pidfile_alone(h, e);

	if (rc == 0)
		return err_set(e, ERR_UNREACHABLE, "this node does not run here");
	if (rc != ERR_REFUSED)
		return rc;
	home_path(h, HOME_STATE, path);
	rc = statepage_open(path, ret, e);
	return rc && e->sys == ENOENT ? ERR_NOT_SERVING : rc;
}

int
ownstatus_read(const struct home *h, struct buf *out, struct err *e)
{
	struct statepage *page;
	int rc = open_statepage(h, &page, e);

	if (rc == ERR_UNREACHABLE || rc == ERR_NOT_SERVING) {
		status_silent(rc == ERR_UNREACHABLE ? STATUS_NOT_RUNNING : STATUS_STARTING, out);
		return 0;
	}
	if (rc < 0)
		return rc;
	struct statepage_view *v = mem_raw(sizeof(*v));
	statepage_read(page, v);
	statepage_free(page);
	status_read(v, clock_mono_ms(), out);
	free(v);
	return 0;
}
