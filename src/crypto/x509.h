/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates, by GnuTLS: self-signed web certificates, the pair's own CA and the node
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

/* The pair's CA. */
int x509_ca(const char *cn, int days, struct buf *ret_cert, struct buf *ret_key,
	    struct err *e) MUST_USE;

/* A node certificate signed by the CA: server and client use, CN and SAN = name. */
int x509_issue(const char *ca_cert, const char *ca_key, const char *name, int days,
	       struct buf *ret_cert, struct buf *ret_key, struct err *e) MUST_USE;

/* Reads the first certificate of a PEM text (bounded by its NUL, ≤ 64 KiB). */
int x509_read(const char *pem, struct x509_info *ret, struct err *e) NONNULL MUST_USE;

/* The first certificate of a PEM text alone, in the one form that is always the same; appended. */
int x509_leaf(const char *pem, struct buf *ret, struct err *e) NONNULL MUST_USE;

/* Says whether key fits cert. 0, or ERR_BAD_FIELD with the reason. */
int x509_fits(const char *cert_pem, const char *key_pem, struct err *e) MUST_USE;
