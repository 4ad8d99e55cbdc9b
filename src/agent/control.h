/* SPDX-License-Identifier: Apache-2.0
 *
 * Serves run/agent.sock (0600): takes commands from the command line on this machine and reports
 * their progress. Each caller has a thread, so an order to promote never waits behind a backup.
 * Commands that exclude each other queue: a caller is told at once what it waits for (as progress),
 * and gives up after CONTROL_TURN_MS. One line of JSON each:
 *   →  {"verb":"setup","primary":…,"secondary":…,"https_port":n,"pair_port":n}
 *   →  {"verb":"promote"|"switchover"|"rejoin"|"remove","node":name}: an order to the agent's loop, answered when it is taken
 *   →  {"verb":"emergency","node":"on"|"off"}: the same
 *   →  {"verb":"ordered","order":"promote"|"switchover"|"remove"|"emergency on"|"emergency off","node":name,"user":id,"password":…,"code":…}: the same
 *      orders from the console, which count only with what that user, an administrator, logs in with (agent/orderer.h)
 *   →  {"verb":"orders"}: the path answered is a JSON list: which of these may be given now, and what there is to know before
 *   →  {"verb":"maintenance","node":"off"|"MILLISECONDS REASON"}: answered when it counts, with a JSON text
 *   →  {"verb":"alert-test"}, {"verb":"others"}: the path answered is a JSON text; others: the other secondaries, and what each has
 *   →  {"verb":"renew","what":"web"|"channel"|"authority","also":"NAME,…","domain":"DOMAIN,…"}: that certificate, made anew
 *   →  {"verb":"backup","file":path,"force":bool}; ends when the asker hangs up
 *   ←  {"progress":text,"percent":n}…, then {"path":…} or {"error":{"code":…,"message":…}}
 */
#pragma once

#include "base/home.h"
#include "base/settings.h"
#include "ha/ask.h"

/* So long the client's side waits for the agent of a node that runs: the supervisor may just have started it again. */
#define CONTROL_COMES_MS 15000
/* So long a command waits for another that is in its way. */
#define CONTROL_TURN_MS 60000

struct control;

/* An order: whether it can be taken. What is appended to ret_text is answered as the path. Called in a thread of control's, several at once. */
typedef int control_order_fn(void *ctx, const char *verb, const char *node, struct buf *ret_text,
			     struct err *e);

/* Whether it is the user who orders; ERR_BAD_LOGIN and others of agent/orderer.h. Called in a thread of control's. */
struct orderer_claim;
typedef int control_prove_fn(void *ctx, const struct orderer_claim *c, struct err *e);

struct control_options {
	const struct home *home; /* must outlive it, as settings */
	const struct settings *settings;
	int keys_fd; /* a connection to keyd, taken over; blocking use, by one command at a time */
	control_order_fn *order;
	control_prove_fn *prove; /* NULL: nobody orders from the console */
	void *ctx;
	int turn_ms; /* 0: CONTROL_TURN_MS */
};

int control_new(const struct control_options *o, struct control **ret,
		struct err *e) NONNULL MUST_USE;
/* A new connection after keyd was started again. Thread-safe. */
void control_attach(struct control *c, int keys_fd) NONNULL;
/* true once after the connection was found to be broken: another one is needed. Thread-safe. */
bool control_lost_keys(struct control *c) NONNULL;
/* Stops taking commands; those in flight are left to end with the process. Takes NULL. */
void control_free(struct control *c);

/* The client's side: sends one request line, calls progress for each such answer; the last answer's
 * path is appended. */
typedef ask_progress_fn control_progress_fn;
int control_ask(const struct home *h, const char *request, control_progress_fn *progress, void *ctx,
		struct buf *ret_path, struct err *e) MUST_USE;
