/* SPDX-License-Identifier: Apache-2.0
 *
 * The pair's channel: how a node reaches another node's PostgreSQL. TLS 1.3, both ends
 * authenticated by certificates of the vault's authority, one database role per duty
 * (docs/security.md), every wait bounded.
 */
#pragma once

#include "base/buf.h"
#include "base/home.h"

enum channel_duty {
	CHANNEL_DEPOSIT, /* hf_deposit: brings events home */
	CHANNEL_COMPARE, /* hf_deposit: asks a primary or a secondary for the ends of its chains */
	CHANNEL_TELL,	 /* hf_deposit: tells a primary of an epoch, and waits for no second disk */
	CHANNEL_REPLICATE, /* hf_replicate: streams, and copies the whole cluster */
	CHANNEL_REWIND,	   /* hf_rewind: reads what differs, for pg_rewind */
};

/* Whom a standby follows. */
struct channel_primary {
	char host[256];
	int port;
	char slot[64]; /* of the node that follows; also its application_name */
};

/* Appends a libpq conninfo. Only CHANNEL_REPLICATE uses p->slot. */
void channel_conninfo(const struct home *h, enum channel_duty duty, const struct channel_primary *p,
		      struct buf *ret) NONNULL;

/* The same for a standby whose history was compared with p's: at its next start it must be compared
 * again before it follows. */
void channel_follow(const struct home *h, const struct channel_primary *p, struct buf *ret) NONNULL;

/* When a standby that was made follows for the first time. */
enum channel_start {
	CHANNEL_START_COMPARED, /* its history is compared first, as at each later start */
	CHANNEL_START_AT_ONCE,	/* what it was made of is consistent only with what comes next */
};

/* Makes the data folder `dir` (data/pg or its replacement) a standby of p: rewrites
 * postgresql.auto.conf and writes standby.signal (PostgreSQL, "Setting Up a Standby Server"). */
int channel_write_standby(const struct home *h, const struct channel_primary *p,
			  enum channel_start start, const char *dir,
			  struct err *e) NONNULL MUST_USE;

/* Whom the standby in data/pg follows, by its postgresql.auto.conf; ret->slot is left alone. ERR_NOT_FOUND: it does not say. */
int channel_read_standby(const struct home *h, struct channel_primary *ret,
			 struct err *e) NONNULL MUST_USE;
