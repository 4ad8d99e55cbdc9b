/* SPDX-License-Identifier: Apache-2.0
 *
 * Breaks of the log that an administrator accepted. The accepting event is in the log itself and
 * pins where each chain goes on, so it covers this break and no other. There are three kinds:
 *  - resume: what lies between is gone or does not fit; the chain goes on with the event `resume` as it stood then.
 *  - upto: the chain's end is gone. Nothing followed it yet, but the log knows the hash of the last
 *    lost event: the chain goes on after that one, so that no number is used twice.
 *  - neither: the chain goes on by itself, but is not what it was.
 */
#pragma once

#include "vault/vault.h"

struct audit_break {
	struct uuid node;
	int64_t seq;	/* the first event that does not fit */
	int64_t resume; /* the event with which the chain goes on, 0: nothing was skipped */
	int64_t upto;	/* the last event that is lost, 0: not known, or resume says it */
	/* in hex: the hash of the event at resume as it stands, or of the one at upto; and a keyed digest of the event at resume */
	char hash[2 * KEYS_HASH_BYTES + 1], digest[2 * KEYS_HASH_BYTES + 1];
	char why[256];
	/* who accepted it; seq_by 0: nobody yet */
	struct uuid node_by;
	int64_t seq_by, at_us;
	char by[128], reason[512];
	bool proven; /* the event that accepts it is in the log, and verified */
};

/* All that the log's events accept, earliest first; not proven yet. The caller frees *ret, never
 * NULL on success. */
int audit_break_read(struct vault *v, struct fiber *f, struct audit_break **ret, size_t *ret_n,
		     struct err *e) NONNULL MUST_USE;

/* Whether both are the same break, whoever accepted it. */
bool audit_break_same(const struct audit_break *x, const struct audit_break *y) NONNULL;

/* The lost end of the node's chain that begins with seq; next: the event that follows there, 0: none does yet, or it does not
 * matter. NULL: there is none. */
const struct audit_break *audit_break_end(const struct audit_break *all, size_t n,
					  const struct uuid *node, int64_t seq, int64_t next);

/* The keyed digest of one event, apart from its chain. ERR_CHAIN_BROKEN: no event can be so. */
int audit_break_digest(struct vault *v, struct fiber *f, const struct event *ev,
		       uint8_t ret[static KEYS_HASH_BYTES], struct err *e) MUST_USE;

/* Proves by the keyed chain that this vault wrote the very event that accepts the break, and sets
 * proven. Otherwise a walk over the whole log is needed (vault/verify.h). */
int audit_break_prove(struct vault *v, struct fiber *f, struct audit_break *b,
		      struct err *e) NONNULL MUST_USE;

/* A row of event_chunk; its texts are borrowed from rows. */
void audit_break_row(const struct rows *rows, int i, const struct uuid *node,
		     struct event *ret) NONNULL;
bool audit_break_encodable(const struct event *ev) NONNULL;
