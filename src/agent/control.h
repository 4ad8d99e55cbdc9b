/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread behind run/agent.sock (0600): takes one command at a time from the command line on
 * this machine and tells how it goes. A line of JSON each:
 *   →  {"verb":"setup","primary":…,"secondary":…,"https_port":n,"pair_port":n}
 *   →  {"verb":"promote"|"switchover"|"rejoin"|"remove","node":name}: an order to the agent's loop, answered when it is taken
 *   →  {"verb":"emergency","node":"on"|"off"}: the same
 *   →  {"verb":"maintenance","node":"off"|"MILLISECONDS REASON"}: answered when it counts, with a JSON text
 *   →  {"verb":"alert-test"}, {"verb":"others"}: the path answered is a JSON text; others: the other secondaries, and what each has
 *   →  {"verb":"backup","file":path,"force":bool}; ends when the asker hangs up
 *   ←  {"progress":text,"percent":n}…, then {"path":…} or {"error":{"code":…,"message":…}}
 */
#pragma once

#include "base/home.h"
#include "base/settings.h"

#define CONTROL_LINE_MAX 4096
/* So long the client's side waits for the agent of a node that runs: the supervisor may just have started it again. */
#define CONTROL_COMES_MS 15000

struct control;

/* An order: whether it can be taken. What is appended to ret_text is answered as the path. Called in the control thread. */
typedef int control_order_fn(void *ctx, const char *verb, const char *node, struct buf *ret_text,
			     struct err *e);

/* keys_fd: a connection to keyd, taken over; blocking use by this thread alone. home and settings
 * must outlive it. */
int control_new(const struct home *h, const struct settings *s, int keys_fd,
		control_order_fn *order, void *ctx, struct control **ret, struct err *e) MUST_USE;
/* A new connection after keyd was started again. Thread-safe. */
void control_attach(struct control *c, int keys_fd) NONNULL;
/* true once after the connection was found to be broken: another one is needed. Thread-safe. */
bool control_lost_keys(struct control *c) NONNULL;
/* Stops taking commands; one in flight is left to end with the process. Takes NULL. */
void control_free(struct control *c);

/* The client's side: sends one request line, calls progress for each such answer; the last answer's
 * path is appended. */
typedef void control_progress_fn(void *ctx, const char *text, int percent);
int control_ask(const struct home *h, const char *request, control_progress_fn *progress, void *ctx,
		struct buf *ret_path, struct err *e) MUST_USE;
