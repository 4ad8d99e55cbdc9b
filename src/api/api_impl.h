/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files behind dispatch.h, call.h, admit.h, reply.h and metrics.h only.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>
#include "api/call.h"
#include "api/dispatch.h"
#include "vault/vault.h"

#define API_CHECKS 64

struct api {
	struct vault *v;
	char node_name[256];
	char *authority_path;	 /* or NULL */
	const struct home *home; /* or NULL */
	const struct server *server;
	uv_async_t async;
	uv_timer_t timer;
	unsigned handles; /* not closed yet */

	struct relay *relay; /* NULL: nothing is forwarded */
	struct forward *forward;
	_Atomic bool forwards; /* the setting, for the HTTP threads */

	/* From the HTTP threads to the core. */
	pthread_mutex_t lock;
	struct api_call *first, *last;

	/* Core only: taken from the queue, no fiber yet. */
	struct api_call *ready, *ready_last;

	/* From the core to the HTTP threads; health under its own lock, so that the queue never
	 * waits. */
	_Atomic int64_t beat_ms;
	pthread_mutex_t health_lock;
	struct vault_health health;
	char nodes[API_NODES_MAX]; /* as api_set_nodes has it */
	struct epoch_claim told;   /* the last that somebody told and that keyd has checked */

	int64_t checks_due_ms
		[API_CHECKS]; /* core only: by address, when its next check of an epoch is due */
	_Atomic uint64_t replies[6]; /* by hundreds of the status */
	uint64_t retrievals;
	unsigned looking, ordering; /* questions to the agent, and orders, in flight */
	unsigned awaiting;	    /* requests that wait for their session's journal */
};
