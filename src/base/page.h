/* SPDX-License-Identifier: Apache-2.0
 *
 * The state page: a file of the run folder, mapped by the agent (which writes it), vaultd and the CLI
 * (which read it). It says in which state the pair is now, without a message having to arrive. Small
 * fields are atomics; the texts are guarded by a sequence counter (odd while being written).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/state.h"
#include "base/uuid.h"

#define PAGE_BEAT_MAX_MS                                                                           \
	5000 /* an agent beats every 50 ms; one silent for longer is not believed */
#define PAGE_STATUS_MAX 16384
#define PAGE_REASON_MAX 256
#define PAGE_NAME_MAX 256

/* A consistent copy of the page. */
struct page_view {
	enum ha_state state;	      /* HA_SINGLE when no pair exists */
	uint64_t state_seq;	      /* grows by one at every change of state */
	char reason[PAGE_REASON_MAX]; /* why it is in this state */
	bool both;		      /* commits are on both disks now */
	uint64_t both_gen; /* grows at every change of `both`; a commit was on both if both is true
				 * and both_gen is the same before and after it */
	int64_t as_of_us; /* secondary: as of then it has everything, as its data say; 0: they do not */
	int64_t as_of_term; /* of the primary that says so */
	int64_t term;
	char primary_url
		[PAGE_NAME_MAX]; /* "https://fqdn:7272" of the serving primary, "" unknown */
	int64_t beat_mono_ms;	 /* monotonic time of the agent's last tick */
	int64_t journal_rows;	 /* as the agent last counted */
	bool ordered;		 /* secondary: an operator ordered emergency access */
	int64_t alerts_waiting;	 /* in the outbox; 0 when none are configured */
	bool data_damaged;	 /* pages of the database are not what was written */
	bool journal_unreadable;
	int schema,
		schema_known; /* of the database, and the newest that this program knows; 0 not known yet */
	enum pair_status status;	   /* the one word of it */
	char status_json[PAGE_STATUS_MAX]; /* the whole `ha status --json` object */
};

struct page;

int page_create(const char *path, struct page **ret, struct err *e) NONNULL
	MUST_USE; /* writer: the agent, and the supervisor at its start; keeps an old page, but sets both to false and the beat to 0 */
int page_open(const char *path, struct page **ret, struct err *e) NONNULL MUST_USE; /* reader */
void page_free(struct page *p);

/* All but both, both_gen and the beat. state_seq is not taken from v: the page counts by itself. */
void page_write(struct page *p, const struct page_view *v) NONNULL;
void page_set_both(struct page *p, bool both) NONNULL; /* at once; bumps both_gen on change */
/* Primary: a secondary that can be reached has a journal that is not home yet. */
void page_set_away(struct page *p, bool away) NONNULL;
/* A mark of the nodes that there are: it changes with their names, ports and certificates, and is the same on all of them; 0: not known. */
void page_set_nodes(struct page *p, uint64_t mark) NONNULL;
void page_beat(struct page *p) NONNULL;

/* Never blocks for long: if no whole copy can be had, the texts and the moments are empty. */
void page_read(const struct page *p, struct page_view *ret) NONNULL;
/* Whether what the view says is of now. false: the agent is silent, or has not begun. */
bool page_is_fresh(const struct page_view *v, int64_t now_mono_ms) NONNULL;
/* The cheap look on the hot path: state, state_seq, both, both_gen, beat; no texts. */
struct page_quick {
	enum ha_state state;
	uint64_t state_seq;
	bool both;
	uint64_t both_gen;
	int64_t beat_mono_ms;
	bool away;	/* see page_set_away */
	uint64_t nodes; /* see page_set_nodes */
};
struct page_quick page_quick(const struct page *p) NONNULL;
enum ha_state page_state(const struct page *p); /* HA_SINGLE without a page (NULL) */
