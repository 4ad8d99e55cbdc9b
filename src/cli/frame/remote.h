/* SPDX-License-Identifier: Apache-2.0
 *
 * How client verbs reach the pair. A session file (0600) keeps the token, what the user trusts, and
 * every node with the certificate that the vault says it shows; the token goes to no other address.
 * When a reply says that the nodes have changed, they are fetched again. A read goes to whichever
 * node serves: if one refuses, is silent or only stands by, the next is asked at once and that one
 * again later, until one answers or patience runs out. A write is repeated only if it was certainly
 * not done.
 */
#pragma once

#include <jansson.h>
#include "base/buf.h"
#include "base/err.h"
#include "http/client.h"

struct remote;

enum remote_kind {
	REMOTE_READ, /* may be asked twice (a retrieval may then be logged twice) */
	REMOTE_WRITE,
	REMOTE_REPEAT, /* a write that may be asked twice: it has an id and is done once */
};

/* The session file: $HOLDFAST_SESSION, or holdfast/session.json in $XDG_CONFIG_HOME or ~/.config.
 */
int remote_session_path(struct buf *ret, struct err *e) NONNULL MUST_USE;
/* Whether it can be written: checked before a session begins that nobody could use. Creates nothing. */
int remote_session_check(struct err *e) NONNULL MUST_USE;

/* Opens the session. ERR_UNAUTHENTICATED with "holdfast login" when there is none. */
int remote_open(struct remote **ret, struct err *e) NONNULL MUST_USE;
/* A remote for the first login: one node, trusted by pem; no token yet. url "https://host:port". An authority is trusted for all nodes, a pin for
 * this one. */
enum remote_trust { REMOTE_PIN, REMOTE_AUTHORITY };
struct remote *remote_new(const char *url, enum remote_trust kind,
			  const char *trust_pem) NONNULL MUST_USE;
void remote_free(struct remote *r); /* takes NULL; wipes */

/* Takes token, user and nodes from the reply of a login and writes the session file. */
int remote_adopt(struct remote *r, json_t *login_reply, struct err *e) NONNULL MUST_USE;
int remote_forget(struct err *e) NONNULL MUST_USE; /* removes the session file */
const char *remote_user(const struct remote *r) NONNULL;

/* One call; body NULL or JSON text. 2xx: 0 and the parsed body in *ret (json_decref; NULL for an
 * empty body). Otherwise the error the node gave, ERR_UNTRUSTED, or ERR_UNREACHABLE. Says what it
 * waits for (cli/frame/waiting.h). */
int remote_call(struct remote *r, enum remote_kind kind, const char *method, const char *path,
		const char *body, json_t **ret, struct err *e) MUST_USE;

/* REMOTE_REPEAT with a file of n bytes as body. */
int remote_send(struct remote *r, const char *method, const char *path, const char *body, size_t n,
		json_t **ret, struct err *e) MUST_USE;
/* Whether the last call may have been done although it failed. */
bool remote_maybe_done(const struct remote *r) NONNULL;
/* A call from another thread ends soon after *stop is true; NULL: no longer. */
void remote_stop_on(struct remote *r, const atomic_bool *stop);

/* JSON text of o, appended; flags are jansson's. The buffer is wiped, unlike jansson's own. */
int remote_json_text(const json_t *o, size_t flags, struct buf *ret) NONNULL;

/* Of the last reply: "primary" or "emergency" …, and as of when. Borrowed until the next call. */
const char *remote_mode(const struct remote *r) NONNULL;
const char *remote_as_of(const struct remote *r) NONNULL;
const char *remote_durability(const struct remote *r) NONNULL;

DEFINE_GUARD(remote_guard, struct remote, remote_free)
#define auto_remote FREE_WITH(remote_guard) struct remote *
static inline void
remote_json_guard(json_t **p)
{
	json_decref(*p);
}
#define auto_json FREE_WITH(remote_json_guard) json_t *
