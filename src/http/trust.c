/* SPDX-License-Identifier: Apache-2.0 */
#include "http/trust.h"

#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#define SHOWN_MAX 16	 /* certificates in a chain */
#define TRUSTED_MAX 1024 /* certificates in a trust */

static const char begin_mark[] = "-----BEGIN CERTIFICATE-----";
static const char end_mark[] = "-----END CERTIFICATE-----";

struct trust {
	gnutls_x509_trust_list_t authorities; /* owns the certificates */
	gnutls_x509_crt_t certs[TRUSTED_MAX];
	unsigned n;
};

static time_t
now_s(time_t *ret)
{
	time_t now = (time_t)(clock_now_us() / 1000000);

	if (ret)
		*ret = now;
	return now;
}

void
trust_start(void)
{
	gnutls_global_set_time_function(now_s);
}

/* One certificate of a text of many: what is damaged costs only itself. */
static void
add_one(struct trust *t, const char *text, size_t n)
{
	gnutls_datum_t d = { .data = UNCONST(unsigned char *, text), .size = (unsigned)n };
	gnutls_x509_crt_t crt;

	if (t->n == TRUSTED_MAX || gnutls_x509_crt_init(&crt) < 0)
		return;
	if (gnutls_x509_crt_import(crt, &d, GNUTLS_X509_FMT_PEM) < 0 ||
	    gnutls_x509_trust_list_add_cas(t->authorities, &crt, 1, 0) != 1) {
		gnutls_x509_crt_deinit(crt);
		return;
	}
	t->certs[t->n++] = crt;
}

struct trust *
trust_new(const char *pem)
{
	struct trust *t = mem_new(sizeof(*t));

	mem_check(gnutls_x509_trust_list_init(&t->authorities, 0) >= 0);
	for (const char *at = pem, *end; at && (at = strstr(at, begin_mark)); at = end) {
		end = strstr(at, end_mark);
		if (!end)
			break;
		end += sizeof(end_mark) - 1;
		add_one(t, at, (size_t)(end - at));
	}
	return t;
}

void
trust_free(struct trust *t)
{
	if (!t)
		return;
	gnutls_x509_trust_list_deinit(t->authorities, 1);
	free(t);
}

static bool
is_known(const struct trust *t, gnutls_x509_crt_t shown)
{
	for (unsigned i = 0; i < t->n; i++)
		if (gnutls_x509_crt_equals(t->certs[i], shown))
			return true;
	return false;
}

/* 0: signed by somebody who is trusted, and valid now; else bits of gnutls_certificate_status_t. */
static unsigned
look_up(const struct trust *t, gnutls_x509_crt_t *shown, unsigned n)
{
	gnutls_typed_vdata_st server = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = UNCONST(unsigned char *, GNUTLS_KP_TLS_WWW_SERVER),
	};
	unsigned status = GNUTLS_CERT_INVALID;

	if (gnutls_x509_trust_list_verify_crt2(t->authorities, shown, n, &server, 1, 0, &status,
					       NULL) < 0)
		return GNUTLS_CERT_INVALID | GNUTLS_CERT_SIGNER_NOT_FOUND;
	return status;
}

static const unsigned of_time = GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED;

/* A date, as people say it. */
static void
write_day(int64_t us, char ret[static 11])
{
	char iso[CLOCK_ISO_LEN];

	clock_iso(us, iso);
	memcpy(ret, iso, 10);
	ret[10] = '\0';
}

static void
write_text(char *to, size_t room, const gnutls_datum_t *from)
{
	size_t n = 0;

	for (; n < from->size && n + 1 < room; n++)
		to[n] = from->data[n] > 0x20 && from->data[n] < 0x7f ? (char)from->data[n] : ' ';
	to[n] = '\0';
}

static void
say_unknown(gnutls_x509_crt_t leaf, struct trust_finding *f)
{
	gnutls_datum_t dn = { 0 };
	char issuer[160] = "nobody who is named";

	if (gnutls_x509_crt_check_issuer(leaf, leaf)) {
		snprintf(f->why, sizeof(f->why),
			 "it is another certificate than the one that is known, and signed by "
			 "itself");
		return;
	}
	if (gnutls_x509_crt_get_issuer_dn3(leaf, &dn, 0) == 0) {
		write_text(issuer, sizeof(issuer), &dn);
		gnutls_free(dn.data);
	}
	snprintf(f->why, sizeof(f->why),
		 "it was signed by %s, whose certificate is not trusted here", issuer);
}

static void
say_other_name(gnutls_x509_crt_t leaf, const char *host, struct trust_finding *f)
{
	char names[160] = "";
	size_t used = 0;

	for (unsigned i = 0; used < sizeof(names) - 1; i++) {
		char name[128];
		size_t n = sizeof(name) - 1;
		int type = gnutls_x509_crt_get_subject_alt_name(leaf, i, name, &n, NULL);

		if (type < 0)
			break;
		if (type != GNUTLS_SAN_DNSNAME)
			continue;
		gnutls_datum_t d = { .data = (unsigned char *)name, .size = (unsigned)n };
		char clean[sizeof(name)];
		write_text(clean, sizeof(clean), &d);
		int k = snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "",
				 clean);
		used += k > 0 ? (size_t)k : 0;
	}
	snprintf(f->why, sizeof(f->why), "it is not made for the name %.100s%s%s", host,
		 names[0] ? ", but for " : "", names);
}

static void
judge_chain(const struct trust *t, gnutls_x509_crt_t *shown, unsigned n, const char *host,
	    struct trust_finding *f)
{
	int64_t now = clock_now_us();
	char day[11];
	unsigned status = 0;

	f->not_before_us = (int64_t)gnutls_x509_crt_get_activation_time(shown[0]) * 1000000;
	f->not_after_us = (int64_t)gnutls_x509_crt_get_expiration_time(shown[0]) * 1000000;
	if (!is_known(t, shown[0]))
		status = look_up(t, shown, n);
	if (status & ~(of_time | GNUTLS_CERT_INVALID) || (status && !(status & of_time))) {
		f->verdict = TRUST_UNKNOWN;
		say_unknown(shown[0], f);
	} else if (!gnutls_x509_crt_check_hostname(shown[0], host)) {
		f->verdict = TRUST_OTHER_NAME;
		say_other_name(shown[0], host, f);
	} else if (now >= f->not_after_us) {
		f->verdict = TRUST_EXPIRED;
		write_day(f->not_after_us, day);
		snprintf(f->why, sizeof(f->why), "it expired on %s", day);
	} else if (now < f->not_before_us) {
		f->verdict = TRUST_NOT_YET;
		write_day(f->not_before_us, day);
		snprintf(f->why, sizeof(f->why), "it is valid from %s only", day);
	} else if (status) {
		f->verdict = status & GNUTLS_CERT_EXPIRED ? TRUST_EXPIRED : TRUST_NOT_YET;
		snprintf(f->why, sizeof(f->why),
			 "the certificate of an authority that signed it %s",
			 status & GNUTLS_CERT_EXPIRED ? "has expired" : "is not valid yet");
	} else {
		f->verdict = TRUST_GOOD;
	}
}

void
trust_judge(const struct trust *t, gnutls_session_t session, const char *host,
	    struct trust_finding *ret)
{
	gnutls_x509_crt_t shown[SHOWN_MAX];
	unsigned sent = 0, n = 0;
	const gnutls_datum_t *raw = gnutls_certificate_get_peers(session, &sent);

	*ret = (struct trust_finding){ .verdict = TRUST_UNKNOWN };
	for (; raw && n < sent && n < SHOWN_MAX; n++) {
		mem_check(gnutls_x509_crt_init(&shown[n]) >= 0);
		if (gnutls_x509_crt_import(shown[n], &raw[n], GNUTLS_X509_FMT_DER) < 0) {
			gnutls_x509_crt_deinit(shown[n]);
			break;
		}
	}
	if (n > 0)
		judge_chain(t, shown, n, host, ret);
	else
		snprintf(ret->why, sizeof(ret->why), "it cannot be read");
	while (n > 0)
		gnutls_x509_crt_deinit(shown[--n]);
}
