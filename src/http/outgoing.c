/* SPDX-License-Identifier: Apache-2.0 */
#include "http/outgoing.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/mem.h"
#include "http/client_impl.h"

static void
done_curl(CURL **c)
{
	curl_easy_cleanup(*c);
}

static void
done_list(struct curl_slist **l)
{
	curl_slist_free_all(*l);
}

#define auto_curl FREE_WITH(done_curl) CURL *
#define auto_list FREE_WITH(done_list) struct curl_slist *

#define HOST_MAX 200

/* What is said beyond the status is not looked at, but for so much. */
static size_t
drop_answer(char *data, size_t one, size_t n, void *ctx)
{
	size_t *seen = ctx;

	*seen += n;
	return *seen > (1u << 20) ? 0 : n;
}

static CURL *
begin(const char *url, const char *protocols, const char *ca_file, char *why, size_t *seen)
{
	CURL *c = mem_have(curl_easy_init());

	why[0] = '\0';
	CLIENT_SET(c, CURLOPT_URL, url);
	CLIENT_SET(c, CURLOPT_PROTOCOLS_STR, protocols);
	CLIENT_SET(c, CURLOPT_NOSIGNAL, 1L);
	CLIENT_SET(c, CURLOPT_ERRORBUFFER, why);
	CLIENT_SET(c, CURLOPT_PROXY, "");
	CLIENT_SET(c, CURLOPT_FOLLOWLOCATION, 0L);
	CLIENT_SET(c, CURLOPT_CONNECTTIMEOUT_MS, (long)OUTGOING_CONNECT_MS);
	CLIENT_SET(c, CURLOPT_TIMEOUT_MS, (long)OUTGOING_TOTAL_MS);
	CLIENT_SET(c, CURLOPT_SSL_VERIFYPEER, 1L);
	CLIENT_SET(c, CURLOPT_SSL_VERIFYHOST, 2L);
	CLIENT_SET(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	CLIENT_SET(c, CURLOPT_WRITEFUNCTION, drop_answer);
	CLIENT_SET(c, CURLOPT_WRITEDATA, seen);
	if (ca_file[0]) {
		CLIENT_SET(c, CURLOPT_CAINFO, ca_file);
		CLIENT_SET(c, CURLOPT_CAPATH, NULL);
	}
	return c;
}

/* Host and port alone: what is before and behind them may hold a token. */
static const char *
host_of(const char *url, char ret[static HOST_MAX])
{
	const char *host = strstr(url, "://");

	host = host ? host + 3 : url;
	size_t n = strcspn(host, "/?#");
	const char *at = memchr(host, '@', n);
	if (at) {
		n -= (size_t)(at + 1 - host);
		host = at + 1;
	}
	snprintf(ret, HOST_MAX, "%.*s", (int)(n < HOST_MAX ? n : HOST_MAX - 1), host);
	return ret;
}

static int
failed(CURLcode code, const char *url, const char *why, struct err *e)
{
	char host[HOST_MAX];

	return err_set(e, ERR_UNREACHABLE, "%s: %.200s", host_of(url, host),
		       why[0] ? why : curl_easy_strerror(code));
}

int
outgoing_post(const char *url, const char *ca_file, const char *const *headers, const char *body,
	      char ret_answer[static OUTGOING_ANSWER_MAX], struct err *e)
{
	char why[CURL_ERROR_SIZE];
	size_t seen = 0;
	long status = 0;
	char host[HOST_MAX];
	auto_list list = NULL;
	auto_curl c = begin(url, "https", ca_file, why, &seen);

	client_add_line(&list, "Content-Type: application/json");
	client_add_line(&list, "Expect:");
	for (; *headers; headers++)
		client_add_line(&list, *headers);
	CLIENT_SET(c, CURLOPT_HTTPHEADER, list);
	CLIENT_SET(c, CURLOPT_USERAGENT, "holdfast/" HF_VERSION);
	CLIENT_SET(c, CURLOPT_POST, 1L);
	CLIENT_SET(c, CURLOPT_POSTFIELDS, body);
	CLIENT_SET(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
	CURLcode code = curl_easy_perform(c);
	if (code != CURLE_OK)
		return failed(code, url, why, e);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	snprintf(ret_answer, OUTGOING_ANSWER_MAX, "HTTP %ld", status);
	return status / 100 == 2 ? 0
				 : err_set(e, ERR_REFUSED, "%s answered with HTTP %ld",
					   host_of(url, host), status);
}

/* ---- mail ---- */

struct upload {
	const char *at;
	size_t left;
};

static size_t
give_text(char *to, size_t one, size_t n, void *ctx)
{
	struct upload *u = ctx;
	size_t k = one * n < u->left ? one * n : u->left;

	memcpy(to, u->at, k);
	u->at += k;
	u->left -= k;
	return k;
}

static void
list_receivers(const char *to, struct curl_slist **ret)
{
	for (size_t n; *(to += strspn(to, OUTGOING_BETWEEN)); to += n) {
		auto_buf address = BUF_INIT;

		n = strcspn(to, OUTGOING_BETWEEN);
		buf_add(&address, to, n);
		client_add_line(ret, buf_str(&address));
	}
	assert(*ret);
}

bool
outgoing_names_anybody(const char *to)
{
	return to[strspn(to, OUTGOING_BETWEEN)] != '\0';
}

int
outgoing_mail(const struct outgoing_mail *m, const char *ca_file,
	      char ret_answer[static OUTGOING_ANSWER_MAX], struct err *e)
{
	char why[CURL_ERROR_SIZE], host[256] = "";
	struct upload u = { m->text, m->len };
	size_t seen = 0;
	long status = 0;
	auto_list list = NULL;
	auto_buf url = BUF_INIT;

	list_receivers(m->to, &list);
	/* The path of the address is what the server is greeted with. */
	if (gethostname(host, sizeof(host) - 1) < 0 || !host[0])
		snprintf(host, sizeof(host), "localhost");
	buf_addf(&url, "%s/%s", m->url, host);
	auto_curl c = begin(buf_str(&url), "smtp,smtps", ca_file, why, &seen);
	CLIENT_SET(c, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
	CLIENT_SET(c, CURLOPT_MAIL_FROM, m->from);
	CLIENT_SET(c, CURLOPT_MAIL_RCPT, list);
	CLIENT_SET(c, CURLOPT_UPLOAD, 1L);
	CLIENT_SET(c, CURLOPT_READFUNCTION, give_text);
	CLIENT_SET(c, CURLOPT_READDATA, &u);
	if (m->user) {
		CLIENT_SET(c, CURLOPT_USERNAME, m->user);
		CLIENT_SET(c, CURLOPT_PASSWORD, m->password ? m->password : "");
	}
	CURLcode code = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK)
		return failed(code, m->url, why, e);
	snprintf(ret_answer, OUTGOING_ANSWER_MAX, "SMTP %ld", status);
	return 0;
}
