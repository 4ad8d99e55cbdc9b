/* SPDX-License-Identifier: Apache-2.0
 *
 * What the callers of libcurl share (client.c, relay.c, outgoing.c): options, lists, whom to trust, and what went wrong.
 * Nobody else includes this but its test.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include "base/mem.h"
#include "http/client.h"
#include "http/trust.h"

#define CLIENT_BODY_MAX (64 * 1024 * 1024)

/* libcurl refuses a known option only when out of memory. */
#define CLIENT_SET(curl, option, value)                                                            \
	mem_check(curl_easy_setopt((curl), (option), (value)) == CURLE_OK)

/* Appends a copy: a header "name: value", "name:" for one that libcurl is not to send, a receiver of a mail. The caller frees
 * the list. */
void client_add_line(struct curl_slist **list, const char *line);

/* Whom one handle trusts, and what it found at the last connection. Lives as long as the handle. */
struct client_trust {
	CURL *curl;
	const struct trust *trust;
	char host[256];
	bool despite_expiry, hear_untrusted;
	struct trust_finding found;
};

/* HTTPS over TLS 1.3 only, no proxy, no redirects. `trust` alone decides whom to trust, before a
 * byte of the request is sent. why: CURL_ERROR_SIZE bytes, kept by the caller. */
void client_set_options(struct client_trust *trust, int connect_ms, int total_ms, char *why);
/* The host of "https://host:port/…", without brackets. */
void client_host(const char *url, char ret[static 256]);
enum client_failure client_classify(const struct client_trust *trust, CURLcode code);
const char *client_failure_text(enum client_failure f);
/* Whether any byte of the last request was sent. */
bool client_sent_any(CURL *curl);
