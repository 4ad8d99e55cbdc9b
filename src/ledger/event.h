/* SPDX-License-Identifier: Apache-2.0
 *
 * Events: what the log is made of. One list of kinds (ledger/event.def) gives the enum, the names,
 * the apply statement and the docs. Canonical bytes (what the chain covers and the journal holds),
 * big-endian: u8 version (1) ‖ node (16) ‖ be64 seq ‖ be64 at_us ‖ be16 kind ‖ actor (16) ‖ object
 * (16) ‖ be16 length, address ‖ be32 length, body.
 *   hash(seq) = BLAKE2b-keyed(audit key, hash(seq-1) ‖ canonical bytes); hash(0) is 32 zero bytes.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"

#define EVENT_ADDRESS_MAX 64
#define EVENT_BODY_MAX (200u << 10)

/* KIND(NAME, name, number, apply statement or NONE, "what it says to an auditor") */
enum event_kind {
#define KIND(NAME, name, number, apply, text) EVENT_##NAME = number,
#include "ledger/event.def"
#undef KIND
};

struct event {
	struct uuid node;
	int64_t seq; /* 1…; given by the log */
	int64_t at_us;
	enum event_kind kind;
	struct uuid actor;   /* user, nil: the node itself or nobody known */
	struct uuid object;  /* what it is about (user, resource, account …), nil: nothing */
	const char *address; /* the client's, "" when none; borrowed */
	const char
		*body; /* a JSON object with what apply needs and what an auditor wants; borrowed */
};

const char *event_name(int kind); /* "retrieved"; NULL when unknown */
const char *event_text(int kind);
int event_by_name(const char *name); /* 0 when unknown */
int event_apply_stmt(int kind);	     /* enum stmt, or -1 */
/* All kinds in the order of the list, for docs and tests: the i-th kind, 0 past the last. */
int event_kind_at(size_t i);

void event_encode(const struct event *ev, struct buf *out) NONNULL;
/* Parses untrusted canonical bytes; every bound is checked. Copies texts to `texts` (a buf that the
 * caller keeps unchanged as long as ret is used: reserve n + 2 bytes for each event before the
 * first of several). */
int event_decode(const void *p, size_t n, struct event *ret, struct buf *texts,
		 struct err *e) MUST_USE;
