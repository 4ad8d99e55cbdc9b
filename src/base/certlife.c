/* SPDX-License-Identifier: Apache-2.0 */
#include "base/certlife.h"

#include <stdio.h>
#include "base/clock.h"

#define DAY_US (86400ll * 1000000)

static const struct {
	const char *name, *todo;
} kinds[] = {
	[CERTLIFE_WEB] = { "web", "Run `holdfast cert renew --web` on that node. If an authority "
				  "of yours signed it, put a "
				  "new one of theirs into its conf/tls and reload it "
				  "(docs/certificates.md)." },
	[CERTLIFE_CHANNEL] = { "channel", "Run `holdfast cert renew --channel` on that node." },
	[CERTLIFE_AUTHORITY] = { "authority",
				 "Run `holdfast cert renew --authority` on the primary; in a pair, "
				 "see docs/certificates.md first." },
};

const char *
certlife_name(enum certlife_kind k)
{
	return kinds[k].name;
}

const char *
certlife_todo(enum certlife_kind k)
{
	return kinds[k].todo;
}

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

enum certlife_level
certlife_level(const struct certlife *c, int64_t now_us)
{
	int64_t life = c->to_us - c->from_us, left = c->to_us - now_us;

	if (!c->to_us)
		return CERTLIFE_GOOD;
	if (left <= 0)
		return CERTLIFE_OVER;
	if (left < smaller(7 * DAY_US, life / 10))
		return CERTLIFE_LATE;
	return left < smaller(30 * DAY_US, life / 3) ? CERTLIFE_SOON : CERTLIFE_GOOD;
}

const char *
certlife_level_name(enum certlife_level l)
{
	static const char *const names[] = { "good", "soon", "late", "expired" };

	return names[l];
}

int64_t
certlife_days(const struct certlife *c, int64_t now_us)
{
	int64_t left = c->to_us - now_us;

	return left >= 0 ? left / DAY_US : -((-left + DAY_US - 1) / DAY_US);
}

void
certlife_say(enum certlife_kind k, const struct certlife *c, int64_t now_us,
	     char ret[static CERTLIFE_TEXT_MAX])
{
	const char *what = k == CERTLIFE_AUTHORITY ? "certificate of the vault's authority"
			   : k == CERTLIFE_WEB	   ? "web certificate"
						   : "channel certificate";
	int64_t days = certlife_days(c, now_us);
	char iso[CLOCK_ISO_LEN], left[32] = "today";

	clock_iso(c->to_us, iso);
	if (days)
		snprintf(left, sizeof(left), "in %d day%s", (int)(days & 0xffffff),
			 days == 1 ? "" : "s");
	if (c->to_us <= now_us)
		snprintf(ret, CERTLIFE_TEXT_MAX, "the %s expired on %.10s", what, iso);
	else
		snprintf(ret, CERTLIFE_TEXT_MAX, "the %s ends on %.10s, %s", what, iso, left);
}
