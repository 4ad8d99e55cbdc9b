/* SPDX-License-Identifier: Apache-2.0 */
#include "http/client_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/secret.h"

#define BASE_MAX 512
#define PATH_MAX_BYTES 8192

struct client {
	CURL *curl;
	char base[BASE_MAX];
	struct trust *certs;
	struct client_trust trust;
	struct curl_slist *headers, *headers_body, *headers_file, *resolve;
	size_t body_max;
	bool sent; /* of the last call: something of the request went out */
	char why[CURL_ERROR_SIZE];
};

/* ---- life ---- */

void
client_add_line(struct curl_slist **list, const char *line)
{
	*list = mem_have(curl_slist_append(*list, line));
}

static void
make_headers(struct client *c, const char *bearer)
{
	auto_buf line = BUF_INIT;

	if (bearer) {
		buf_addf(&line, "Authorization: Bearer %s", bearer);
		client_add_line(&c->headers, line.data);
		client_add_line(&c->headers_body, line.data);
		client_add_line(&c->headers_file, line.data);
	}
	client_add_line(&c->headers, "Accept: application/json");
	client_add_line(&c->headers_body, "Accept: application/json");
	client_add_line(&c->headers_body, "Content-Type: application/json");
	client_add_line(&c->headers_body, "Expect:");
	client_add_line(&c->headers_file, "Accept: application/json");
	client_add_line(&c->headers_file, "Content-Type: application/octet-stream");
	client_add_line(&c->headers_file, "Expect:");
}

#define SET(c, option, value) CLIENT_SET((c)->curl, option, value)

static bool
is_refused(const struct client_trust *t)
{
	enum trust_verdict v = t->found.verdict;
	bool late = v == TRUST_EXPIRED || v == TRUST_NOT_YET;

	return v != TRUST_GOOD && !(late && t->despite_expiry);
}

/* Called when a connection is there, before anything of a request is sent on it. */
static int
on_connected(void *ctx, char *there, char *here, int port_there, int port_here)
{
	struct client_trust *t = ctx;
	struct curl_tlssessioninfo *tls = NULL;

	t->found = (struct trust_finding){ .verdict = TRUST_UNKNOWN };
	if (curl_easy_getinfo(t->curl, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK || !tls ||
	    tls->backend != CURLSSLBACKEND_GNUTLS || !tls->internals)
		return CURL_PREREQFUNC_ABORT;
	trust_judge(t->trust, tls->internals, t->host, &t->found);
	return is_refused(t) && !t->hear_untrusted ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* libcurl's own check knows no more than yes and no, and goes by the system's clock; on_connected is in its place. */
static void
set_trust(struct client_trust *t)
{
	CURL *curl = t->curl;

	CLIENT_SET(curl, CURLOPT_CAINFO, NULL);
	CLIENT_SET(curl, CURLOPT_CAPATH, NULL); /* the system's certificates are not ours */
	CLIENT_SET(curl, CURLOPT_SSL_VERIFYPEER, 0L);
	CLIENT_SET(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	CLIENT_SET(curl, CURLOPT_PREREQFUNCTION, on_connected);
	CLIENT_SET(curl, CURLOPT_PREREQDATA, t);
	/* A session that is resumed shows no certificate of now. */
	CLIENT_SET(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	CLIENT_SET(curl, CURLOPT_SSLVERSION,
		   (long)(CURL_SSLVERSION_TLSv1_3 | CURL_SSLVERSION_MAX_TLSv1_3));
}

void
client_set_options(struct client_trust *trust, int connect_ms, int total_ms, char *why)
{
	CURL *curl = trust->curl;

	CLIENT_SET(curl, CURLOPT_NOSIGNAL, 1L);
	CLIENT_SET(curl, CURLOPT_ERRORBUFFER, why);
	CLIENT_SET(curl, CURLOPT_PROTOCOLS_STR, "https");
	CLIENT_SET(curl, CURLOPT_PROXY, "");
	CLIENT_SET(curl, CURLOPT_FOLLOWLOCATION, 0L);
	CLIENT_SET(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	CLIENT_SET(curl, CURLOPT_PATH_AS_IS, 1L);
	CLIENT_SET(curl, CURLOPT_TCP_NODELAY, 1L);
	CLIENT_SET(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	CLIENT_SET(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
	CLIENT_SET(curl, CURLOPT_TIMEOUT_MS, (long)total_ms);
	CLIENT_SET(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)CLIENT_BODY_MAX);
	set_trust(trust);
}

void
client_host(const char *url, char ret[static 256])
{
	const char *at = strstr(url, "://");
	size_t n;

	at = at ? at + 3 : url;
	if (*at == '[') {
		at++;
		n = strcspn(at, "]");
	} else {
		n = strcspn(at, ":/");
	}
	snprintf(ret, 256, "%.*s", (int)(n < 255 ? n : 255), at);
}

static int
check_base(const char *base, struct err *e)
{
	if (strncmp(base, "https://", 8) != 0 || base[8] == '\0' || strlen(base) >= BASE_MAX)
		return err_set(e, ERR_USAGE,
			       "\"%.200s\" is no address of a node; write https://host:port", base);
	return 0;
}

struct client *
client_new(const struct client_options *o, struct err *e)
{
	struct client *c;

	if (check_base(o->base, e) < 0)
		return NULL;
	c = mem_new(sizeof(*c));
	c->curl = mem_have(curl_easy_init());
	c->certs = trust_new(o->trust_pem);
	c->trust = (struct client_trust){ .curl = c->curl,
					  .trust = c->certs,
					  .despite_expiry = o->despite_expiry,
					  .hear_untrusted = o->hear_untrusted };
	c->body_max = o->body_max ? o->body_max : CLIENT_BODY_MAX;
	client_host(o->base, c->trust.host);
	snprintf(c->base, sizeof(c->base), "%s", o->base);
	for (size_t n = strlen(c->base); n > 0 && c->base[n - 1] == '/'; n--)
		c->base[n - 1] = '\0';
	make_headers(c, o->bearer);
	client_set_options(&c->trust, o->connect_ms, o->total_ms, c->why);
	if (o->resolve) {
		client_add_line(&c->resolve, o->resolve);
		SET(c, CURLOPT_RESOLVE, c->resolve);
	}
	return c;
}

static void
free_headers(struct curl_slist *list)
{
	for (struct curl_slist *l = list; l; l = l->next)
		secret_wipe(l->data, strlen(l->data)); /* the bearer token is in one of them */
	curl_slist_free_all(list);
}

void
client_free(struct client *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	free_headers(c->headers);
	free_headers(c->headers_body);
	free_headers(c->headers_file);
	curl_slist_free_all(c->resolve);
	trust_free(c->certs);
	free(c);
}

/* ---- the reply ---- */

struct body {
	struct buf *to;
	size_t max;
};

static size_t
on_body(char *data, size_t one, size_t n, void *ctx)
{
	struct body *b = ctx;

	if (n > b->max - b->to->len)
		return 0;
	buf_add(b->to, data, n);
	return n;
}

/* A value that does not fit is left out: half an address is none. */
static void
take_value(const char *v, size_t n, char *to, size_t size)
{
	while (n > 0 && (*v == ' ' || *v == '\t')) {
		v++;
		n--;
	}
	while (n > 0 && (unsigned char)v[n - 1] <= ' ')
		n--;
	if (n >= size)
		return;
	memcpy(to, v, n);
	to[n] = '\0';
}

static const struct {
	const char *name;
	size_t offset, size;
} kept_headers[] = {
#define KEEP(name, field)                                                                          \
	{                                                                                          \
		name, offsetof(struct client_reply, field),                                        \
			sizeof(((struct client_reply *)0)->field)                                  \
	}
	KEEP("Location:", location),
	KEEP("Holdfast-Mode:", mode),
	KEEP("Holdfast-Durability:", durability),
	KEEP("Holdfast-As-Of:", as_of),
	KEEP("Holdfast-Nodes:", nodes),
	KEEP("Holdfast-Emergency-Seconds:", emergency_s),
#undef KEEP
};

static size_t
on_header_line(char *line, size_t one, size_t n, void *ctx)
{
	struct client_reply *r = ctx;

	for (size_t i = 0; i < ARRAY_LEN(kept_headers); i++) {
		size_t name_len = strlen(kept_headers[i].name);

		if (n > name_len && strncasecmp(line, kept_headers[i].name, name_len) == 0)
			take_value(line + name_len, n - name_len,
				   (char *)r + kept_headers[i].offset, kept_headers[i].size);
	}
	return n;
}

void
client_reply_done(struct client_reply *r)
{
	buf_done(&r->body);
	secret_wipe(r, sizeof(*r));
}

/* ---- failures ---- */

/* What the system said when the connection could not be made. */
static enum client_failure
connect_failure(long sys)
{
	return sys == ECONNREFUSED ? CLIENT_REFUSED : CLIENT_SILENT;
}

static enum client_failure
of_verdict(enum trust_verdict v)
{
	return v == TRUST_EXPIRED || v == TRUST_NOT_YET ? CLIENT_EXPIRED : CLIENT_UNTRUSTED;
}

static enum client_failure
classify(CURLcode code, long sys)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return CLIENT_BAD_NAME;
	case CURLE_COULDNT_CONNECT:
		return connect_failure(sys);
	case CURLE_OPERATION_TIMEDOUT:
		return CLIENT_SILENT;
	default:
		return CLIENT_OTHER;
	}
}

enum client_failure
client_classify(const struct client_trust *trust, CURLcode code)
{
	long sys = 0;

	if (is_refused(trust) && (code == CURLE_ABORTED_BY_CALLBACK || trust->hear_untrusted))
		return of_verdict(trust->found.verdict);
	curl_easy_getinfo(trust->curl, CURLINFO_OS_ERRNO, &sys);
	return classify(code, sys);
}

const char *
client_failure_text(enum client_failure f)
{
	static const char *const texts[] = {
		[CLIENT_OK] = "it went well",
		[CLIENT_REFUSED] =
			"the connection was refused; nothing listens there. Is the node started?",
		[CLIENT_SILENT] =
			"there was no answer in time; is the machine up and the network open?",
		[CLIENT_UNTRUSTED] =
			("its certificate is not trusted here. A node trusts it after "
			 "`holdfast cert import FILE`, a user after `holdfast login --ca FILE` or "
			 "`--trust SHA256`"),
		[CLIENT_EXPIRED] = ("its certificate is out of date. It is renewed on that node: "
				    "with `holdfast "
				    "cert renew`, or by a new one of the authority that signed it"),
		[CLIENT_BAD_NAME] = "the host name is not known; check DNS or /etc/hosts",
		[CLIENT_OTHER] = "the connection broke",
	};

	return texts[f];
}

bool
client_sent_any(CURL *curl)
{
	long n = 0;

	curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &n);
	return n > 0;
}

bool
client_sent(const struct client *c)
{
	return c->sent;
}

const char *
client_why_untrusted(const struct client *c)
{
	return c->trust.found.verdict == TRUST_GOOD ? "" : c->trust.found.why;
}

void
client_cert_times(const struct client *c, int64_t *ret_from_us, int64_t *ret_to_us)
{
	*ret_from_us = c->trust.found.not_before_us;
	*ret_to_us = c->trust.found.not_after_us;
}

static int
refuse_call(struct client *c, CURLcode code, enum client_failure *ret_failure, struct err *e)
{
	enum client_failure f = client_classify(&c->trust, code);
	bool judged = f == CLIENT_UNTRUSTED || f == CLIENT_EXPIRED;

	if (ret_failure)
		*ret_failure = f;
	if (!judged && (code == CURLE_WRITE_ERROR || code == CURLE_FILESIZE_EXCEEDED))
		return err_set(e, ERR_UNREACHABLE, "%s: the reply is larger than %zu KiB", c->base,
			       c->body_max >> 10);
	return err_set(e, ERR_UNREACHABLE, "%s cannot be reached: %s (%s)", c->base,
		       client_failure_text(f),
		       judged	   ? c->trust.found.why
		       : c->why[0] ? c->why
				   : curl_easy_strerror(code));
}

/* ---- the call ---- */

static int
on_progress(void *stop, curl_off_t down_of, curl_off_t down, curl_off_t up_of, curl_off_t up)
{
	return atomic_load((const atomic_bool *)stop);
}

void
client_set_patience(struct client *c, int total_ms)
{
	SET(c, CURLOPT_CONNECTTIMEOUT_MS, (long)total_ms);
	SET(c, CURLOPT_TIMEOUT_MS, (long)total_ms);
}

void
client_stop_on(struct client *c, const atomic_bool *stop)
{
	SET(c, CURLOPT_XFERINFOFUNCTION, stop ? on_progress : NULL);
	SET(c, CURLOPT_XFERINFODATA, UNCONST(void *, stop));
	SET(c, CURLOPT_NOPROGRESS, stop ? 0L : 1L);
}

static void
set_body(struct client *c, const char *method, enum client_type type, const char *body, size_t len)
{
	SET(c, CURLOPT_HTTPGET, 1L); /* forgets what the last call was */
	SET(c, CURLOPT_NOBODY, strcmp(method, "HEAD") == 0 ? 1L : 0L);
	if (body) {
		SET(c, CURLOPT_POST, 1L);
		SET(c, CURLOPT_POSTFIELDS, body);
		SET(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	}
	SET(c, CURLOPT_CUSTOMREQUEST, method);
	if (!body)
		SET(c, CURLOPT_HTTPHEADER, c->headers);
	else
		SET(c, CURLOPT_HTTPHEADER, type == CLIENT_FILE ? c->headers_file : c->headers_body);
}

int
client_call(struct client *c, const char *method, const char *path, const char *body,
	    struct client_reply *ret, enum client_failure *ret_failure, struct err *e)
{
	return client_send(c, method, path, CLIENT_JSON, body, body ? strlen(body) : 0, ret,
			   ret_failure, e);
}

int
client_send(struct client *c, const char *method, const char *path, enum client_type type,
	    const char *body, size_t len, struct client_reply *ret,
	    enum client_failure *ret_failure, struct err *e)
{
	char url[BASE_MAX + PATH_MAX_BYTES];
	struct client_reply reply = { 0 };
	struct body body_to = { &reply.body, c->body_max };
	long status = 0;
	CURLcode code;

	c->sent = false;
	if (ret_failure)
		*ret_failure = CLIENT_OTHER;
	if (path[0] != '/' || strlen(path) >= PATH_MAX_BYTES)
		return err_set(e, ERR_USAGE,
			       "the path of a call must begin with a slash and be short");
	snprintf(url, sizeof(url), "%s%s", c->base, path);
	SET(c, CURLOPT_URL, url);
	SET(c, CURLOPT_WRITEFUNCTION, on_body);
	SET(c, CURLOPT_WRITEDATA, &body_to);
	SET(c, CURLOPT_HEADERFUNCTION, on_header_line);
	SET(c, CURLOPT_HEADERDATA, &reply);
	set_body(c, method, type, body, len);
	c->why[0] = '\0';
	c->trust.found = (struct trust_finding){ 0 };
	code = curl_easy_perform(c->curl);
	c->sent = client_sent_any(c->curl);
	if (code != CURLE_OK) {
		client_reply_done(&reply);
		return refuse_call(c, code, ret_failure, e);
	}
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	reply.status = (int)status;
	*ret = reply;
	if (is_refused(&c->trust))
		return refuse_call(c, CURLE_ABORTED_BY_CALLBACK, ret_failure, e);
	if (ret_failure)
		*ret_failure = CLIENT_OK;
	return 0;
}
