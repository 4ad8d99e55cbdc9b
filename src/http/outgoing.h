/* SPDX-License-Identifier: Apache-2.0
 *
 * What this node sends outside its pair: HTTPS POSTs and mail. Always over TLS, with the other
 * side's name verified; no redirects, no proxy. Blocking, 20 s at most; any thread. *ret_answer is
 * the other side's answer, for people.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

#define OUTGOING_ANSWER_MAX 160
#define OUTGOING_CONNECT_MS 5000
#define OUTGOING_TOTAL_MS 20000

/* ca_file: the only certificates that are trusted; "": the system's. headers: "name: value", ended
 * by NULL. ERR_UNREACHABLE; ERR_REFUSED when the answer is not 2xx. */
int outgoing_post(const char *url, const char *ca_file, const char *const *headers,
		  const char *body, char ret_answer[static OUTGOING_ANSWER_MAX],
		  struct err *e) MUST_USE;

#define OUTGOING_BETWEEN ", " /* what stands between the addresses of a mail */

struct outgoing_mail {
	const char *url;	     /* "smtp://host:587" (STARTTLS) or "smtps://host:465" */
	const char *user, *password; /* NULL: none */
	const char *from, *to;	     /* to: somebody; OUTGOING_BETWEEN between several */
	const char *text;	     /* the whole mail */
	size_t len;
};
/* Whether it holds any address; only then may it be the `to` of a mail. */
bool outgoing_names_anybody(const char *to) NONNULL;
int outgoing_mail(const struct outgoing_mail *m, const char *ca_file,
		  char ret_answer[static OUTGOING_ANSWER_MAX], struct err *e) MUST_USE;
