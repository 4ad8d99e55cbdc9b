/* SPDX-License-Identifier: Apache-2.0
 *
 * The local PostgreSQL as the agent sees it: one thread looks (every 200 ms, blocking, a connection
 * of its own), another sets synchronous_standby_names. A hung server only makes the view old. The
 * arithmetic of "in step" is pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/epoch.h"
#include "base/err.h"
#include "base/home.h"
#include "base/uuid.h"
#include "ha/maintenance.h"
#include "ha/succession.h"

#define REPLICATION_TOLD_MAX 32 /* two of each node */
#define REPLICATION_NODES_MAX 9 /* the primary and eight secondaries */
#define REPLICATION_NAME_MAX 256
#define REPLICATION_SLOT_MAX 64
#define REPLICATION_CERT_MAX 4096 /* a self-signed certificate is below 1 KiB */
#define REPLICATION_POLL_MS 200
#define REPLICATION_NAMES_MAX 1024
#define REPLICATION_CONNINFO_MAX 3072

/* "hf_" and the 32 hexadecimal digits of the node's id: its slot, and the name under which it
 * streams. */
void replication_slot_name(const struct uuid *node, char ret[static REPLICATION_SLOT_MAX]) NONNULL;

/* ---- in step (H2) ---- */

#define REPLICATION_SAMPLES 128

/* Where the log ended at which moment, for what no standby has on disk yet. */
struct replication_step {
	struct {
		int64_t at_ms, lsn;
	} sample[REPLICATION_SAMPLES]; /* a ring, oldest first */
	unsigned first, n;
	int64_t lsn, flushed;
	int64_t in_step_ms; /* last moment when a streaming standby had everything */
	bool streams;
	bool reached; /* since it streams it has reached what was in the log before */
};

void replication_step_init(struct replication_step *s, int64_t now_ms) NONNULL;
/* One look: own flushed LSN, and the furthest flushed LSN of a streaming standby, or -1 when none
 * streams. */
void replication_step_note(struct replication_step *s, int64_t now_ms, int64_t lsn,
			   int64_t flushed) NONNULL;
/* How long the log has been waiting for a second disk; 0: in step. A frozen standby shows as soon
 * as a commit waits for it. */
int64_t replication_step_late(const struct replication_step *s, int64_t now_ms) NONNULL;

/* Whether a streaming standby is in step: it has caught up, and nothing has been waiting for it for timeout_ms. */
bool replication_step_in(const struct replication_step *s, int64_t now_ms,
			 int64_t timeout_ms) NONNULL;

/* ---- what the looking thread has seen ---- */

struct replication_node {
	struct uuid id;
	char name[REPLICATION_NAME_MAX], slot[REPLICATION_SLOT_MAX];
	int https_port, pair_port;
	int64_t primary_since_term; /* 0: a secondary */
	char web_cert[REPLICATION_CERT_MAX];
	/* Fingerprints of authorities, as it made them known: ha/succession.h. */
	char trusts[SUCCESSION_PINS_MAX], channel_by[X509_PIN_LEN], web_by[X509_PIN_LEN];
};

struct replication_standby {
	char name[REPLICATION_SLOT_MAX], state[16], sync_state[16];
	int64_t flush_lsn, replay_lsn, replied_us;
	int pid;	  /* of the process that streams to it: another one is another stream */
	int64_t since_ms; /* first seen at that time … */
	int64_t from_lsn; /* … with so much in the log */
	int64_t late_ms;  /* for how long it has not had on its disk what was here before */
	/* its part of that */
	int64_t aim_lsn, aim_ms;
};

/* A stream whose other end has the same content as this log (ha/history.h). */
struct replication_proof {
	char name[REPLICATION_SLOT_MAX];
	int pid;
};

struct replication_slot {
	char name[REPLICATION_SLOT_MAX], status[16];
	bool active;
	int64_t retained;
};

/* What the log says of users that is worth an alert. */
enum replication_news_kind {
	REPLICATION_LET_IN,  /* an administrator reset the password or removed the factor */
	REPLICATION_UNUSUAL, /* somebody retrieved unusually much */
	REPLICATION_NEWS_KINDS
};
#define REPLICATION_NEWS_MAX 16

/* The last event of it of each chain, by an id that is made from its place in the log. */
struct replication_news {
	unsigned n;
	struct {
		struct uuid id;
		int64_t at_us;
	} of[REPLICATION_NEWS_MAX];
};

struct replication_view {
	int64_t at_ms;	   /* monotonic time of the last complete look, 0 none */
	char failure[256]; /* why the last look failed; "" if it did not */
	bool standby;
	int64_t lsn; /* primary: flushed; standby: replayed */
	int64_t term;
	uint64_t
		incarnation; /* of the program that began the term, 0: it drew none (base/epoch.h) */
	int schema;	     /* of the database (store/migrate.h) */
	unsigned told_n;     /* epochs that other nodes claimed over the channel, not checked */
	char without_effect[256]; /* of the log: what was merged and changed nothing, "" nothing */
	struct epoch_claim told[REPLICATION_TOLD_MAX];
	int64_t beat_us,
		beat_term; /* the last beat in the database, 0 none: as of then it has everything */
	char sync_names[REPLICATION_NAMES_MAX];
	struct uuid order_node; /* for whom the last hand-over was, nil none */
	int64_t order_term;
	char conninfo[REPLICATION_CONNINFO_MAX]; /* standby: whom it follows */
	int64_t keep_bytes;			 /* max_slot_wal_keep_size, -1 unlimited */
	int64_t requests, deposits;		 /* waiting in ha_request, ha_inbox */
	struct maintenance maintenance;		 /* what the log says of it */
	struct uuid
		recovered; /* the last recovery of an administrator that nobody has acknowledged, nil none */
	int64_t recovered_us;
	char recovered_name[REPLICATION_NAME_MAX];
	struct replication_news news[REPLICATION_NEWS_KINDS];
	int64_t damaged_pages; /* how often reading found a damaged page of the database */
	unsigned nodes_n, standbys_n, slots_n;
	struct uuid duplicate; /* a node of which two programs ask this one at once; nil: none */
	struct succession_log authorities; /* of the vault */
	struct replication_node nodes[REPLICATION_NODES_MAX];
	struct replication_standby standbys[REPLICATION_NODES_MAX];
	struct replication_slot slots[REPLICATION_NODES_MAX];
	/* primary */
	struct replication_step step;
	int64_t quorum_since_ms; /* since when the synchronous commit is seen in force with a
				    proven standby that streams, and none that is not proven; 0 not */
	unsigned proofs_n;
	struct replication_proof proofs[REPLICATION_NODES_MAX];
	/* standby */
	bool streams;	      /* the WAL receiver streams at this moment */
	bool receiving;	      /* and has for a second: one that cannot follow keeps retrying */
	int64_t received_lsn; /* on disk here */
	int64_t sent_lsn;     /* the primary's, as far as it said */
	int64_t heard_us;     /* last message of the primary */
	bool caught_up;	      /* replay has reached what the last look saw received */
	int64_t own_seq;      /* newest event of this node in the (replicated) log */
	int64_t aside_seq;    /* first own deposit that the primary set aside, 0 none */
	uint8_t aside_hash[32];
	char aside_why[256];
};

struct replication;

/* Starts both threads. conninfo: of the superuser on the unix socket; copied. */
struct replication *replication_new(const struct home *h, const char *conninfo,
				    const struct uuid *self) NONNULL MUST_USE;
/* Since when (monotonic) the server has answered every new connection with an error, though it neither starts nor stops nor is full; 0: it lets
 * in. What it says goes to ret_why. */
int64_t replication_shut_since(struct replication *r, char *ret_why, size_t room) NONNULL;
void replication_look(struct replication *r, struct replication_view *ret) NONNULL;
/* Asks for synchronous_standby_names to be this; "" clears. Returns at once; applied and kept until
 * the next call. */
void replication_want(struct replication *r, const char *sync_names) NONNULL;
/* Primary: the streams that count as a second disk. */
void replication_prove(struct replication *r, const struct replication_proof *p,
		       unsigned n) NONNULL;
/* Asks for a standby to follow this primary (a libpq conninfo), or nobody; "" asks for nothing. Applied if it differs. */
#define REPLICATION_NOBODY "-"
void replication_follow(struct replication *r, const char *conninfo) NONNULL;
/* The fate of a request that was withdrawn. */
enum replication_fate {
	REPLICATION_BACK,    /* not taken, and will not be */
	REPLICATION_TAKEN,   /* the writer has it in the log, or in progress */
	REPLICATION_UNKNOWN, /* the database does not say */
};
/* Withdraws a request. Blocks, wait_ms at most. */
enum replication_fate replication_withdraw(struct replication *r, int kind,
					   const struct uuid *object, int wait_ms) NONNULL;
/* Asks the writer for an event through a row in ha_request (query/ha.sql). false: the last one is
 * still pending. */
bool replication_request(struct replication *r, int kind, const struct uuid *object,
			 const char *body) NONNULL;
/* The names to set for these secondaries: ANY 1 ("hf_…", …). While one is proven the others are
 * left out: what they acknowledge on their return counts for nothing until they are compared. */
void replication_names(const struct replication_view *v, const struct uuid *self,
		       char ret[static REPLICATION_NAMES_MAX]) NONNULL;
void replication_free(struct replication *r);
