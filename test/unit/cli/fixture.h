/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests of the client verbs: nodes that answer what the test says, and a session file.
 */
#pragma once

#include "../http/fixture.h"

#define FAKE_ANSWERS 24

/* What is answered to a path (with its query); the last row is for everything else. */
struct fake_answer {
	const char *path; /* NULL: any */
	int status;
	const char *body, *mode, *location;
	const char *emergency_s; /* for how long it has been in emergency; NULL: not said */
	const char *nodes;	 /* mark of the nodes; NULL: not said */
};

struct fake {
	struct pair pair;
	struct server *server;
	unsigned port;
	struct fake_answer answers[FAKE_ANSWERS];
	_Atomic unsigned asked;
	char bearer[128], path[1024], body[1024]; /* of the last request */
};

/* status and body are what any path is answered. */
void fake_start(struct fake *f, int status, const char *body);
/* The same with a certificate, which it takes over, and 200. */
void fake_start_as(struct fake *f, struct pair *shown, const char *body);
void fake_stop_server(struct fake *f); /* its port refuses connections then */
void fake_stop(struct fake *f);

/* A port on which a connection is taken and ended without a word: at once, or with a certificate
 * when a request has come. */
struct mute;
struct mute *mute_start(const struct pair *p, unsigned *ret_port);
unsigned mute_stop(struct mute *m); /* how many came */

/* Writes a session file for these nodes and points $HOLDFAST_SESSION at it. cert NULL: that of
 * fakes[i]. */
struct session_node {
	unsigned port;
	const char *cert;
};
void session_write(const struct session_node *nodes, size_t n);
const char *session_path(void);
void session_remove(void);
