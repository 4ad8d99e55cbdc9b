/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's side of the agent's socket (agent/control.h says what is asked there). Lines of JSON;
 * what passes may be secret, and is wiped.
 */
#pragma once

#include <sys/un.h>
#include "base/buf.h"
#include "base/home.h"

#define ASK_LINE_MAX 32768

/* Where the agent listens. ERR_PRECONDITION: the path is too long. */
int ask_address(const struct home *h, struct sockaddr_un *ret, struct err *e) NONNULL MUST_USE;

/* A line of at most ASK_LINE_MAX bytes, without its end; wait_ms: for each byte, < 0 for ever. < 0: none
 * came, or the other side closed. */
int ask_read_line(int fd, int wait_ms, struct buf *ret) NONNULL MUST_USE;
/* Ends the line. Who does not listen any more is not told. */
void ask_send_line(int fd, struct buf *line) NONNULL;

typedef void ask_progress_fn(void *ctx, const char *text, int percent);

struct ask {
	const struct home *home;
	const char *request;	   /* one line */
	bool inside;		   /* a process of the node itself asks: then the node runs */
	int comes_ms;		   /* so long an agent that is not there may take to come */
	int answers_ms;		   /* and so long each line of its answer; < 0: for ever */
	ask_progress_fn *progress; /* or NULL */
	void *ctx;
};

/* The last answer's path is appended. ERR_UNREACHABLE: the agent is not there, or ended, or did not
 * answer; else what it says. */
int ask_agent(const struct ask *a, struct buf *ret_path, struct err *e) NONNULL MUST_USE;
