/* SPDX-License-Identifier: Apache-2.0
 *
 * What a primary's agent does for `holdfast ha setup`: authority and certificates, the channel, the
 * secondary's row and slot, and the pack. Every check comes first and changes nothing; when a step
 * fails, or the caller hangs up, the steps before it are undone. Blocking, on a thread of its own;
 * may be repeated for the same secondary.
 */
#pragma once

#include "base/home.h"
#include "base/settings.h"
#include "crypto/keys.h"

struct setup_request {
	char primary[256], secondary[256]; /* fully qualified names */
	int https_port, pair_port;	   /* of the secondary; 0: as this node's */
	int client_fd;			   /* when its other end closes nobody wants the pack; -1 */
};

/* percent -1: not known. */
typedef void setup_progress_fn(void *ctx, const char *text, int percent);

/* Appends to ret_path the pack's path and, on a second line, how large it is and why. ERR_PRECONDITION, ERR_USAGE … with what to do. */
int setup_run(const struct home *h, const struct settings *s, struct keys *keys,
	      const struct setup_request *rq, setup_progress_fn *progress, void *ctx,
	      struct buf *ret_path, struct err *e) NONNULL MUST_USE;

/* Where the pack for a secondary of that name is made. */
void setup_pack_path(const struct home *h, const char *secondary, char *ret, size_t room) NONNULL;
/* Removes what a set-up that died with its process left half written. */
void setup_clear(const struct home *h) NONNULL;
