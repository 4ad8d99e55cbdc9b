/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/ports.h"

#include <stdio.h>
#include <unistd.h>
#include "base/port.h"
#include "pg/cluster.h"

#define FILE_MAX 256

void
ports_of(const struct settings *s, struct ports *ret)
{
	*ret = (struct ports){ port_of(s->listen), cluster_port(s) };
}

bool
ports_told(const struct home *h, struct ports *ret)
{
	auto_buf text = BUF_INIT;
	char path[HOME_PATH_MAX];
	struct err ignored;
	struct ports p;

	home_path(h, HOME_PORTS, path);
	if (home_read_file(path, FILE_MAX, &text, &ignored) ||
	    sscanf(buf_str(&text), "https = %d\npair = %d\n", &p.https, &p.pair) != 2)
		return false;
	*ret = p;
	return true;
}

void
ports_forget_told(const struct home *h)
{
	char path[HOME_PATH_MAX];

	home_path(h, HOME_PORTS, path);
	unlink(path);
}

int
ports_write_told(const struct home *h, const struct ports *p, struct err *e)
{
	auto_buf text = BUF_INIT;
	char path[HOME_PATH_MAX];

	home_path(h, HOME_REPLICATION, path);
	int rc = home_mkdirs(path, 0700, e);
	home_path(h, HOME_PORTS, path);
	buf_addf(&text, "https = %d\npair = %d\n", p->https, p->pair);
	return rc == 0 ? home_write_file(path, text.data, text.len, 0600, e) : rc;
}

bool
ports_moved(const struct ports *own, const struct ports *told, const struct ports *table,
	    bool reached, struct ports *ret)
{
	bool https = told ? told->https != own->https : !reached;
	bool pair = told ? told->pair != own->pair : !reached;

	*ret = (struct ports){ https ? own->https : table->https, pair ? own->pair : table->pair };
	return ret->https != table->https || ret->pair != table->pair;
}

int
ports_check(const struct home *h, const struct settings *s, struct err *e)
{
	struct ports own, told;

	ports_of(s, &own);
	/* A secondary tells its primary, whose ports it knows. */
	if (cluster_is_standby(h) || !ports_told(h, &told) || told.https == own.https ||
	    told.pair == own.pair)
		return 0;
	return err_set(
		e, ERR_PRECONDITION,
		"conf/holdfast.conf has two new ports (%d in `listen`, %d in `pair_listen`), "
		"and the other nodes know this primary by the former ones (%d and %d): they "
		"find it again by one when the other has moved. Put one of the two back, "
		"start, and move it when `holdfast ha status` says Alive. Other nodes that "
		"are gone for good: put both back, start, `holdfast ha remove NODE`. Nothing "
		"was changed",
		own.https, own.pair, told.https, told.pair);
}
