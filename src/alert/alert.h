/* SPDX-License-Identifier: Apache-2.0
 *
 * What an alert is and how each receiver sees it. Pure: no files, no network. Signatures follow
 * Standard Webhooks (standardwebhooks.com, symmetric): HMAC-SHA256 over "id.timestamp.body", in
 * base64, after "v1,".
 */
#pragma once

#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"

/* X(NAME, name, severity of syslog) */
#define ALERT_TYPES(X)                                                                             \
	X(EMERGENCY_BEGAN, "emergency.began", 2)                                                   \
	X(EMERGENCY_ENDED, "emergency.ended", 5)                                                   \
	X(NODE_FAILED, "node.failed", 3)                                                           \
	X(NODE_ALIVE, "node.alive", 5)                                                             \
	X(CERT_ENDS, "certificate.ends", 4)                                                        \
	X(CERT_RENEWED, "certificate.renewed", 5)                                                  \
	X(RECOVERED, "administrator.recovered", 2)                                                 \
	X(LET_IN, "user.let_in", 4)                                                                \
	X(UNUSUAL, "retrievals.unusual", 4)                                                        \
	X(NOT_KEPT, "alerts.not_kept", 4)                                                          \
	X(TEST, "alerts.test", 6)

enum alert_type {
#define X(NAME, name, severity) ALERT_##NAME,
	ALERT_TYPES(X)
#undef X
		ALERT_TYPE_COUNT
};

const char *alert_type_name(enum alert_type t);

/* What happened. */
struct alert {
	enum alert_type type;
	struct uuid id;
	int64_t at_us;
	char source[256];	/* the node that says it */
	char node[256];		/* the node it is about */
	char state[16];		/* of the source */
	char text[512];		/* one sentence */
	char detail[256];	/* "" none */
	const char *todo;	/* static; NULL none */
	uint64_t reasons;	/* bits of enum status_reason */
	int64_t term, as_of_us; /* as_of 0: not said */
	int64_t lost;		/* ALERT_NOT_KEPT: how many */
};

/* The JSON that the webhook posts and syslog carries. */
void alert_body(const struct alert *a, struct buf *out) NONNULL;

/* What is sent; texts are borrowed. */
struct alert_out {
	struct uuid id;
	int64_t at_us;
	const char *source, *type, *text, *body;
};

/* The key of a webhook, from the text of its file: "whsec_" and 24 to 64 bytes in base64, appended. ERR_BAD_FIELD. */
int alert_key(const char *text, struct buf *ret, struct err *e) NONNULL MUST_USE;
#define ALERT_SIGNATURE_LEN 48 /* "v1," and 44 characters, and the NUL */
void alert_sign(const struct buf *key, const char *id, int64_t unix_s, const char *body,
		char ret[static ALERT_SIGNATURE_LEN]);

/* One message of RFC 5424, preceded by its length and a blank (RFC 5425, octet counting). */
void alert_syslog(const struct alert_out *a, int pid, struct buf *out) NONNULL;
/* One mail (RFC 5322), lines ended by CR LF. to: as in the settings. */
void alert_mail(const struct alert_out *a, const char *from, const char *to,
		struct buf *out) NONNULL;
