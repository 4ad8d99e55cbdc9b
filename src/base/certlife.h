/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a certificate remains valid, and how that is reported (H9). Pure functions.
 */
#pragma once

#include <stdint.h>
#include "base/attr.h"

/* The certificates that a node presents, and CERTLIFE_AUTHORITY, which signs both. */
enum certlife_kind { CERTLIFE_WEB, CERTLIFE_CHANNEL, CERTLIFE_AUTHORITY, CERTLIFE_KINDS };
const char *certlife_name(enum certlife_kind k); /* "web" */
/* What to do before it expires: a sentence with the command. */
const char *certlife_todo(enum certlife_kind k);

struct certlife {
	int64_t from_us, to_us; /* to_us 0: not known */
};

enum certlife_level {
	CERTLIFE_GOOD, /* or not known */
	CERTLIFE_SOON, /* a warning: below the smaller of 30 days and a third of its life */
	CERTLIFE_LATE, /* below the smaller of 7 days and a tenth */
	CERTLIFE_OVER,
};
enum certlife_level certlife_level(const struct certlife *c, int64_t now_us) NONNULL;
const char *certlife_level_name(enum certlife_level l); /* "good", "soon", "late", "expired" */
int64_t certlife_days(const struct certlife *c,
		      int64_t now_us) NONNULL; /* whole days left; negative once it has expired */
#define CERTLIFE_TEXT_MAX 96
/* "the web certificate ends on 2026-12-01, in 3 days", or "… expired on 2026-11-28". */
void certlife_say(enum certlife_kind k, const struct certlife *c, int64_t now_us,
		  char ret[static CERTLIFE_TEXT_MAX]);
