/* SPDX-License-Identifier: Apache-2.0
 *
 * Which certificates a client trusts, and its verdict on the one a server shows. One place judges
 * for all clients, so each can say why it refuses. A trust never changes once it is read; any
 * thread may use it.
 */
#pragma once

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/attr.h"

enum trust_verdict {
	TRUST_GOOD,
	TRUST_EXPIRED,	  /* good but for its dates: expired */
	TRUST_NOT_YET,	  /* the same: not valid yet */
	TRUST_OTHER_NAME, /* trusted, but made for another name */
	TRUST_UNKNOWN,	  /* neither trusted itself nor signed by an authority that is */
};

struct trust_finding {
	enum trust_verdict verdict;
	int64_t not_before_us, not_after_us; /* of the certificate shown; 0: there was none */
	char why[320]; /* what is wrong with it, in words; "" when it is good */
};

struct trust;

/* Makes GnuTLS go by the process's clock. Once, by http_init. */
void trust_start(void);

/* pem: certificates, each trusted as it stands and, if it is an authority's, for what it signs.
 * Those that cannot be read are skipped. NULL or "": nobody is trusted. */
struct trust *trust_new(const char *pem) MUST_USE;
void trust_free(struct trust *t); /* takes NULL */

/* Judges the certificate that the server `host` (a name or an address) has shown in this session, by the process's clock. */
void trust_judge(const struct trust *t, gnutls_session_t session, const char *host,
		 struct trust_finding *ret) NONNULL;
