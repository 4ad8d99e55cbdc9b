/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/x509.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sodium.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/secret.h"

#define PEM_MAX 65536
#define NAME_MAX_BYTES 253 /* of a domain name */
#define CN_MAX_BYTES 64	   /* what X.520 allows */
#define DAYS_MAX 36500
#define SKEW_S 3600
#define DAY_S 86400
#define SERIAL_BYTES 16

DEFINE_GUARD(crt_guard, struct gnutls_x509_crt_int, gnutls_x509_crt_deinit)
DEFINE_GUARD(key_guard, struct gnutls_x509_privkey_int, gnutls_x509_privkey_deinit)
#define auto_crt FREE_WITH(crt_guard) gnutls_x509_crt_t
#define auto_key FREE_WITH(key_guard) gnutls_x509_privkey_t

static int
failed(int g, const char *what, struct err *e)
{
	return err_set(e, ERR_CRYPTO, "cannot %s: %s", what, gnutls_strerror(g));
}

static void
take_datum(gnutls_datum_t *d, struct buf *ret)
{
	buf_add(ret, d->data, d->size);
	secret_wipe(d->data, d->size);
	gnutls_free(d->data);
	d->data = NULL;
}

static bool
is_name(const char *s)
{
	size_t n = strnlen(s, NAME_MAX_BYTES + 1);
	if (n < 1 || n > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c <= 0x20 || c >= 0x7f || c == ',' || c == '/' || c == '"')
			return false;
	}
	return true;
}

/* ---- making ---- */

static int
new_key(gnutls_x509_privkey_t *ret)
{
	int g = gnutls_x509_privkey_init(ret);
	if (g < 0)
		return g;
	return gnutls_x509_privkey_generate(*ret, GNUTLS_PK_ECDSA,
					    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
}

static int
set_serial(gnutls_x509_crt_t crt)
{
	uint8_t serial[SERIAL_BYTES];
	randombytes_buf(serial, sizeof(serial));
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive, and never shorter */
	return gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
}

static int
set_key_id(gnutls_x509_crt_t crt)
{
	uint8_t id[64];
	size_t n = sizeof(id);
	int g = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA1, id, &n);
	return g < 0 ? g : gnutls_x509_crt_set_subject_key_id(crt, id, n);
}

/* A longer name is only in the SAN, where everyone looks for it anyhow. */
static int
set_cn(gnutls_x509_crt_t crt, const char *cn)
{
	size_t n = strlen(cn);
	if (n > CN_MAX_BYTES)
		n = CN_MAX_BYTES;
	return gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn, (unsigned)n);
}

static int
add_san(gnutls_x509_crt_t crt, const char *name)
{
	uint8_t ip[16];
	if (inet_pton(AF_INET, name, ip) == 1)
		return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, ip, 4,
							    GNUTLS_FSAN_APPEND);
	if (inet_pton(AF_INET6, name, ip) == 1)
		return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, ip, 16,
							    GNUTLS_FSAN_APPEND);
	return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
						    (unsigned)strlen(name), GNUTLS_FSAN_APPEND);
}

/* What all certificates have: version, serial, validity, subject, key. */
static int
fill_base(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *cn, time_t from, time_t to)
{
	int g = gnutls_x509_crt_set_version(crt, 3);
	if (g >= 0)
		g = set_serial(crt);
	if (g >= 0)
		g = gnutls_x509_crt_set_activation_time(crt, from);
	if (g >= 0)
		g = gnutls_x509_crt_set_expiration_time(crt, to);
	if (g >= 0)
		g = set_cn(crt, cn);
	if (g >= 0)
		g = gnutls_x509_crt_set_key(crt, key);
	if (g >= 0)
		g = set_key_id(crt);
	return g;
}

static int
fill_ca(gnutls_x509_crt_t crt)
{
	int g = gnutls_x509_crt_set_basic_constraints(crt, 1, 0);
	if (g >= 0)
		g = gnutls_x509_crt_set_key_usage(crt,
						  GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
	return g;
}

static int
fill_leaf(gnutls_x509_crt_t crt, const char *const *names, bool client)
{
	int g = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
	if (g >= 0)
		g = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (g >= 0)
		g = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
	if (g >= 0 && client)
		g = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0);
	for (size_t i = 0; g >= 0 && names[i]; i++)
		g = add_san(crt, names[i]);
	return g;
}

static int export(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, struct buf *ret_cert,
		  struct buf *ret_key)
{
	gnutls_datum_t c = { 0 }, k = { 0 };
	int g = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &c);
	if (g >= 0)
		g = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL,
						      GNUTLS_PKCS_PLAIN, &k);
	if (g >= 0) {
		take_datum(&c, ret_cert);
		take_datum(&k, ret_key);
	}
	gnutls_free(c.data);
	return g;
}

static int
check_request(const char *const *names, int days, struct err *e)
{
	if (days < 1 || days > DAYS_MAX)
		return err_set(e, ERR_BAD_FIELD, "a certificate can be good for 1 to %d days",
			       DAYS_MAX);
	if (!names[0])
		return err_set(e, ERR_BAD_FIELD, "a certificate needs a name");
	for (size_t i = 0; names[i]; i++) {
		if (!is_name(names[i]))
			return err_set(e, ERR_BAD_FIELD, "\"%.64s\" cannot be in a certificate",
				       names[i]);
	}
	return 0;
}

/* A certificate that signs itself: the CA, or a web certificate. */
static int
make_own(const char *const *names, int days, bool ca, struct buf *ret_cert, struct buf *ret_key)
{
	auto_crt crt = NULL;
	auto_key key = NULL;
	time_t now = (time_t)(clock_now_us() / 1000000);
	int g = gnutls_x509_crt_init(&crt);
	if (g >= 0)
		g = new_key(&key);
	if (g >= 0)
		g = fill_base(crt, key, names[0], now - SKEW_S, now + (time_t)days * DAY_S);
	if (g >= 0)
		g = ca ? fill_ca(crt) : fill_leaf(crt, names, false);
	if (g >= 0)
		g = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
	return g < 0 ? g : export(crt, key, ret_cert, ret_key);
}

int
x509_self_signed(const char *const *names, int days, struct buf *ret_cert, struct buf *ret_key,
		 struct err *e)
{
	int r = check_request(names, days, e);
	if (r)
		return r;
	int g = make_own(names, days, false, ret_cert, ret_key);
	return g < 0 ? failed(g, "make a web certificate", e) : 0;
}

int
x509_ca(const char *cn, int days, struct buf *ret_cert, struct buf *ret_key, struct err *e)
{
	if (days < 1 || days > DAYS_MAX || !cn[0] || strlen(cn) > CN_MAX_BYTES)
		return err_set(e, ERR_BAD_FIELD,
			       "a CA needs a name of at most %d bytes and 1 to %d days",
			       CN_MAX_BYTES, DAYS_MAX);
	const char *const names[] = { cn, NULL };
	int g = make_own(names, days, true, ret_cert, ret_key);
	return g < 0 ? failed(g, "make the CA of the pair", e) : 0;
}

/* ---- reading ---- */

static int
datum_of(const char *pem, gnutls_datum_t *ret, struct err *e)
{
	size_t n = strnlen(pem, PEM_MAX + 1);
	if (n > PEM_MAX)
		return err_set(e, ERR_TOO_LARGE, "a certificate or key of more than %d bytes",
			       PEM_MAX);
	*ret = (gnutls_datum_t){ .data = UNCONST(unsigned char *, pem), .size = (unsigned)n };
	return 0;
}

static int
import_crt(const char *pem, gnutls_x509_crt_t *ret, struct err *e)
{
	gnutls_datum_t d;
	int r = datum_of(pem, &d, e);
	if (r)
		return r;
	int g = gnutls_x509_crt_init(ret);
	if (g >= 0)
		g = gnutls_x509_crt_import(*ret, &d, GNUTLS_X509_FMT_PEM);
	return g < 0 ? err_set(e, ERR_BAD_FIELD,
			       "this is no certificate in PEM form: a text that begins with "
			       "-----BEGIN CERTIFICATE-----")
		     : 0;
}

static int
import_key(const char *pem, gnutls_x509_privkey_t *ret, struct err *e)
{
	gnutls_datum_t d;
	int r = datum_of(pem, &d, e);
	if (r)
		return r;
	int g = gnutls_x509_privkey_init(ret);
	if (g >= 0)
		g = gnutls_x509_privkey_import2(*ret, &d, GNUTLS_X509_FMT_PEM, NULL, 0);
	return g < 0 ? err_set(e, ERR_BAD_FIELD,
			       "this is no private key in PEM form without a passphrase: %s",
			       gnutls_strerror(g))
		     : 0;
}

static int
set_issuer_id(gnutls_x509_crt_t crt, gnutls_x509_crt_t ca)
{
	uint8_t id[64];
	size_t n = sizeof(id);
	int g = gnutls_x509_crt_get_subject_key_id(ca, id, &n, NULL);
	return g < 0 ? g : gnutls_x509_crt_set_authority_key_id(crt, id, n);
}

static int
sign(gnutls_x509_crt_t ca, gnutls_x509_privkey_t ca_key, const char *const *names, int days,
     struct buf *ret_cert, struct buf *ret_key)
{
	auto_crt crt = NULL;
	auto_key key = NULL;
	time_t now = (time_t)(clock_now_us() / 1000000), to = now + (time_t)days * DAY_S;
	time_t ca_to = gnutls_x509_crt_get_expiration_time(ca);
	int g = gnutls_x509_crt_init(&crt);
	if (g >= 0)
		g = new_key(&key);
	if (g >= 0)
		/* From the authority's own beginning: so a node whose clock is behind takes it too. */
		g = fill_base(crt, key, names[0], gnutls_x509_crt_get_activation_time(ca),
			      to < ca_to ? to : ca_to);
	if (g >= 0)
		g = fill_leaf(crt, names, true);
	if (g >= 0)
		g = set_issuer_id(crt, ca);
	if (g >= 0)
		g = gnutls_x509_crt_sign2(crt, ca, ca_key, GNUTLS_DIG_SHA256, 0);
	return g < 0 ? g : export(crt, key, ret_cert, ret_key);
}

int
x509_issue(const char *ca_cert, const char *ca_key, const char *name, int days,
	   struct buf *ret_cert, struct buf *ret_key, struct err *e)
{
	const char *const names[] = { name, NULL };
	auto_crt ca = NULL;
	auto_key key = NULL;
	int r = check_request(names, days, e);
	if (!r)
		r = x509_fits(ca_cert, ca_key, e);
	if (!r)
		r = import_crt(ca_cert, &ca, e);
	if (!r)
		r = import_key(ca_key, &key, e);
	if (r)
		return r;
	int g = sign(ca, key, names, days, ret_cert, ret_key);
	return g < 0 ? failed(g, "sign a certificate of a node", e) : 0;
}

/* Copies n bytes from outside; what is not printable becomes '?'. */
static void
copy_clean(char *to, size_t room, const void *from, size_t n)
{
	const unsigned char *p = from;
	size_t i = 0;
	for (; i < n && i + 1 < room; i++)
		to[i] = p[i] >= 0x20 && p[i] != 0x7f ? (char)p[i] : '?';
	to[i] = '\0';
}

typedef int dn_fn(gnutls_x509_crt_t crt, gnutls_datum_t *dn, unsigned flags);

static int
read_dn(dn_fn *get, gnutls_x509_crt_t crt, char *ret, size_t room)
{
	gnutls_datum_t d = { 0 };
	int g = get(crt, &d, 0);
	if (g == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) { /* an empty name is allowed */
		ret[0] = '\0';
		return 0;
	}
	if (g >= 0)
		copy_clean(ret, room, d.data, d.size);
	gnutls_free(d.data);
	return g;
}

/* Adds one name behind a comma, or nothing when it no longer fits. */
static void
add_name(char *names, size_t room, const char *name)
{
	size_t have = strlen(names), n = strlen(name);
	if (have + n + 3 > room)
		return;
	if (have) {
		memcpy(names + have, ", ", 2);
		have += 2;
	}
	memcpy(names + have, name, n + 1);
}

static void
read_names(gnutls_x509_crt_t crt, char *ret, size_t room)
{
	ret[0] = '\0';
	for (unsigned i = 0;; i++) {
		uint8_t raw[NAME_MAX_BYTES + 3];
		char text[sizeof(raw)];
		size_t n = sizeof(raw) - 1;
		int type = gnutls_x509_crt_get_subject_alt_name(crt, i, raw, &n, NULL);
		if (type == GNUTLS_E_SHORT_MEMORY_BUFFER)
			continue;
		if (type < 0)
			return;
		if (type == GNUTLS_SAN_IPADDRESS && (n == 4 || n == 16))
			inet_ntop(n == 4 ? AF_INET : AF_INET6, raw, text, sizeof(text));
		else if (type == GNUTLS_SAN_DNSNAME)
			copy_clean(text, sizeof(text), raw, n);
		else
			continue;
		add_name(ret, room, text);
	}
}

static int
read_pin(gnutls_x509_crt_t crt, char ret[static X509_PIN_LEN])
{
	uint8_t hash[32];
	size_t n = sizeof(hash);
	int g = gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, hash, &n);
	if (g >= 0)
		sodium_bin2hex(ret, X509_PIN_LEN, hash, sizeof(hash));
	return g;
}

int
x509_read(const char *pem, struct x509_info *ret, struct err *e)
{
	auto_crt crt = NULL;
	int r = import_crt(pem, &crt, e);
	if (r)
		return r;
	struct x509_info info = { 0 };
	int g = read_dn(gnutls_x509_crt_get_dn3, crt, info.subject, sizeof(info.subject));
	if (g >= 0)
		g = read_dn(gnutls_x509_crt_get_issuer_dn3, crt, info.issuer, sizeof(info.issuer));
	if (g >= 0)
		g = read_pin(crt, info.pin);
	if (g < 0)
		return err_set(e, ERR_BAD_FIELD, "this certificate cannot be read: %s",
			       gnutls_strerror(g));
	read_names(crt, info.names, sizeof(info.names));
	info.not_before_us = (int64_t)gnutls_x509_crt_get_activation_time(crt) * 1000000;
	info.not_after_us = (int64_t)gnutls_x509_crt_get_expiration_time(crt) * 1000000;
	info.self_signed = gnutls_x509_crt_check_issuer(crt, crt) == 1;
	*ret = info;
	return 0;
}

int
x509_leaf(const char *pem, struct buf *ret, struct err *e)
{
	auto_crt crt = NULL;
	gnutls_datum_t out = { 0 };
	int r = import_crt(pem, &crt, e);
	if (r)
		return r;
	int g = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &out);
	if (g < 0)
		return failed(g, "write a certificate", e);
	buf_add(ret, out.data, out.size);
	gnutls_free(out.data);
	return 0;
}

int
x509_fits(const char *cert_pem, const char *key_pem, struct err *e)
{
	auto_crt crt = NULL;
	auto_key key = NULL;
	int r = import_crt(cert_pem, &crt, e);
	if (!r)
		r = import_key(key_pem, &key, e);
	if (r)
		return r;
	uint8_t of_crt[64], of_key[64];
	size_t crt_n = sizeof(of_crt), key_n = sizeof(of_key);
	int g = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, of_crt, &crt_n);
	if (g >= 0)
		g = gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, of_key, &key_n);
	if (g < 0)
		return err_set(e, ERR_BAD_FIELD, "the key cannot be compared: %s",
			       gnutls_strerror(g));
	if (crt_n != key_n || memcmp(of_crt, of_key, crt_n) != 0)
		return err_set(e, ERR_BAD_FIELD,
			       "the private key does not belong to the certificate");
	return 0;
}
