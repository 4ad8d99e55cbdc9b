/* SPDX-License-Identifier: Apache-2.0
 *
 * The receivers of alerts, as the settings name them: which there are, and one alert to one of them. Secrets are read from
 * their files each time, so that a new one counts at once. Blocking; any thread.
 */
#pragma once

#include <stdbool.h>
#include "alert/alert.h"
#include "base/settings.h"

/* X(NAME, name, the setting that says that it is there). The order is that of the bits in the outbox. */
#define TARGETS(X)                                                                                 \
	X(WEBHOOK, "webhook", alert_webhook)                                                       \
	X(SYSLOG, "syslog", alert_syslog)                                                          \
	X(SMTP, "smtp", alert_smtp)

enum target {
#define X(NAME, name, setting) TARGET_##NAME,
	TARGETS(X)
#undef X
		TARGET_COUNT
};

#define TARGET_ANSWER_MAX 160

const char *target_name(enum target t);
bool target_is_there(const struct settings *s, enum target t) NONNULL;
unsigned target_bits(const struct settings *s) NONNULL; /* of all that are there */
/* What the settings lack for the target to work at all. */
int target_check(const struct settings *s, enum target t, struct err *e) NONNULL MUST_USE;
/* 0: accepted, and ret_answer is what it said. */
int target_send(const struct settings *s, enum target t, const struct alert_out *a,
		char ret_answer[static TARGET_ANSWER_MAX], struct err *e) MUST_USE;
