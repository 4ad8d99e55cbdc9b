/* SPDX-License-Identifier: Apache-2.0
 *
 * Which certificates a client trusts, and its verdict on the one a server shows. One place judges
 * for all clients, so each can say why it refuses. A trust is read once and never changes; any
 * thread may use it.
 */
#pragma once

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/attr.h"

enum trust_verdict {
	TRUST_GOOD,
	TRUST_EXPIRED,	  /* all is well but for the time: over */
	TRUST_NOT_YET,	  /* the same: not valid yet */
	TRUST_OTHER_NAME, /* trusted, but made for another name */
	TRUST_UNKNOWN,	  /* neither known itself nor signed by who is */
};

struct trust_finding {
	enum trust_verdict verdict;
	int64_t not_before_us, not_after_us; /* of the certificate shown; 0: there was none */
	char why[320]; /* what is wrong with it, in words; "" when it is good */
};

struct trust;

/* GnuTLS goes by the process's clock from then on. Once, by http_init. */
void trust_start(void);

/* pem: certificates, each of which is trusted as it stands and, when it is an authority's, for what it signs. What cannot be read among them is
 * passed over. NULL or "": nobody is trusted. */
struct trust *trust_new(const char *pem) MUST_USE;
void trust_free(struct trust *t); /* takes NULL */

/* Judges what the server `host` (a name or an address) has shown in this session. The time is that of the process's clock. */
void trust_judge(const struct trust *t, gnutls_session_t session, const char *host,
		 struct trust_finding *ret) NONNULL;
