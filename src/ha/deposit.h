/* SPDX-License-Identifier: Apache-2.0
 *
 * Brings home a secondary's journal (H7) and the salvage beside it (H10), on a thread of its own:
 * it sends rows to the primary's ha_inbox over the pair's channel as hf_deposit, in batches from
 * the primary's high-water mark on, and drops them here only once the primary's log and the
 * replicated one have them with the same hash. If interrupted, it resumes at the mark. A salvage
 * file is removed once all of it is merged, and only while nobody writes one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/home.h"
#include "ha/chain_memory.h"
#include "ha/succession.h"

enum deposit_trouble {
	DEPOSIT_FINE,
	DEPOSIT_JOURNAL,  /* the journal cannot be read */
	DEPOSIT_CHANNEL,  /* the primary's database cannot be reached */
	DEPOSIT_DIVERGED, /* the log has another event where the journal has this one: kept, never
			     dropped */
};

struct deposit_view {
	int64_t rows;	    /* in the journal */
	int64_t counted_ms; /* monotonic time of that count, 0: never */
	enum deposit_trouble trouble;
	char why[256];
	bool held; /* the primary set aside a row that is still in the journal: nothing is sent until an operator has repaired it */
	/* the own slot on the primary, as it says */
	int64_t slot_ms; /* monotonic time, 0: not known */
	bool slot_active;
	char slot_status[16];
	int64_t slot_retained, slot_keep; /* bytes; keep -1: unlimited */
};

/* What the thread is told: where the primary is, and whether to deposit at all. */
struct deposit_orders {
	char host[256]; /* "" not known */
	int port;
	bool go;	/* the primary serves: deposit */
	bool rows_wait; /* its program is older than this one: the journal's rows wait for it */
	int64_t aside_seq; /* the first own row that it set aside and has not received since, 0: none */
	uint8_t aside_hash[32];
	char web_cert[4096]; /* own web certificate when the node table lacks it, "" it does not */
	/* with it, of which authorities: struct replication_node; trusts "": the primary's program
	 * is older than the log's knowledge of them */
	char trusts[SUCCESSION_PINS_MAX], channel_by[X509_PIN_LEN], web_by[X509_PIN_LEN];
	int https_port,
		pair_port; /* by which this node is reached, when the node table has others; 0 it has not */
	int64_t home_seq;		   /* own newest event in the replicated log */
	struct chain_memory *chain_memory; /* whose alarms the primary is to log; NULL: none */
};

struct deposit;

/* local_conninfo: of the superuser on the unix socket. */
struct deposit *deposit_new(const struct home *h, const struct uuid *self,
			    const char *local_conninfo) NONNULL MUST_USE;
void deposit_order(struct deposit *d, const struct deposit_orders *o) NONNULL;
void deposit_look(struct deposit *d, struct deposit_view *ret) NONNULL;
/* While held, no salvage file is read or removed: whoever writes one holds it until the file is
 * whole. Waits for the current round, some seconds at most. d NULL: nobody reads them. */
void deposit_hold(struct deposit *d);
void deposit_release(struct deposit *d);
void deposit_free(struct deposit *d);
