/* SPDX-License-Identifier: Apache-2.0
 *
 * The vault's authority: it signs each node's certificates for the web and for the channel, and for nothing outside of its scopes (name
 * constraints). The log has its certificate and its key, sealed under a data key, so whoever has the data and keyd can sign; keyd alone opens and
 * uses the key. The files of the home are what the node makes of its own log: while one follows another, all that still count, the newest first, and
 * the key of the one that signs now (ha/succession.h). Blocking, in a thread of the caller's, unless a fiber is given.
 */
#pragma once

#include "base/home.h"
#include "crypto/keys.h"
#include "ha/succession.h"
#include "store/db.h"

#define AUTHORITY_DAYS 3650
#define AUTHORITY_LEAF_DAYS 365 /* of what it signs: renewed by itself long before */
#define AUTHORITY_NAMES_MAX 32

/* Names of a certificate, or scopes of an authority; each once. */
struct authority_names {
	size_t n;
	const char *list[AUTHORITY_NAMES_MAX + 1]; /* NULL-ended, into text */
	char text[AUTHORITY_NAMES_MAX][256];
};

/* Adds each of a text with commas (or NULL). ERR_USAGE: one is too long, or there are too many. */
int authority_add(struct authority_names *names, const char *text, struct err *e) MUST_USE;
/* Adds what belongs to a node of that name: its domain, or the network of an address. */
int authority_add_scope_of(struct authority_names *scopes, const char *name,
			   struct err *e) NONNULL MUST_USE;
/* Adds what each machine calls itself. */
int authority_add_own(struct authority_names *names, struct err *e) NONNULL MUST_USE;

/* ERR_USAGE: one of the scopes is none, or a name lies outside of all of them. */
int authority_check(const struct authority_names *scopes, const struct authority_names *names,
		    struct err *e) NONNULL MUST_USE;

/* Loads the data keys into keyd (vaultd may not have done so yet) and gives the newest one's id. */
int authority_load_keys(struct keys *keys, struct db *db, uint32_t *ret_newest,
			struct err *e) NONNULL MUST_USE;
bool authority_is_there(const struct home *h) NONNULL;
/* A new one of that name: on disk, its key sealed under that data key. */
int authority_make(const struct home *h, struct keys *keys, struct fiber *f, uint32_t data_key,
		   const char *name, const struct authority_names *scopes, struct err *e) MUST_USE;
/* For a vault from before each had one from its beginning: for the names that it has, and for a node of that name (or NULL). */
int authority_make_late(const struct home *h, struct keys *keys, struct db *db, uint32_t data_key,
			const char *node, struct err *e) MUST_USE;
/* A new one, for what `domain` says (with commas), or, when NULL, for the same as the newest: into the log, and into the files as far as may be now.
 * ERR_PRECONDITION on a secondary, or when too many count already; ERR_USAGE: the names of this node lie outside. */
int authority_succeed(const struct home *h, struct keys *keys, const char *domain,
		      struct err *e) MUST_USE;
/* The first, if the log knows none: the one of the files, or a new one. By the primary, for somebody who has neither the keys nor a connection. */
int authority_found(const struct home *h, struct keys *keys, struct err *e) NONNULL MUST_USE;
/* The body of the event that has it (AUTHORITY_MADE). generation: 1 of the first. */
int authority_body(const char *cert, const struct buf *sealed, int generation, struct buf *ret,
		   struct err *e) NONNULL MUST_USE;

/* Makes the files of the home what the log says, and has the channel's certificate signed anew when it is time; PostgreSQL has read them when this
 * returns. Taken from the log is only what keyd proves to be the vault's. A log that knows none changes nothing. */
struct authority_followed {
	char wanted[SUCCESSION_PINS_MAX];  /* fingerprints, with commas: by the log */
	char trusted[SUCCESSION_PINS_MAX]; /* as the file has them now */
	char sign[X509_PIN_LEN];	   /* of the one whose key is in place, "" none */
};
int authority_follow(const struct home *h, struct keys *keys, struct authority_followed *ret,
		     struct err *e) NONNULL MUST_USE;
/* What the files of this node trust and show; texts as in the node table. */
struct authority_shown {
	char trusted[SUCCESSION_PINS_MAX], channel_by[X509_PIN_LEN], web_by[X509_PIN_LEN];
};
void authority_look(const struct home *h, struct authority_shown *ret) NONNULL;
/* The fingerprint of the one among them (PEM) that signed the certificate, "" none. */
void authority_signer(const char *trusted, const char *cert, char ret[static X509_PIN_LEN]) NONNULL;

/* Gives the certificate of the one that there is once its key has proved that it can be used; the data keys must be loaded.
 * ERR_PRECONDITION with the file and what to do when one of them is missing or damaged. */
int authority_prove(const struct home *h, struct keys *keys, struct buf *ret_cert,
		    struct err *e) NONNULL MUST_USE;

/* For whom a certificate is: who is called at HTTPS shows the authority's behind its own; who calls on the channel too. */
enum authority_use { AUTHORITY_WEB, AUTHORITY_CHANNEL };
/* A certificate for these names and its key, in PEM. ERR_PRECONDITION: as authority_prove, or a name lies outside. */
int authority_issue(const struct home *h, struct keys *keys, struct fiber *f,
		    enum authority_use use, const struct authority_names *names,
		    struct buf *ret_cert, struct buf *ret_key, struct err *e) MUST_USE;
/* Whether it would, as far as the name goes. */
int authority_may_sign(const struct home *h, struct keys *keys, const char *name,
		       struct err *e) NONNULL MUST_USE;

/* Whether the web certificate that this node has is the authority's own work, and not an operator's. */
bool authority_signed_web(const struct home *h) NONNULL;
/* Both in their places at once. */
int authority_place(const struct home *h, enum authority_use use, const struct buf *cert,
		    const struct buf *key, struct err *e) NONNULL MUST_USE;

/* A new certificate of this node, for the names of the old one and for those beside them (with commas, or NULL). The channel's is in force at
 * once; for the web's the node is told to read it again (SIGHUP). Nothing stops, and the old one is as good until its end.
 * ERR_PRECONDITION when there is no pair, or no authority. */
int authority_renew(const struct home *h, struct keys *keys, enum authority_use use,
		    const char *also, struct err *e) MUST_USE;
