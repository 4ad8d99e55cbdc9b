/* SPDX-License-Identifier: Apache-2.0
 *
 * The receivers of alerts, as the settings name them: lists them, and sends one alert to one of
 * them. Secrets are read from their files each time, so a new one takes effect at once. Blocking;
 * any thread.
 */
#pragma once

#include <stdbool.h>
#include "alert/alert.h"
#include "base/settings.h"

/* X(NAME, name, the setting that enables it). The order is that of the bits in the outbox. */
#define RECEIVERS(X)                                                                               \
	X(WEBHOOK, "webhook", alert_webhook)                                                       \
	X(SYSLOG, "syslog", alert_syslog)                                                          \
	X(SMTP, "smtp", alert_smtp)

enum receiver {
#define X(NAME, name, setting) RECEIVER_##NAME,
	RECEIVERS(X)
#undef X
		RECEIVER_COUNT
};

#define RECEIVER_ANSWER_MAX 160

const char *receiver_name(enum receiver t);
bool receiver_is_there(const struct settings *s, enum receiver t) NONNULL;
unsigned receiver_bits(const struct settings *s) NONNULL; /* of all that are there */
/* Checks that the settings have what the receiver needs at all. */
int receiver_check(const struct settings *s, enum receiver t, struct err *e) NONNULL MUST_USE;
/* 0: accepted, and ret_answer is what it said. */
int receiver_send(const struct settings *s, enum receiver t, const struct alert_out *a,
		  char ret_answer[static RECEIVER_ANSWER_MAX], struct err *e) MUST_USE;
