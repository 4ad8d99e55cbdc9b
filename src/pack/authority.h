/* SPDX-License-Identifier: Apache-2.0
 *
 * The vault's authority: it signs each node's certificates for the web and for the channel, and for nothing outside of its scopes (name
 * constraints). Its certificate and its key, sealed under a data key, lie on every node and in the pack, so whoever has the data and keyd can
 * sign; keyd alone opens and uses the key. Blocking, in a thread of the caller's, unless a fiber is given.
 */
#pragma once

#include "base/home.h"
#include "crypto/keys.h"
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
/* A new one in the place of the one that there is, which is trusted beside it until it has expired: for what `domain` says (with commas), or, when
 * NULL, for the same as before. The node's web certificate stays as it is. ERR_PRECONDITION while the vault has other nodes, which know an authority
 * by their packs; ERR_USAGE: the names of this node lie outside. */
int authority_succeed(const struct home *h, struct keys *keys, const char *domain,
		      struct err *e) MUST_USE;
/* The first, if there is none: by somebody who has neither the keys nor a connection. */
int authority_found(const struct home *h, struct keys *keys, struct err *e) NONNULL MUST_USE;
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
int authority_may_sign(const struct home *h, const char *name, struct err *e) NONNULL MUST_USE;

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
