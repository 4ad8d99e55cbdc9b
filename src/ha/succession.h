/* SPDX-License-Identifier: Apache-2.0
 *
 * How one authority of the vault succeeds another: what may happen now, given what each node of the table trusts and shows.
 * Pure; goes by content alone, never by time except for an authority's own expiry. docs/certificates.md has the steps:
 *   S1 the signing authority is trusted by every node of the table; while none is, it is the oldest
 *      that still counts
 *   S2 what a node shows or may show, and whatever is newer than the signing one, stays trusted; so
 *      does everything while a node has not said what it trusts
 *   S3 an expired authority is no longer trusted, and signs nothing
 *   S4 at least one is always trusted
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/attr.h"
#include "crypto/x509.h"

#define SUCCESSION_MAX 16 /* authorities that are looked at */
#define SUCCESSION_NODES_MAX 9
#define SUCCESSION_COUNT_MAX 4 /* that may count at once: one more waits */
#define SUCCESSION_PINS_MAX (SUCCESSION_MAX * X509_PIN_LEN)

/* The authorities as the log has them, the newest first. */
struct succession_log {
	unsigned n;
	char pins[SUCCESSION_MAX][X509_PIN_LEN];
	int64_t ends_us[SUCCESSION_MAX];
};

/* What a node trusts, and from whom its certificates come, in fingerprints with commas: this node
 * knows it from its files, the others announced it. */
struct succession_said {
	const char *trusts, *channel_by, *web_by;
};

/* Bit i is the i-th authority, 0 the newest. */
struct succession_node {
	uint32_t trusts; /* 0: it has not said */
	uint32_t shows;	 /* from which its certificates come */
};

struct succession_view {
	unsigned authorities_n, nodes_n;
	uint32_t ended;
	struct succession_node nodes[SUCCESSION_NODES_MAX];
};

struct succession {
	int sign;	    /* which one signs; -1: none can */
	uint32_t keep;	    /* which ones are trusted */
	uint32_t not_trust; /* bit per node: it does not trust the newest yet */
	uint32_t shows_old; /* bit per node: it shows what comes from one before that which signs */
};

/* Begins a view with the log; then add each node of the table, SUCCESSION_NODES_MAX at most. */
void succession_begin(struct succession_view *v, const struct succession_log *log,
		      int64_t now_us) NONNULL;
void succession_add(struct succession_view *v, const struct succession_log *log,
		    const struct succession_said *node) NONNULL;
void succession_decide(const struct succession_view *v, struct succession *ret) NONNULL;

/* Whether a channel certificate, by its signer's fingerprint, comes from no authority that signs now or will, so that it must be renewed. */
bool succession_is_stale(const struct succession *s, const struct succession_log *log,
			 const char *channel_by) NONNULL;

/* The bits of those of these fingerprints (with commas) that are in the log. */
uint32_t succession_bits(const struct succession_log *log, const char *pins) NONNULL;
/* The reverse, in their order. */
void succession_pins(const struct succession_log *log, uint32_t bits,
		     char ret[static SUCCESSION_PINS_MAX]) NONNULL;
