/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/x509.h"

#include <arpa/inet.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
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
#define EARLY_S (400 * DAY_S)
#define SERIAL_BYTES 16
#define CHAIN_MAX 16

/* The library's own does not take NULL. */
static void
free_scopes(gnutls_x509_name_constraints_t nc)
{
	if (nc)
		gnutls_x509_name_constraints_deinit(nc);
}

DEFINE_GUARD(crt_guard, struct gnutls_x509_crt_int, gnutls_x509_crt_deinit)
DEFINE_GUARD(key_guard, struct gnutls_x509_privkey_int, gnutls_x509_privkey_deinit)
DEFINE_GUARD(pub_guard, struct gnutls_pubkey_st, gnutls_pubkey_deinit)
DEFINE_GUARD(scope_guard, struct gnutls_name_constraints_st, free_scopes)
#define auto_crt FREE_WITH(crt_guard) gnutls_x509_crt_t
#define auto_key FREE_WITH(key_guard) gnutls_x509_privkey_t
#define auto_pub FREE_WITH(pub_guard) gnutls_pubkey_t
#define auto_scope FREE_WITH(scope_guard) gnutls_x509_name_constraints_t

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

/* The bytes of an address, and how many; 0: it is none. */
static size_t
address_bytes(const char *name, uint8_t ret[static 16])
{
	if (inet_pton(AF_INET, name, ret) == 1)
		return 4;
	return inet_pton(AF_INET6, name, ret) == 1 ? 16 : 0;
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
	size_t n = address_bytes(name, ip);

	if (n)
		return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, ip,
							    (unsigned)n, GNUTLS_FSAN_APPEND);
	return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
						    (unsigned)strlen(name), GNUTLS_FSAN_APPEND);
}

/* What all certificates have but the key: version, serial, validity, subject. */
static int
fill_base(gnutls_x509_crt_t crt, const char *cn, time_t from, time_t to)
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
	return g;
}

/* "10.0.0.0/8", "fd00::/8", or an address alone: the address and the mask behind it, as a constraint has them. 0: it is none. */
static size_t
network_bytes(const char *scope, uint8_t ret[static 32])
{
	const char *slash = strchr(scope, '/');
	char address[64], *end;
	size_t n;

	snprintf(address, sizeof(address), "%.*s",
		 slash ? (int)(slash - scope) : (int)sizeof(address) - 1, scope);
	n = address_bytes(address, ret);
	unsigned long bits = slash ? strtoul(slash + 1, &end, 10) : n * 8;
	if (!n || bits > n * 8 || (slash && (!slash[1] || *end)))
		return 0;
	for (size_t i = 0; i < n; i++) {
		size_t have = bits > i * 8 ? bits - i * 8 : 0;
		ret[n + i] = (uint8_t)(have >= 8 ? 0xff : 0xff00 >> have);
		ret[i] &= ret[n + i];
	}
	return 2 * n;
}

/* Critical: who does not know name constraints does not go by this authority. */
static int
fill_scopes(gnutls_x509_crt_t crt, const char *const *scopes)
{
	auto_scope nc = NULL;
	int g = gnutls_x509_name_constraints_init(&nc);

	for (size_t i = 0; g >= 0 && scopes[i]; i++) {
		uint8_t network[32];
		size_t n = network_bytes(scopes[i], network);
		gnutls_datum_t d = { n ? network : UNCONST(unsigned char *, scopes[i]),
				     (unsigned)(n ? n : strlen(scopes[i])) };
		g = gnutls_x509_name_constraints_add_permitted(
			nc, n ? GNUTLS_SAN_IPADDRESS : GNUTLS_SAN_DNSNAME, &d);
	}
	return g < 0 ? g : gnutls_x509_crt_set_name_constraints(crt, nc, 1);
}

static int
fill_ca(gnutls_x509_crt_t crt, const char *const *scopes)
{
	/* Room for the one that follows it, signed by it for a while. */
	int g = gnutls_x509_crt_set_basic_constraints(crt, 1, 1);
	if (g >= 0)
		g = gnutls_x509_crt_set_key_usage(crt,
						  GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
	return g < 0 ? g : fill_scopes(crt, scopes);
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

/* A certificate that signs itself: with scopes an authority's, else a web certificate. */
static int
make_own(const char *const *names, int days, const char *const *scopes, struct buf *ret_cert,
	 struct buf *ret_key)
{
	auto_crt crt = NULL;
	auto_key key = NULL;
	time_t now = (time_t)(clock_now_us() / 1000000);
	int g = gnutls_x509_crt_init(&crt);
	if (g >= 0)
		g = new_key(&key);
	if (g >= 0)
		g = fill_base(crt, names[0], now - SKEW_S, now + (time_t)days * DAY_S);
	if (g >= 0)
		g = gnutls_x509_crt_set_key(crt, key);
	if (g >= 0)
		g = set_key_id(crt);
	if (g >= 0)
		g = scopes ? fill_ca(crt, scopes) : fill_leaf(crt, names, false);
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
	int g = make_own(names, days, NULL, ret_cert, ret_key);
	return g < 0 ? failed(g, "make a web certificate", e) : 0;
}

/* A domain or a network that may be a constraint. */
static bool
is_scope(const char *s)
{
	uint8_t ignored[32];

	return network_bytes(s, ignored) > 0 || (is_name(s) && *s != '.' && !strchr(s, ':'));
}

int
x509_authority(const char *cn, int days, const char *const *scopes, struct buf *ret_cert,
	       struct buf *ret_key, struct err *e)
{
	const char *const names[] = { cn, NULL };

	if (days < 1 || days > DAYS_MAX || !cn[0] || strlen(cn) > CN_MAX_BYTES || !scopes[0])
		return err_set(e, ERR_BAD_FIELD,
			       "an authority needs a name of at most %d bytes, 1 to %d days, and "
			       "what it is for",
			       CN_MAX_BYTES, DAYS_MAX);
	for (size_t i = 0; scopes[i]; i++)
		if (!is_scope(scopes[i]))
			return err_set(e, ERR_BAD_FIELD,
				       "\"%.64s\" is neither a domain nor a network (as "
				       "10.0.0.0/8)",
				       scopes[i]);
	int g = make_own(names, days, scopes, ret_cert, ret_key);
	return g < 0 ? failed(g, "make an authority", e) : 0;
}

/* By way of a certificate that nobody sees. */
static int
export_public(gnutls_x509_privkey_t key, gnutls_datum_t *ret)
{
	auto_crt crt = NULL;
	auto_pub pub = NULL;
	int g = gnutls_x509_crt_init(&crt);

	if (g >= 0)
		g = gnutls_x509_crt_set_key(crt, key);
	if (g >= 0)
		g = gnutls_pubkey_init(&pub);
	if (g >= 0)
		g = gnutls_pubkey_import_x509(pub, crt, 0);
	return g < 0 ? g : gnutls_pubkey_export2(pub, GNUTLS_X509_FMT_PEM, ret);
}

int
x509_new_key(struct buf *ret_key, struct buf *ret_public, struct err *e)
{
	auto_key key = NULL;
	gnutls_datum_t k = { 0 }, p = { 0 };
	int g = new_key(&key);

	if (g >= 0)
		g = export_public(key, &p);
	if (g >= 0)
		g = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL,
						      GNUTLS_PKCS_PLAIN, &k);
	if (g >= 0) {
		take_datum(&k, ret_key);
		take_datum(&p, ret_public);
	}
	gnutls_free(p.data);
	return g < 0 ? failed(g, "make a key", e) : 0;
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

/* ---- what an authority may sign ---- */

static bool
lies_within(gnutls_x509_name_constraints_t nc, const char *name)
{
	uint8_t ip[16];
	size_t n = address_bytes(name, ip);
	gnutls_datum_t d = { n ? ip : UNCONST(unsigned char *, name),
			     (unsigned)(n ? n : strlen(name)) };

	return gnutls_x509_name_constraints_check(nc, n ? GNUTLS_SAN_IPADDRESS : GNUTLS_SAN_DNSNAME,
						  &d) == 1;
}

static void add_name(char *names, size_t room, const char *name);
static void copy_clean(char *to, size_t room, const void *from, size_t n);

static void
write_network(const uint8_t *at, size_t n, char *ret, size_t room)
{
	char address[INET6_ADDRSTRLEN] = "";
	unsigned bits = 0;

	for (size_t i = n / 2; i < n; i++)
		bits += (unsigned)__builtin_popcount(at[i]);
	inet_ntop(n == 8 ? AF_INET : AF_INET6, at, address, sizeof(address));
	snprintf(ret, room, bits == 4 * n ? "%s" : "%s/%u", address, bits);
}

static void
write_scopes(gnutls_x509_name_constraints_t nc, char *ret, size_t room)
{
	gnutls_datum_t d;
	unsigned type;

	ret[0] = '\0';
	for (unsigned i = 0; gnutls_x509_name_constraints_get_permitted(nc, i, &type, &d) >= 0;
	     i++) {
		char text[NAME_MAX_BYTES + 3];

		if (type == GNUTLS_SAN_IPADDRESS && (d.size == 8 || d.size == 32))
			write_network(d.data, d.size, text, sizeof(text));
		else
			copy_clean(text, sizeof(text), d.data, d.size);
		add_name(ret, room, text);
	}
}

/* *ret: NULL when it is for whatever it likes. */
static int
read_scopes(gnutls_x509_crt_t ca, gnutls_x509_name_constraints_t *ret, struct err *e)
{
	unsigned critical;
	auto_scope nc = NULL;
	int g = gnutls_x509_name_constraints_init(&nc);

	*ret = NULL;
	if (g >= 0)
		g = gnutls_x509_crt_get_name_constraints(ca, nc, 0, &critical);
	if (g == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return 0;
	if (g < 0)
		return failed(g, "read what the authority is for", e);
	*ret = TAKE(nc);
	return 0;
}

static int
check_scopes(gnutls_x509_crt_t ca, const char *const *names, struct err *e)
{
	auto_scope nc = NULL;
	char scopes[300];
	int r = read_scopes(ca, &nc, e);

	if (r || !nc)
		return r;
	for (size_t i = 0; names[i]; i++) {
		if (lies_within(nc, names[i]))
			continue;
		write_scopes(nc, scopes, sizeof(scopes));
		return err_set(e, ERR_PRECONDITION,
			       "%.128s lies outside of what the vault's authority may sign for: "
			       "%s",
			       names[i], scopes);
	}
	return 0;
}

int
x509_may_sign(const char *ca_cert, const char *const *names, struct err *e)
{
	auto_crt ca = NULL;
	int r = import_crt(ca_cert, &ca, e);

	return r ? r : check_scopes(ca, names, e);
}

int
x509_scopes(const char *ca_cert, char *ret, size_t room, struct err *e)
{
	auto_crt ca = NULL;
	auto_scope nc = NULL;
	int r = import_crt(ca_cert, &ca, e);

	if (!r)
		r = read_scopes(ca, &nc, e);
	if (r)
		return r;
	ret[0] = '\0';
	if (nc)
		write_scopes(nc, ret, room);
	return 0;
}

/* ---- signing ---- */

static int
sign(gnutls_x509_crt_t ca, gnutls_x509_privkey_t ca_key, gnutls_pubkey_t key,
     const struct x509_wish *w, struct buf *ret_cert)
{
	auto_crt crt = NULL;
	gnutls_datum_t pem = { 0 };
	time_t now = (time_t)(clock_now_us() / 1000000), to = now + (time_t)w->days * DAY_S;
	time_t ca_to = gnutls_x509_crt_get_expiration_time(ca);
	/* Early, so that a node whose clock is behind takes it too; but Apple's devices take none of a service that lives longer than 825 days. */
	time_t from = gnutls_x509_crt_get_activation_time(ca), early = now - EARLY_S;
	int g = gnutls_x509_crt_init(&crt);
	if (g >= 0)
		g = fill_base(crt, w->names[0], w->client || from > early ? from : early,
			      to < ca_to ? to : ca_to);
	if (g >= 0)
		g = gnutls_x509_crt_set_pubkey(crt, key);
	if (g >= 0)
		g = set_key_id(crt);
	if (g >= 0)
		g = fill_leaf(crt, w->names, w->client);
	if (g >= 0)
		g = set_issuer_id(crt, ca);
	if (g >= 0)
		g = gnutls_x509_crt_sign2(crt, ca, ca_key, GNUTLS_DIG_SHA256, 0);
	if (g >= 0)
		g = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
	if (g >= 0)
		take_datum(&pem, ret_cert);
	return g;
}

static int
import_public(const char *pem, gnutls_pubkey_t *ret, struct err *e)
{
	gnutls_datum_t d;
	int r = datum_of(pem, &d, e);
	if (r)
		return r;
	int g = gnutls_pubkey_init(ret);
	if (g >= 0)
		g = gnutls_pubkey_import(*ret, &d, GNUTLS_X509_FMT_PEM);
	return g < 0 ? err_set(e, ERR_BAD_FIELD, "this is no public key in PEM form: %s",
			       gnutls_strerror(g))
		     : 0;
}

int
x509_sign(const char *ca_cert, const char *ca_key, const struct x509_wish *w, struct buf *ret_cert,
	  struct err *e)
{
	auto_crt ca = NULL;
	auto_key key = NULL;
	auto_pub pub = NULL;
	int r = check_request(w->names, w->days, e);
	if (!r)
		r = x509_fits(ca_cert, ca_key, e);
	if (!r)
		r = import_crt(ca_cert, &ca, e);
	if (!r)
		r = check_scopes(ca, w->names, e);
	if (!r)
		r = import_key(ca_key, &key, e);
	if (!r)
		r = import_public(w->public_key, &pub, e);
	if (r)
		return r;
	int g = sign(ca, key, pub, w, ret_cert);
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

/* Each certificate of the text behind the first; false when none of them is an authority's that signed it. */
static bool
find_root(gnutls_x509_crt_t *all, unsigned n, struct buf *ret)
{
	for (unsigned i = 1; i < n; i++) {
		unsigned status = 0;
		gnutls_datum_t pem = { 0 };

		if (gnutls_x509_crt_get_ca_status(all[i], NULL) != 1 ||
		    !gnutls_x509_crt_check_issuer(all[i], all[i]) ||
		    gnutls_x509_crt_list_verify(all, i, &all[i], 1, NULL, 0,
						GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status) < 0 ||
		    status || gnutls_x509_crt_export2(all[i], GNUTLS_X509_FMT_PEM, &pem) < 0)
			continue;
		take_datum(&pem, ret);
		return true;
	}
	return false;
}

bool
x509_root(const char *chain, struct buf *ret)
{
	gnutls_x509_crt_t all[CHAIN_MAX];
	unsigned n = CHAIN_MAX;
	gnutls_datum_t d;
	struct err ignored;
	bool found = false;

	if (datum_of(chain, &d, &ignored) ||
	    gnutls_x509_crt_list_import(all, &n, &d, GNUTLS_X509_FMT_PEM,
					GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED) < 0)
		return false;
	found = find_root(all, n, ret);
	for (unsigned i = 0; i < n; i++)
		gnutls_x509_crt_deinit(all[i]);
	return found;
}

bool
x509_next(const char **at, struct buf *ret)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	struct err ignored;
	const char *found = strstr(*at, begin);

	if (!found || x509_leaf(found, ret, &ignored))
		return false;
	*at = found + strlen(begin);
	return true;
}

bool
x509_signed_by(const char *pem, const char *authority)
{
	auto_crt crt = NULL, ca = NULL;
	struct err ignored;
	unsigned status = 0;

	return import_crt(pem, &crt, &ignored) == 0 && import_crt(authority, &ca, &ignored) == 0 &&
	       gnutls_x509_crt_verify(crt, &ca, 1, GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status) >=
		       0 &&
	       status == 0;
}
