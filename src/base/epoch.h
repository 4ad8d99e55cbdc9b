/* SPDX-License-Identifier: Apache-2.0
 *
 * Epochs: which of all primaries that a pair ever had is the true one (H10). A node begins an epoch
 * with a counter above every one it knows; between equal counters, begun apart from each other, the
 * node's id decides, and between two programs of one node what each drew, so no two epochs are equal.
 * An epoch goes from node to node with the proof that
 * keyd of the node which began it made (crypto/keys.h): whoever brings it need not be trusted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/uuid.h"

#define EPOCH_TEXT_MAX 80
#define EPOCH_INCARNATION_TEXT_MAX 17
#define EPOCH_PROOF_BYTES 32
#define EPOCH_PROOF_TEXT_MAX (2 * EPOCH_PROOF_BYTES + 1)
#define EPOCH_JUMP_MAX 1000 /* a counter that is further ahead of the own one is not believed */

/* Zero-initialised: none, which is before all others. */
struct epoch {
	int64_t counter;
	struct uuid node; /* which began it */
	/* Drawn at its start by the program that began it, one of perhaps two of that node; 0: by one of before, which drew nothing. */
	uint64_t incarnation;
};

/* An epoch as it is told. All zeros for a proof: there is none. */
struct epoch_claim {
	struct epoch epoch;
	uint8_t proof[EPOCH_PROOF_BYTES];
};

/* Below, at or above 0: a is before b, is b, or is after b. */
int epoch_cmp(const struct epoch *a, const struct epoch *b) NONNULL;
bool epoch_is_later(const struct epoch *a, const struct epoch *b) NONNULL; /* a is after b */
bool epoch_is_of(const struct epoch *e, const struct uuid *node) NONNULL;  /* begun by this node */

/* 16 hexadecimal digits; "" for 0. */
void epoch_incarnation_text(uint64_t incarnation,
			    char ret[static EPOCH_INCARNATION_TEXT_MAX]) NONNULL;
/* Of exactly that form. ERR_BAD_FIELD; then *ret stays as it was. */
int epoch_incarnation_parse(const char *text, uint64_t *ret, struct err *e) NONNULL MUST_USE;

/* "3.0190a1b2-….00c5d6…", without the last dot and what follows where nothing was drawn; "" for none. */
void epoch_text(const struct epoch *e, char ret[static EPOCH_TEXT_MAX]) NONNULL;
/* Of exactly that form, the counter from 1 to 18 digits. ERR_BAD_FIELD; then *ret stays as it was. */
int epoch_parse(const char *text, struct epoch *ret, struct err *e) NONNULL MUST_USE;

bool epoch_has_proof(const struct epoch_claim *c) NONNULL;
/* 64 hexadecimal digits; "" for none. */
void epoch_proof_text(const struct epoch_claim *c, char ret[static EPOCH_PROOF_TEXT_MAX]) NONNULL;
/* An epoch and its proof as they are written; proof "": it has none. ERR_BAD_FIELD; then *ret stays as it was. */
int epoch_claim_parse(const char *epoch, const char *proof, struct epoch_claim *ret,
		      struct err *e) NONNULL MUST_USE;
