/* SPDX-License-Identifier: Apache-2.0
 *
 * What client.c and relay.c share of libcurl: trust, options, and what went wrong. Nobody else includes this.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include "http/client.h"

#define CLIENT_BODY_MAX (64 * 1024 * 1024)

/* An option that libcurl knows is refused only when memory is out. */
#define CLIENT_SET(curl, option, value)                                                            \
	do {                                                                                       \
		if (curl_easy_setopt((curl), (option), (value)) != CURLE_OK)                       \
			abort();                                                                   \
	} while (0)

/* A file without a name that holds the certificates: curl with GnuTLS takes them from a file only. */
int client_write_trust(const char *pem, int *ret_fd, struct err *e) MUST_USE;
/* HTTPS by TLS 1.3 only, trust from that file only, no proxy, no redirects. why: CURL_ERROR_SIZE bytes, kept by the caller. */
void client_set_options(CURL *curl, int trust_fd, int connect_ms, int total_ms, char *why);
enum client_failure client_classify(CURL *curl, CURLcode code);
const char *client_failure_text(enum client_failure f);
/* Whether anything of the last request went out. */
bool client_sent_any(CURL *curl);
