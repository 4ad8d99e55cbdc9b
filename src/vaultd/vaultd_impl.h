/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the vault service share (vaultd.c says what it does); nobody else includes this. All of it runs in the
 * core thread's loop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "api/dispatch.h"
#include "base/buf.h"
#include "base/home.h"
#include "base/proc.h"
#include "base/settings.h"
#include "base/state.h"
#include "http/server.h"
#include "vault/vault.h"

#define VAULTD_RETRY_MS 250
#define VAULTD_STATEPAGE_MS 20

struct vaultd {
	const struct proc_args *args;
	struct settings settings;
	struct home_node node;
	uv_loop_t loop;
	struct vault v;
	struct db *writer;
	struct db *pulse; /* asked by health alone: nobody queues there */
	struct api *api;
	struct server *server;
	struct buf cert, key;
	uv_timer_t statepage_timer, merge_timer, beat_timer, health_timer, tidy_timer,
		refusals_timer, stop_timer;
	uv_signal_t on_term, on_int, on_hup;
	uv_poll_t link;
	uv_work_t stop_work;

	uint64_t state_seq;    /* newest seen on the page */
	enum ha_state told;    /* state last reported to the log */
	uint64_t followed_seq; /* newest that caches and overlay know of */
	bool telling;	       /* a fiber works on a change */
	bool loading, keys_loaded;
	bool merging, beating, tidying, summing, stopping;
	int64_t prune_next_us; /* when old sessions are looked for again */
	int64_t began_ms;
	int64_t ping_began_ms; /* of the ping in flight; 0 none */
	int64_t keys_asked_ms; /* when the supervisor was asked for a connection to keyd */
	int64_t ping_next_ms;
	char ping_why[256]; /* why the last one failed; "" it did not */
	int exit_code;
	bool confined; /* the kernel holds it to its files */
};

/* ---- vaultd.c ---- */

void vaultd_stop_with(struct vaultd *d, int exit_code) NONNULL;

/* ---- vaultd_confine.c ---- */

/* Shuts the process in, before it has threads. */
int vaultd_confine(struct vaultd *d, struct err *e) NONNULL MUST_USE;
/* Whether a file by which names are resolved was replaced, so that only a new process can read it. */
bool vaultd_is_shut_out(const struct vaultd *d) NONNULL;

/* ---- vaultd_begin.c ---- */

/* The part of the start that waits for others. A fiber's function, of struct vaultd. */
void vaultd_begin(struct fiber *f, void *arg);

/* ---- vaultd_state.c ---- */

enum ha_state vaultd_state_now(const struct vaultd *d) NONNULL;
int vaultd_append_event(struct vaultd *d, struct fiber *f, enum event_kind kind, const char *body,
			struct err *e) MUST_USE;
/* Reads the versions that were made here in emergency. */
void vaultd_reload_journaled(struct vaultd *d, struct fiber *f) NONNULL;
void vaultd_on_page_timer(uv_timer_t *t);

/* ---- vaultd_rounds.c ---- */

void vaultd_on_merge_timer(uv_timer_t *t);
void vaultd_on_beat_timer(uv_timer_t *t);
void vaultd_on_tidy_timer(uv_timer_t *t);
void vaultd_on_refusals_timer(uv_timer_t *t);
/* What was counted, at once. */
void vaultd_write_refusals(struct vaultd *d, struct fiber *f) NONNULL;

/* ---- vaultd_health.c ---- */

/* Loads the data keys until it works; returns at once. */
void vaultd_begin_load_keys(struct vaultd *d) NONNULL;
void vaultd_update_health(struct vaultd *d) NONNULL;
void vaultd_on_health_timer(uv_timer_t *t);
