/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/packfit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/statepage.h"
#include "base/url.h"
#include "ha/probe.h"
#include "http/client.h"
#include "pg/cluster.h"

#define SKEW_MAX_S 60
#define CONNECT_MS 2000
#define ANSWER_MS 4000

int
packfit_own_pair(const struct home *h, char ret[static PACKFIT_PAIR_MAX], struct err *e)
{
	static const char key[] = "\npair = ";
	auto_buf text = BUF_INIT;
	char path[HOME_PATH_MAX];

	ret[0] = '\0';
	home_path(h, HOME_PAIR, path);
	int rc = home_read_file(path, 4096, &text, e);
	if (rc < 0)
		return e->sys == ENOENT ? 0 : rc;
	const char *at = strstr(buf_str(&text), key);
	size_t n = at ? strcspn(at + strlen(key), "\n") : 0;
	if (!n || n >= PACKFIT_PAIR_MAX)
		return err_set(e, ERR_PRECONDITION,
			       "%s is damaged: it does not say which pair this node belongs to. "
			       "Restore it from a copy of the home; or move it away, and the node "
			       "serves without it, but accepts no new pack",
			       path);
	snprintf(ret, PACKFIT_PAIR_MAX, "%.*s", (int)n, at + strlen(key));
	return 0;
}

/* A node with data of a pair is made anew from a pack of that pair alone. */
static int
check_pair(const struct home *h, const struct pack_manifest *m, struct err *e)
{
	char pair[PACKFIT_PAIR_MAX];
	int rc = packfit_own_pair(h, pair, e);

	if (rc < 0)
		return rc;
	if (!*pair && cluster_is_standby(h))
		return err_set(e, ERR_BAD_PACK,
			       "this node has the data of a pair, but conf/pair.conf in %s, which "
			       "says of which one, is gone; its data was left as it is. Restore "
			       "that file from a copy of the home, or use a new home folder",
			       h->dir);
	if (*pair && strcmp(pair, m->pair) != 0)
		return err_set(e, ERR_BAD_PACK,
			       "this node belongs to another pair; its data was left as it is. To "
			       "make it a secondary of %s, use a new home folder",
			       m->primary_name);
	return 0;
}

int
packfit_check(const struct home *h, const struct pack_manifest *m, struct err *e)
{
	struct home_node self;
	char bin[HOME_PATH_MAX];
	int major = 0;

	if (packfit_has_data(h) && !cluster_is_standby(h))
		return err_set(e, ERR_PRECONDITION,
			       "this home holds a vault of its own (a primary); a secondary needs "
			       "a home made with `holdfast init --secondary`. Nothing was changed");
	int rc = home_node_read(h, &self, e);
	if (rc < 0)
		return rc;
	if (m->format != PACK_FORMAT || strcmp(m->version, HF_VERSION) != 0)
		return err_set(e, ERR_BAD_PACK,
			       "the pack was made by Holdfast %s, this is %s: install the same "
			       "version on both nodes",
			       m->version, HF_VERSION);
	if (strcasecmp(self.name, m->secondary_name) != 0)
		return err_set(e, ERR_BAD_PACK,
			       "the pack was made for %s, this node is %s: use the pack made for "
			       "this name, or make one with `holdfast ha setup %s %s` on the "
			       "primary",
			       m->secondary_name, self.name, m->primary_name, self.name);
	rc = check_pair(h, m, e);
	if (rc < 0)
		return rc;
	if (cluster_find_bin((int)m->pg_major, bin, &major, e) < 0 || major != m->pg_major)
		return err_set(e, ERR_BAD_PACK,
			       "the primary runs PostgreSQL %d, which is not installed here: "
			       "install postgresql-%d and repeat",
			       (int)m->pg_major, (int)m->pg_major);
	return 0;
}

/* ---- the data that are here ---- */

bool
packfit_has_data(const struct home *h)
{
	struct err ignored;
	int major = 0;

	return cluster_major(h, &major, &ignored) == 0 && major != 0;
}

void
packfit_data_as_of(const struct home *h, char ret[static CLOCK_ISO_LEN])
{
	struct statepage_view *v = mem_new(sizeof(*v));
	char path[HOME_PATH_MAX];
	struct statepage *p;
	struct err ignored;

	home_path(h, HOME_STATE, path);
	if (statepage_open(path, &p, &ignored) == 0) {
		statepage_read(p, v);
		statepage_free(p);
	}
	if (v->as_of_us)
		clock_iso(v->as_of_us, ret);
	else
		snprintf(ret, CLOCK_ISO_LEN, "unknown");
	free(v);
}

int
packfit_check_data(const struct home *h, const struct pack_manifest *m, bool told, struct err *e)
{
	char as_of[CLOCK_ISO_LEN];

	if (told || !packfit_has_data(h))
		return 0;
	packfit_data_as_of(h, as_of);
	return err_set(e, ERR_PRECONDITION,
		       "this node already has data, as of %s; the pack was made at %s. A "
		       "secondary that has fallen behind needs no pack: it catches up or copies "
		       "the primary by itself, and `holdfast ha rejoin` orders a copy. To replace "
		       "the data with this pack anyway: `holdfast ha join --replace PACK`. "
		       "Nothing was changed",
		       as_of, m->made_at);
}

int
packfit_tell(const struct home *h, const struct pack_manifest *m, struct err *e)
{
	char path[HOME_PATH_MAX];

	home_path(h, HOME_PACK_TOLD, path);
	return home_write_file(path, m->mac, strlen(m->mac), 0600, e);
}

bool
packfit_was_told(const struct home *h, const struct pack_manifest *m)
{
	char path[HOME_PATH_MAX];
	auto_buf text = BUF_INIT;
	struct err ignored;

	home_path(h, HOME_PACK_TOLD, path);
	return home_read_file(path, 256, &text, &ignored) == 0 &&
	       strcmp(buf_str(&text), m->mac) == 0;
}

/* ---- the primary that the pack is of ---- */

static void
take_health(const struct client_reply *reply, struct packfit_primary *ret)
{
	struct probe_reply health;
	struct err why = { 0 };

	if (probe_parse(buf_str(&reply->body), reply->body.len, &health, &why) < 0) {
		text_fit(ret->why, sizeof(ret->why), "%s", why.text);
		return;
	}
	ret->answers = true;
	ret->serves = reply->status == 200 && strcmp(health.mode, "primary") == 0;
	if (health.time_us)
		ret->skew_us = clock_now_us() - health.time_us;
	if (!ret->serves)
		text_fit(ret->why, sizeof(ret->why), "it does not serve as the primary%s%s",
			 health.why[0] ? ": " : "", health.why);
}

void
packfit_ask(const struct pack_manifest *m, const char *trust, struct packfit_primary *ret)
{
	enum client_failure failure = CLIENT_OK;
	struct client_reply reply = { 0 };
	auto_buf shown = BUF_INIT;
	struct err why = { 0 };
	char url[320];

	*ret = (struct packfit_primary){ 0 };
	url_write(m->primary_name, (int)m->primary_https_port, url, sizeof(url));
	/* Where it cannot be had, the call itself says why. */
	if (!trust && client_peer_cert(m->primary_name, (int)m->primary_https_port, CONNECT_MS,
				       &shown, &why) < 0)
		buf_reset(&shown);
	struct client_options o = { .base = url,
				    .trust_pem = trust ? trust : buf_str(&shown),
				    .despite_expiry = true, /* by this clock, which may be wrong */
				    .connect_ms = CONNECT_MS,
				    .total_ms = ANSWER_MS };
	struct client *c = client_new(&o, &why);
	int rc = c ? client_call(c, "GET", "/v1/sys/health", NULL, &reply, &failure, &why)
		   : why.code;
	client_free(c);
	if (rc == 0)
		take_health(&reply, ret);
	else
		text_fit(ret->why, sizeof(ret->why), "%s", why.text);
	ret->name_unknown = failure == CLIENT_BAD_NAME;
	client_reply_done(&reply);
}

int
packfit_check_clock(const struct pack_manifest *m, const struct packfit_primary *p, struct err *e)
{
	int64_t skew_s = p->skew_us / 1000000;

	if (skew_s <= SKEW_MAX_S && skew_s >= -SKEW_MAX_S)
		return 0;
	return err_set(e, ERR_PRECONDITION,
		       "the clocks of this node and of %s are %lld s apart (at most %d s are "
		       "allowed): set the clock (NTP) and repeat. Nothing was changed",
		       m->primary_name, (long long)llabs(skew_s), SKEW_MAX_S);
}

int
packfit_check_reached(const struct pack_manifest *m, const struct packfit_primary *p, struct err *e)
{
	if (p->answers && p->serves)
		return 0;
	return err_set(e, ERR_PRECONDITION,
		       "cannot reach the primary %s (%s): until it answers, the data on this node "
		       "may be the last whole copy, and no pack replaces it. Nothing was changed",
		       m->primary_name, p->why);
}
