/* SPDX-License-Identifier: Apache-2.0
 *
 * Delivers alerts. The agent's loop reports how things stand and never waits: one thread compares
 * that with what was last reported (the outbox remembers) and puts news into the outbox; one thread
 * per receiver delivers from there, in order, retrying with growing pauses until the receiver
 * accepts. After a kill, delivery resumes where it stopped.
 */
#pragma once

#include "alert/alert.h"
#include "base/home.h"
#include "base/settings.h"

struct alerter;

/* How one thing is now. */
struct alerter_note {
	char key[48];	    /* what: "emergency", a node's id */
	bool bad;	    /* a thing never heard of before counts as well: no alert if it is */
	struct alert alert; /* said when this is news; id is filled in */
};

struct alerter_view {
	int64_t waiting;   /* alerts that a receiver has not accepted; -1: no receivers */
	char failure[200]; /* of receivers whose last attempt failed; "" none */
};

/* source: this node's name. The threads run until the process ends. */
struct alerter *alerter_new(const struct home *h, const char *source,
			    const struct settings *s) NONNULL MUST_USE;
/* Applies new settings at once, and retries at once what waits. */
void alerter_configure(struct alerter *al, const struct settings *s) NONNULL;
void alerter_note(struct alerter *al, const struct alerter_note *n) NONNULL;
void alerter_look(struct alerter *al, struct alerter_view *ret) NONNULL;

/* Sends a test alert to each receiver, bypassing the outbox, and writes each answer as JSON. Blocks. */
int alerter_test(struct alerter *al, struct buf *ret_json, struct err *e) NONNULL MUST_USE;
