/* SPDX-License-Identifier: Apache-2.0
 *
 * A blocking HTTPS client (libcurl), for the CLI's verbs and the agent's probes. A struct client keeps
 * its connection alive between calls. Redirects are not followed: the caller sees 307 and Location.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include "base/buf.h"
#include "base/err.h"

struct client;

struct client_options {
	const char *base;      /* "https://host:port" */
	const char *trust_pem; /* PEM text: the certificates that are trusted (pins and CAs); never
				  the system's */
	const char *bearer;    /* or NULL */
	bool despite_expiry; /* accept a certificate that is good but for its dates: only for what is not secret and changes nothing */
	/* Hear whoever answers, as the reply proves itself: a call that fails for the certificate
	 * alone still fills its reply. Only for what is not secret and changes nothing. */
	bool hear_untrusted;
	size_t body_max; /* bytes of a reply, 0: as many as a reply of a vault can have */
	const char
		*resolve; /* "host:port:address,…": where it is, without looking it up; or NULL */
	int connect_ms, total_ms;
};

struct client_reply {
	int status;
	struct buf body;
	char location[512], mode[32], durability[16], as_of[40];
	char nodes[24];	      /* mark of the nodes that there are (base/statepage.h), "" not said */
	char emergency_s[24]; /* how long the node has been in emergency, "" it is not */
};

/* How a call failed, for callers that must tell a dead peer from a broken line. */
enum client_failure {
	CLIENT_OK,
	CLIENT_REFUSED,	  /* the machine answered: nothing listens there */
	CLIENT_SILENT,	  /* no answer in time, or no route to it */
	CLIENT_UNTRUSTED, /* the certificate is not trusted, or made for another name */
	CLIENT_EXPIRED,	  /* it would be, but has expired or is not valid yet */
	CLIENT_BAD_NAME,  /* the host name is not known */
	CLIENT_OTHER,	  /* the connection broke, or the answer is not HTTP */
};

struct client *client_new(const struct client_options *o, struct err *e) MUST_USE;
void client_free(struct client *c);
/* method "GET"…; body NULL or JSON. ret is filled and must be freed with client_reply_done.
 * ERR_UNREACHABLE when there is no HTTP reply; *ret_failure (may be NULL) says how. */
int client_call(struct client *c, const char *method, const char *path, const char *body,
		struct client_reply *ret, enum client_failure *ret_failure, struct err *e) MUST_USE;
/* The same with a body of len bytes of another type. */
enum client_type {
	CLIENT_JSON,
	CLIENT_FILE, /* bytes; the other side sees what they are */
};
int client_send(struct client *c, const char *method, const char *path, enum client_type type,
		const char *body, size_t len, struct client_reply *ret,
		enum client_failure *ret_failure, struct err *e) MUST_USE;
/* Whether any byte of the last call's request was sent; if not, it was not done. */
bool client_sent(const struct client *c) NONNULL;
/* What is wrong with the certificate that the last call was shown; "" if it was good or there was none. Borrowed until the next call. */
const char *client_why_untrusted(const struct client *c) NONNULL;
/* The validity of the certificate that the last call was shown; 0: it was shown none. */
void client_cert_times(const struct client *c, int64_t *ret_from_us, int64_t *ret_to_us) NONNULL;
/* From now on a call, connecting included, takes at most this long. */
void client_set_patience(struct client *c, int total_ms) NONNULL;
/* Calls end soon after *stop becomes true, as if the line broke; NULL: no longer. */
void client_stop_on(struct client *c, const atomic_bool *stop);
void client_reply_done(struct client_reply *r) NONNULL; /* wipes */

/* Connects, does the TLS handshake without judging trust, and returns the peer's certificate chain
 * (PEM). For the first login and cert show. */
int client_peer_cert(const char *host, int port, int timeout_ms, struct buf *ret_pem,
		     struct err *e) MUST_USE;
