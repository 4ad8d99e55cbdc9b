/* SPDX-License-Identifier: Apache-2.0
 *
 * The protocol between keyd and its clients, over a stream socketpair. Big-endian.
 *   request:  be32 length of the rest ‖ u8 op ‖ body
 *   answer:   be32 length of the rest ‖ u8 status (0, or -enum err_code) ‖ body
 * Answers come in the order of the requests. A frame longer than KEYPROTO_MAX, an unknown op, an op
 * that the client's role may not use now, or a malformed body ends the connection.
 *
 *   op           body of the request                         body of a good answer
 *   CREATE       be32 id                                     wrapped key
 *   LOAD         be32 id, wrapped key                        nothing
 *   SEAL         be32 id, be32 n, n bytes of ad, plaintext   be32 id, nonce, ciphertext, tag
 *   OPEN         be32 n, n bytes of ad, sealed bytes         plaintext
 *   MAC          u8 label, data                              32 bytes
 *   CHAIN        32 bytes, be32 n, n times (be32 len, item)  n times 32 bytes
 *   STREAM_SEAL  16 bytes id, be64 index, u8 last, plaintext nonce, ciphertext, tag
 *   STREAM_OPEN  16 bytes id, be64 index, u8 last, sealed    plaintext
 *   SIGN         text                                        32 bytes public key, 64 bytes signature
 *   AUTHORITY    be32 id, be32 days, CN, scopes              be32 n, n bytes of PEM, sealed key
 *   CERTIFY      be32 n, n bytes of sealed key, be32 days,   PEM
 *                u8 client, PEM of the authority, of the
 *                public key, names
 *   NODE         16 bytes id                                 nothing
 *   EPOCH        be64 counter, be64 incarnation              32 bytes
 *   EPOCH_CHECK  be64 counter, 16 bytes id,                  nothing
 *                be64 incarnation, 32 bytes
 *   MARK         an end mark                                 nothing
 *   MARK_REPLACE an end mark, another one                    nothing
 *   MARK_ASK     nothing                                     an end mark, or nothing: there is none
 * A text ends with its NUL. The key of an authority is sealed under the associated data
 * KEYPROTO_AUTHORITY_AD, which SEAL and OPEN refuse: so it is used here and seen nowhere. keyd
 * proves epochs of its own node alone: the one that conf/node.conf named at its start, or that NODE
 * named since. An end mark (crypto/endmark.h) is 16 bytes id, be64 seq, 32 bytes hash; keyd keeps
 * one, of its own node. MARK never moves it back: a lower number, and the same number with another
 * hash, are refused. MARK_REPLACE gives up the first one, which must be the one that keyd keeps,
 * for the second: the end of the log is lost. keyd's log says so. An answer that is an error has no
 * body.
 *
 * The supervisor gives keyd clients over a control socket: one byte of role with the client's end
 * as SCM_RIGHTS. keyd answers on the control socket with one byte when it is ready ('K') at its
 * start.
 */
#pragma once

#define KEYPROTO_MAX (2u << 20)
#define KEYPROTO_AUTHORITY_AD "pair-ca-key" /* with its NUL; for ever */

enum keyproto_role {
	KEYPROTO_VAULTD =
		'v', /* no streams, no certificates; alone it signs exports of the log and gives up an end mark */
	KEYPROTO_AGENT =
		'a', /* streams, certificates, epochs, MAC (MANIFEST, NODE, CHECK, PEPPER), seal/open, load, chain */
	KEYPROTO_INIT =
		'i', /* everything but these two: init and unpacking, before any network is open */
};

/* op, name, roles that may use it (letters) */
#define KEYPROTO_OPS(X)                                                                            \
	X(CREATE, 1, "vi")                                                                         \
	X(LOAD, 2, "vai")                                                                          \
	X(SEAL, 3, "vai")                                                                          \
	X(OPEN, 4, "vai")                                                                          \
	X(MAC, 5, "vai")                                                                           \
	X(CHAIN, 6, "vai")                                                                         \
	X(STREAM_SEAL, 7, "ai")                                                                    \
	X(STREAM_OPEN, 8, "ai")                                                                    \
	X(SIGN, 9, "v")                                                                            \
	X(AUTHORITY, 10, "ai")                                                                     \
	X(CERTIFY, 11, "ai")                                                                       \
	X(NODE, 12, "i")                                                                           \
	X(EPOCH, 13, "ai")                                                                         \
	X(EPOCH_CHECK, 14, "vai")                                                                  \
	X(MARK, 15, "vi")                                                                          \
	X(MARK_REPLACE, 16, "v")                                                                   \
	X(MARK_ASK, 17, "vi")

enum keyproto_op {
#define X(name, number, roles) KEYPROTO_##name = number,
	KEYPROTO_OPS(X)
#undef X
};
