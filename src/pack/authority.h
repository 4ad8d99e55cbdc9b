/* SPDX-License-Identifier: Apache-2.0
 *
 * The vault's authority: it signs each node's certificates for the web and for the channel, and nothing outside its scopes (name
 * constraints). The log has its certificate and its key, sealed under a data key, so whoever has the data and keyd can sign; only keyd opens
 * and uses the key. The node derives the files of the home from its own log: while one authority succeeds another, all that still count, the
 * newest first, and the key of the one that signs now (ha/succession.h). Blocking, in the caller's thread, unless a fiber is given.
 */
#pragma once

#include "base/home.h"
#include "crypto/keys.h"
#include "ha/succession.h"
#include "store/db.h"

#define AUTHORITY_DAYS 3650
#define AUTHORITY_LEAF_DAYS 365 /* of what it signs: renewed automatically long before */
#define AUTHORITY_NAMES_MAX 32

/* Names of a certificate, or scopes of an authority; each once. */
struct authority_names {
	size_t n;
	const char *list[AUTHORITY_NAMES_MAX + 1]; /* NULL-ended, into text */
	char text[AUTHORITY_NAMES_MAX][256];
};

/* Adds each name in a text with commas (or NULL). ERR_USAGE: one is too long, or there are too
 * many. */
int authority_add(struct authority_names *names, const char *text, struct err *e) MUST_USE;
/* Adds what belongs to a node of that name: its domain, or the network of an address. */
int authority_add_scope_of(struct authority_names *scopes, const char *name,
			   struct err *e) NONNULL MUST_USE;
/* Adds what each machine calls itself. */
int authority_add_own(struct authority_names *names, struct err *e) NONNULL MUST_USE;

/* ERR_USAGE: one of the scopes is invalid, or a name is outside all of them. */
int authority_check(const struct authority_names *scopes, const struct authority_names *names,
		    struct err *e) NONNULL MUST_USE;

/* Loads the data keys into keyd (vaultd may not have done so yet) and returns the newest one's
 * id. */
int authority_load_keys(struct keys *keys, struct db *db, uint32_t *ret_newest,
			struct err *e) NONNULL MUST_USE;
bool authority_is_there(const struct home *h) NONNULL;
/* Makes a new one of that name: on disk, its key sealed under that data key. */
int authority_make(const struct home *h, struct keys *keys, struct fiber *f, uint32_t data_key,
		   const char *name, const struct authority_names *scopes, struct err *e) MUST_USE;
/* For a vault older than the rule that each begins with one: for the names that it has, and a node of that name (or NULL). */
int authority_make_late(const struct home *h, struct keys *keys, struct db *db, uint32_t data_key,
			const char *node, struct err *e) MUST_USE;
/* Makes a new one for `domain` (with commas) or, if NULL, for the newest one's scopes: puts it into the log, and into the files as
 * far as possible now. ERR_PRECONDITION on a secondary, or if too many count already; ERR_USAGE: this node's names are outside. */
int authority_succeed(const struct home *h, struct keys *keys, const char *domain,
		      struct err *e) MUST_USE;
/* Puts the first into the log if it has none: the one in the files, or a new one. On the primary,
 * on behalf of somebody who has neither keys nor a connection. */
int authority_found(const struct home *h, struct keys *keys, struct err *e) NONNULL MUST_USE;
/* The body of the event that holds it (AUTHORITY_MADE). generation: 1 for the first. */
int authority_body(const char *cert, const struct buf *sealed, int generation, struct buf *ret,
		   struct err *e) NONNULL MUST_USE;

/* Makes the files of the home match the log, and has the channel's certificate renewed when due; PostgreSQL has read them when
 * this returns. Takes from the log only what keyd proves to be the vault's. A log without an authority changes nothing. */
struct authority_followed {
	char wanted[SUCCESSION_PINS_MAX];  /* fingerprints, with commas: by the log */
	char trusted[SUCCESSION_PINS_MAX]; /* as the file has them now */
	char sign[X509_PIN_LEN];	   /* of the one whose key is in place, "" none */
};
int authority_follow(const struct home *h, struct keys *keys, struct authority_followed *ret,
		     struct err *e) NONNULL MUST_USE;
/* What this node's files trust and show; texts as in the node table. */
struct authority_shown {
	char trusted[SUCCESSION_PINS_MAX], channel_by[X509_PIN_LEN], web_by[X509_PIN_LEN];
};
void authority_look(const struct home *h, struct authority_shown *ret) NONNULL;
/* The fingerprint of whichever of them (PEM) signed the certificate; "" if none did. */
void authority_signer(const char *trusted, const char *cert, char ret[static X509_PIN_LEN]) NONNULL;

/* Returns the current one's certificate once its key has proved usable; the data keys must be
 * loaded. ERR_PRECONDITION with the file and what to do if one of them is missing or damaged. */
int authority_prove(const struct home *h, struct keys *keys, struct buf *ret_cert,
		    struct err *e) NONNULL MUST_USE;

/* What a certificate is for: HTTPS servers show the authority's after their own; channel
 * certificates serve callers too. */
enum authority_use { AUTHORITY_WEB, AUTHORITY_CHANNEL };
/* A certificate for these names and its key, in PEM. ERR_PRECONDITION: as authority_prove, or a
 * name is out of scope. */
int authority_issue(const struct home *h, struct keys *keys, struct fiber *f,
		    enum authority_use use, const struct authority_names *names,
		    struct buf *ret_cert, struct buf *ret_key, struct err *e) MUST_USE;
/* Whether authority_issue would accept the name. */
int authority_may_sign(const struct home *h, struct keys *keys, const char *name,
		       struct err *e) NONNULL MUST_USE;

/* Whether the authority, not an operator, made this node's web certificate. */
bool authority_signed_web(const struct home *h) NONNULL;
/* Places both at once. */
int authority_place(const struct home *h, enum authority_use use, const struct buf *cert,
		    const struct buf *key, struct err *e) NONNULL MUST_USE;

/* Makes a new certificate for this node, for the old one's names and for `also` (with commas, or NULL).
 * The channel's takes effect at once; for the web's the node is told to reload (SIGHUP). Nothing stops,
 * and the old one stays valid until it expires. ERR_PRECONDITION if there is no pair, or no authority. */
int authority_renew(const struct home *h, struct keys *keys, enum authority_use use,
		    const char *also, struct err *e) MUST_USE;
