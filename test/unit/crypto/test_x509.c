/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <gnutls/x509.h>
#include "base/clock.h"
#include "crypto/x509.h"

#define DAY_US 86400000000LL

static gnutls_x509_crt_t
import(const char *pem)
{
	gnutls_x509_crt_t c;
	gnutls_datum_t d = { UNCONST(unsigned char *, pem), (unsigned)strlen(pem) };
	assert_int_equal(gnutls_x509_crt_init(&c), 0);
	assert_int_equal(gnutls_x509_crt_import(c, &d, GNUTLS_X509_FMT_PEM), 0);
	return c;
}

static void
web_certificate_has_its_names(void **state)
{
	const char *const names[] = { "vault.example.com", "127.0.0.1", "::1", NULL };
	auto_buf cert = BUF_INIT, key = BUF_INIT;
	struct x509_info i;
	struct err e = { 0 };
	assert_int_equal(x509_self_signed(names, 825, &cert, &key, &e), 0);
	assert_int_equal(x509_fits(cert.data, key.data, &e), 0);
	assert_int_equal(x509_read(cert.data, &i, &e), 0);
	assert_string_equal(i.subject, "CN=vault.example.com");
	assert_string_equal(i.issuer, i.subject);
	assert_string_equal(i.names, "vault.example.com, 127.0.0.1, ::1");
	assert_true(i.self_signed);
	assert_int_equal(strlen(i.pin), 64);
	int64_t now = clock_now_us();
	assert_true(i.not_before_us < now - 3500000000 && i.not_before_us > now - 3700000000);
	assert_true(i.not_after_us > now + 824 * DAY_US && i.not_after_us < now + 826 * DAY_US);
	gnutls_x509_crt_t c = import(cert.data);
	assert_int_equal(gnutls_x509_crt_get_pk_algorithm(c, NULL), GNUTLS_PK_ECDSA);
	assert_int_equal(gnutls_x509_crt_get_signature_algorithm(c), GNUTLS_SIGN_ECDSA_SHA256);
	assert_int_equal(gnutls_x509_crt_check_hostname(c, "vault.example.com"), 1);
	assert_int_equal(gnutls_x509_crt_check_hostname(c, "127.0.0.1"), 1);
	assert_int_equal(gnutls_x509_crt_check_hostname(c, "other.example.com"), 0);
	assert_int_equal(gnutls_x509_crt_get_ca_status(c, NULL), 0);
	gnutls_x509_crt_deinit(c);
}

struct pki {
	struct buf ca, ca_key, node, node_key;
};

/* With a new key; 0 or the refusal. */
static int
issue(const struct buf *ca, const struct buf *ca_key, const char *name, int days, struct buf *cert,
      struct buf *key, struct err *e)
{
	const char *const names[] = { name, NULL };
	auto_buf public_key = BUF_INIT;
	assert_int_equal(x509_new_key(key, &public_key, e), 0);
	struct x509_wish w = {
		.public_key = public_key.data, .names = names, .days = days, .client = true
	};
	return x509_sign(ca->data, ca_key->data, &w, cert, e);
}

static void
make_pki_for(struct pki *p, const char *scope, const char *name)
{
	const char *const scopes[] = { scope, "127.0.0.0/8", "fd00::/8", NULL };
	struct err e = { 0 };
	*p = (struct pki){ 0 };
	assert_int_equal(x509_authority("Holdfast pair", 3650, scopes, &p->ca, &p->ca_key, &e), 0);
	assert_int_equal(issue(&p->ca, &p->ca_key, name, 3650, &p->node, &p->node_key, &e), 0);
}

static void
make_pki(struct pki *p, const char *name)
{
	make_pki_for(p, strchr(name, '.') + 1, name);
}

static void
free_pki(struct pki *p)
{
	buf_done(&p->ca);
	buf_done(&p->ca_key);
	buf_done(&p->node);
	buf_done(&p->node_key);
}

/* What a peer with this CA says of the certificate, 0: trusted. */
static unsigned
verify(const char *ca_pem, const char *pem, const char *name, const char *purpose)
{
	gnutls_x509_trust_list_t list;
	gnutls_x509_crt_t ca = import(ca_pem), c = import(pem);
	gnutls_typed_vdata_st data[2] = {
		{ .type = GNUTLS_DT_DNS_HOSTNAME, .data = UNCONST(unsigned char *, name) },
		{ .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = UNCONST(unsigned char *, purpose) },
	};
	unsigned status = ~0u;
	gnutls_x509_trust_list_init(&list, 0);
	gnutls_x509_trust_list_add_cas(list, &ca, 1, 0);
	gnutls_x509_trust_list_verify_crt2(list, &c, 1, data, 2, 0, &status, NULL);
	gnutls_x509_crt_deinit(c);
	gnutls_x509_trust_list_deinit(list, 1);
	return status;
}

static void
node_certificates_are_proven_by_the_ca(void **state)
{
	struct pki p, q;
	struct x509_info i;
	struct err e = { 0 };
	make_pki(&p, "a.example.com");
	make_pki(&q, "a.example.com");
	assert_int_equal(x509_read(p.node.data, &i, &e), 0);
	assert_string_equal(i.subject, "CN=a.example.com");
	assert_string_equal(i.issuer, "CN=Holdfast pair");
	assert_false(i.self_signed);
	assert_int_equal(verify(p.ca.data, p.node.data, "a.example.com", GNUTLS_KP_TLS_WWW_SERVER),
			 0);
	assert_int_equal(verify(p.ca.data, p.node.data, "a.example.com", GNUTLS_KP_TLS_WWW_CLIENT),
			 0);
	assert_int_not_equal(
		verify(p.ca.data, p.node.data, "b.example.com", GNUTLS_KP_TLS_WWW_SERVER), 0);
	/* The same names, another pair. */
	assert_int_not_equal(
		verify(q.ca.data, p.node.data, "a.example.com", GNUTLS_KP_TLS_WWW_SERVER), 0);
	free_pki(&p);
	free_pki(&q);
}

static void
a_node_cannot_issue(void **state)
{
	struct pki p;
	auto_buf cert = BUF_INIT, key = BUF_INIT;
	struct err e = { 0 };
	make_pki(&p, "a.example.com");
	/* Whatever is signed with a node's key, nobody believes it. */
	if (issue(&p.node, &p.node_key, "evil.example.com", 30, &cert, &key, &e) == 0)
		assert_int_not_equal(
			verify(p.ca.data, cert.data, "evil.example.com", GNUTLS_KP_TLS_WWW_SERVER),
			0);
	free_pki(&p);
}

static void
what_does_not_fit_is_refused(void **state)
{
	struct pki p;
	auto_buf cert = BUF_INIT, key = BUF_INIT, big = BUF_INIT;
	struct x509_info i;
	struct err e = { 0 };
	make_pki(&p, "a.example.com");
	assert_int_equal(x509_fits(p.ca.data, p.node_key.data, &e), ERR_BAD_FIELD);
	assert_non_null(strstr(e.text, "does not belong"));
	assert_int_equal(x509_fits("rubbish", p.node_key.data, &e), ERR_BAD_FIELD);
	assert_int_equal(x509_fits(p.node.data, p.node.data, &e), ERR_BAD_FIELD);
	assert_int_equal(issue(&p.ca, &p.node_key, "b.example.com", 30, &cert, &key, &e),
			 ERR_BAD_FIELD);
	assert_int_equal(issue(&p.ca, &p.ca_key, "b.example.com", 0, &cert, &key, &e),
			 ERR_BAD_FIELD);
	assert_int_equal(issue(&p.ca, &p.ca_key, "b c", 30, &cert, &key, &e), ERR_BAD_FIELD);
	assert_int_equal(issue(&p.ca, &p.ca_key, "", 30, &cert, &key, &e), ERR_BAD_FIELD);
	buf_reset(&key);
	const char *const none[] = { NULL };
	assert_int_equal(x509_self_signed(none, 30, &cert, &key, &e), ERR_BAD_FIELD);
	assert_int_equal(x509_read("", &i, &e), ERR_BAD_FIELD);
	assert_int_equal(x509_read(p.node_key.data, &i, &e), ERR_BAD_FIELD);
	for (int n = 0; n < 3000; n++)
		buf_adds(&big, "-----BEGIN CERTIFICATE-----\n");
	assert_int_equal(x509_read(big.data, &i, &e), ERR_TOO_LARGE);
	assert_int_equal(cert.len + key.len, 0);
	free_pki(&p);
}

/* H3: the name constraints, by GnuTLS' own rules and ours. */
static void
an_authority_is_for_its_scopes_alone(void **state)
{
	static const struct {
		const char *name;
		bool within;
	} rows[] = {
		{ "a.example.com", true },     { "example.com", true },
		{ "b.c.example.com", true },   { "badexample.com", false },
		{ "example.com.evil", false }, { "com", false },
		{ "127.0.0.1", true },	       { "127.9.9.9", true },
		{ "128.0.0.1", false },	       { "::1", false },
		{ "fd12::3", true },
	};
	static const char *const bad[] = { "",		"10.0.0.0/33", "10.0.0.0/x",
					   "10.0.0.0/", "a b",	       "fe80::1/129" };
	struct pki p;
	struct err e = { 0 };
	char scopes[100];

	make_pki_for(&p, "example.com", "a.example.com");
	assert_int_equal(x509_scopes(p.ca.data, scopes, sizeof(scopes), &e), 0);
	assert_string_equal(scopes, "example.com, 127.0.0.0/8, fd00::/8");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const names[] = { rows[i].name, NULL };
		auto_buf cert = BUF_INIT, key = BUF_INIT;
		int want = rows[i].within ? 0 : ERR_PRECONDITION;

		assert_int_equal(x509_may_sign(p.ca.data, names, &e), want);
		assert_int_equal(issue(&p.ca, &p.ca_key, rows[i].name, 30, &cert, &key, &e), want);
		assert_true(rows[i].within || strstr(e.text, "example.com, 127.0.0.0/8, fd00::/8"));
		if (rows[i].within && strstr(rows[i].name, "example.com"))
			assert_int_equal(verify(p.ca.data, cert.data, rows[i].name,
						GNUTLS_KP_TLS_WWW_SERVER),
					 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *const list[] = { bad[i], NULL };
		auto_buf cert = BUF_INIT, key = BUF_INIT;
		assert_int_equal(x509_authority("x", 30, list, &cert, &key, &e), ERR_BAD_FIELD);
	}
	free_pki(&p);
}

static void
the_root_of_a_chain_is_found(void **state)
{
	struct pki p, q;
	struct err e = { 0 };
	make_pki(&p, "a.example.com");
	make_pki(&q, "a.example.com");
	const struct {
		const struct buf *first, *then;
		bool found;
	} rows[] = {
		{ &p.node, &p.ca, true },  { &p.node, NULL, false },	{ &p.ca, NULL, false },
		{ &p.ca, &p.node, false }, { &p.node, &p.node, false }, { &p.node, &q.ca, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf chain = BUF_INIT, root = BUF_INIT;
		buf_adds(&chain, buf_str(rows[i].first));
		if (rows[i].then)
			buf_adds(&chain, buf_str(rows[i].then));
		assert_int_equal(x509_root(buf_str(&chain), &root), rows[i].found);
		assert_string_equal(buf_str(&root), rows[i].found ? buf_str(&p.ca) : "");
	}
	assert_int_equal(e.code, 0);
	free_pki(&p);
	free_pki(&q);
}

static void
damaged_certificates_do_no_harm(void **state)
{
	const char *const names[] = { "vault.example.com", NULL };
	auto_buf cert = BUF_INIT, key = BUF_INIT;
	struct err e = { 0 };
	assert_int_equal(x509_self_signed(names, 30, &cert, &key, &e), 0);
	for (size_t i = 0; i < cert.len; i++) {
		struct x509_info info;
		char keep = cert.data[i];
		cert.data[i] = keep == 'A' ? 'B' : 'A';
		int r = x509_read(cert.data, &info, &e);
		assert_true(r == 0 || r == ERR_BAD_FIELD);
		cert.data[i] = keep;
	}
}

static void
long_names_are_in_the_san(void **state)
{
	char name[240];
	for (size_t i = 0; i < sizeof(name) - 1; i++)
		name[i] = i % 50 == 49 ? '.' : 'a';
	name[sizeof(name) - 1] = '\0';
	struct pki p;
	struct x509_info i;
	struct err e = { 0 };
	make_pki(&p, name);
	assert_int_equal(x509_read(p.node.data, &i, &e), 0);
	assert_string_equal(i.names, name);
	assert_int_equal(verify(p.ca.data, p.node.data, name, GNUTLS_KP_TLS_WWW_SERVER), 0);
	free_pki(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(web_certificate_has_its_names),
		cmocka_unit_test(node_certificates_are_proven_by_the_ca),
		cmocka_unit_test(a_node_cannot_issue),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(an_authority_is_for_its_scopes_alone),
		cmocka_unit_test(the_root_of_a_chain_is_found),
		cmocka_unit_test(damaged_certificates_do_no_harm),
		cmocka_unit_test(long_names_are_in_the_san),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
