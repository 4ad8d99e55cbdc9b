/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates, by GnuTLS: self-signed web certificates, the vault's authority and the node
 * certificates it signs (ECDSA P-256, SHA-256). Everything in PEM.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"

#define X509_PIN_LEN 65 /* SHA-256 of the DER certificate in hex and the NUL */

struct x509_info {
	char subject[256]; /* RFC 4514 */
	char issuer[256];
	char names[512]; /* SANs, comma separated */
	int64_t not_before_us, not_after_us;
	bool self_signed;
	char pin[X509_PIN_LEN];
};

/* A self-signed web certificate. names: NULL-ended list of DNS names and IP addresses for the SAN;
 * the first is the CN. days of validity from now (one hour back for skew). */
int x509_self_signed(const char *const *names, int days, struct buf *ret_cert, struct buf *ret_key,
		     struct err *e) MUST_USE;

/* An authority restricted to the NULL-ended list (critical name constraints): domains, each with
 * its subdomains, and networks ("10.0.0.0/8") or single addresses. */
int x509_authority(const char *cn, int days, const char *const *scopes, struct buf *ret_cert,
		   struct buf *ret_key, struct err *e) NONNULL MUST_USE;

/* Makes a key for a certificate that somebody else signs: private and public key in PEM. */
int x509_new_key(struct buf *ret_key, struct buf *ret_public, struct err *e) NONNULL MUST_USE;

/* What to sign. */
struct x509_wish {
	const char *public_key; /* PEM */
	/* NULL-ended, for the SAN; the first is the CN. Without a DNS name among them, verifiers of
	 * name constraints take the CN for one: an address cannot stand alone. */
	const char *const *names;
	int days;    /* no longer than the authority itself */
	bool client; /* for clients as well, not only for servers */
};
/* ERR_PRECONDITION: a name is outside the authority's scope. */
int x509_sign(const char *ca_cert, const char *ca_key, const struct x509_wish *w,
	      struct buf *ret_cert, struct err *e) NONNULL MUST_USE;
/* Whether x509_sign would accept the names: the same refusal. */
int x509_may_sign(const char *ca_cert, const char *const *names, struct err *e) NONNULL MUST_USE;
/* Its scope, as a text with commas; "" for everything. */
int x509_scopes(const char *ca_cert, char *ret, size_t room, struct err *e) NONNULL MUST_USE;
/* From a chain, leaf first: appends the self-signed authority in it that the leaf comes from. false: there is none. */
bool x509_root(const char *chain, struct buf *ret) NONNULL;

/* Appends the next certificate of a PEM text, as x509_leaf would; *at begins as the text. false:
 * there is none, or what follows is not a certificate. */
bool x509_next(const char **at, struct buf *ret) NONNULL;
/* Whether the authority's key signed the first certificate of the PEM text, expired or not. */
bool x509_signed_by(const char *pem, const char *authority) NONNULL;
/* Reads the first certificate of a PEM text (bounded by its NUL, ≤ 64 KiB). */
int x509_read(const char *pem, struct x509_info *ret, struct err *e) NONNULL MUST_USE;

/* Appends only the first certificate of a PEM text, in the one form that is always the same. */
int x509_leaf(const char *pem, struct buf *ret, struct err *e) NONNULL MUST_USE;

/* 0 if the key fits the certificate, or ERR_BAD_FIELD with the reason. */
int x509_fits(const char *cert_pem, const char *key_pem, struct err *e) MUST_USE;
