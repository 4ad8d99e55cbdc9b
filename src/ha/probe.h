/* SPDX-License-Identifier: Apache-2.0
 *
 * Polls another node's /v1/sys/health from two threads: a call that hangs only makes the answer
 * old. One thread asks over a connection that it keeps; the other stands by, reconnects now and
 * then (a new certificate shows only in a handshake), and helps when there is no connection: on a
 * slow and lossy line a handshake may be lost. Pure functions, tested without a network, reduce
 * what was heard to facts.
 *
 * A certificate that has merely expired will do: the question is no secret, and a primary that
 * serves is not lost (H4); the status says that it has expired. From an answer under an untrusted
 * certificate only the epoch is taken: its proof says what it is worth (H10).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/certlife.h"
#include "base/epoch.h"
#include "base/err.h"
#include "base/uuid.h"

#define PROBE_BODY_MAX 16384
#define PROBE_MEMBERS_MAX 16

/* How one attempt ended. */
enum probe_outcome {
	PROBE_NONE,	 /* nothing heard yet */
	PROBE_OK,	 /* 200 */
	PROBE_STANDBY,	 /* 429: it stands by and does not serve */
	PROBE_CANNOT,	 /* it answers, but cannot serve: 503 or anything else */
	PROBE_REFUSED,	 /* nothing listens there */
	PROBE_UNTRUSTED, /* its certificate is not trusted here */
	PROBE_SILENT,	 /* no answer in time */
	PROBE_BAD_NAME,	 /* its name does not resolve */
};

/* What the body of a health answer said. */
struct probe_reply {
	char node[256], node_id[40];
	char mode[16];	  /* "primary", "emergency", "standby" … */
	char state[16];	  /* text of enum ha_state */
	char why[256];	  /* why it cannot serve */
	char version[32]; /* of its program, "" not said */
	int64_t schema,
		schema_known; /* of its database, and the newest its program knows; 0 not said */
	bool synced;	      /* primary: commits are on both disks */
	bool ordered;	      /* secondary: an operator ordered emergency access */
	int64_t time_us;      /* its clock, 0: not said */
	int64_t term;
	struct epoch_claim epoch; /* the latest that it knows; none: an older program */
	struct epoch_claim told;  /* another one, which somebody told it over HTTPS lately */
	int64_t journal_rows;
	int64_t as_of_us, as_of_term; /* secondary: as its data say; 0: they do not */
	bool data_damaged, journal_unreadable;
	struct certlife channel; /* its channel's certificate */
	int64_t pair_port;	 /* of its channel, 0 not said */
	char duplicate[40];	 /* a node of which it hears two programs, "" none */
	unsigned members_n;	 /* the nodes of the pair as it knows them, 0 not said */
	char members[PROBE_MEMBERS_MAX][40];
	char run[20]; /* of its program: another one has another, "" not said */
};

/* Parses a health body. Missing fields stay zero; a malformed or overlong one is an
 * error. */
int probe_parse(const char *text, size_t n, struct probe_reply *ret,
		struct err *e) NONNULL MUST_USE;

/* Only the epoch that a health body names, with its proof; none if it names none or is no such body. */
void probe_parse_claim(const char *text, size_t n, struct epoch_claim *ret) NONNULL;

/* Facts over time. Zero-initialise. All times are monotonic, 0: not. */
struct probe_sense {
	enum probe_outcome last;
	bool ok; /* the last attempt was served by a primary */
	int64_t ok_since_ms, bad_since_ms, answer_ms;
	int64_t answered_ms;   /* when the newest attempt that was answered began */
	int64_t unanswered_ms; /* when the first attempt since the last answer began */
	bool kept;	       /* and it went over a connection that had answered before */
};

/* An attempt begins, over a kept connection or over a new one. */
void probe_ask(struct probe_sense *s, bool kept, int64_t now_ms) NONNULL;
/* Records how the attempt begun at asked_ms ended. serves: PROBE_OK and its mode is "primary".
 * false: it is older than the newest answer and is ignored, as one of two threads may come late. */
bool probe_note(struct probe_sense *s, enum probe_outcome outcome, bool serves, int64_t asked_ms,
		int64_t now_ms) NONNULL;
/* Restarts all waiting: this node itself was away for a while. */
void probe_begin_anew(struct probe_sense *s, int64_t now_ms) NONNULL;
int64_t probe_ok_for(const struct probe_sense *s, int64_t now_ms) NONNULL;
int64_t probe_bad_for(const struct probe_sense *s, int64_t now_ms) NONNULL;
/* Whether the node is silent: no answer on a kept connection for detect_ms or, without one, on two
 * attempts to connect, begun at most 0.5 s apart, within the larger of detect_ms and 3 s. */
bool probe_is_silent(const struct probe_sense *s, int64_t detect_ms, int64_t now_ms) NONNULL;
/* How long one attempt may take. helps: the second thread's; silent: the node is silent already,
 * and on a short line its return should be noticed soon. */
int64_t probe_patience(int64_t detect_ms, bool kept, bool helps, bool silent);
/* When to ask next after an attempt that began at began_ms, as a distance from it. */
int64_t probe_pause(const struct probe_sense *s, int64_t probe_ms, int64_t refused_ms) NONNULL;

/* Everything known of one node, as a copy. */
struct probe_view {
	struct probe_sense sense;
	struct probe_reply reply; /* of the last answer that had one */
	int64_t reply_ms;	  /* monotonic time of it, 0 none */
	struct epoch_claim claim; /* the last that anybody named: its proof must be checked */
	int64_t skew_us;	  /* its clock minus ours, at that time */
	int64_t round_trip_us;
	char failure[256];	  /* text of the last failure, "" after an answer */
	struct certlife shown;	  /* of the certificate that it showed last; 0: none yet */
	enum probe_outcome fresh; /* how the last attempt to make a new connection ended */
};

struct probe;

struct probe_target {
	char url[320]; /* "https://name:port" */
	char name[256];
	int port;
	char *trust; /* PEM text; owned by the caller, copied */
	uint64_t
		mark; /* of the certificate that is expected: another one asks for a new handshake */
	int64_t probe_ms, refused_ms, detect_ms;
};

/* Starts the threads. */
struct probe *probe_new(const struct probe_target *t) NONNULL MUST_USE;
/* Sets new address, trust or times; cheap if nothing differs. */
void probe_aim(struct probe *p, const struct probe_target *t) NONNULL;
void probe_look(struct probe *p, struct probe_view *ret) NONNULL;
/* The agent's own loop had stopped for a while: see probe_begin_anew. */
void probe_was_away(struct probe *p) NONNULL;
/* Stops without waiting: the threads, which may be in an attempt, end and free it by themselves. */
void probe_let_go(struct probe *p) NONNULL;
