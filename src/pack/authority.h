/* SPDX-License-Identifier: Apache-2.0
 *
 * The pair's authority: its certificate and its key, which lies on disk and in the pack sealed under a data key. So whoever has the data and keyd
 * can sign, on every node. Blocking, in a thread of the caller's.
 */
#pragma once

#include "base/home.h"
#include "crypto/keys.h"
#include "store/db.h"

#define AUTHORITY_DAYS 3650
#define AUTHORITY_LEAF_DAYS 365 /* of what it signs: renewed by itself long before */

/* Loads the data keys into keyd (vaultd may not have done so yet) and gives the newest one's id. */
int authority_load_keys(struct keys *keys, struct db *db, uint32_t *ret_newest,
			struct err *e) NONNULL MUST_USE;
/* A new one, in PEM, and on disk with its key sealed under that data key. */
int authority_make(const struct home *h, struct keys *keys, uint32_t data_key, struct buf *ret_cert,
		   struct buf *ret_key, struct err *e) NONNULL MUST_USE;
/* The one that there is; the data keys must be loaded. The caller wipes the key (buf_done). ERR_PRECONDITION with the file and what to do
 * when one of them is missing or damaged. */
int authority_open(const struct home *h, struct keys *keys, struct buf *ret_cert,
		   struct buf *ret_key, struct err *e) NONNULL MUST_USE;
/* A new channel certificate of this node, in force at once: nothing stops, and the old one is as good until its end.
 * ERR_PRECONDITION when there is no pair. */
int authority_renew_channel(const struct home *h, struct keys *keys,
			    struct err *e) NONNULL MUST_USE;
