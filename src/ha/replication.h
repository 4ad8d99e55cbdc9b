/* SPDX-License-Identifier: Apache-2.0
 *
 * The local PostgreSQL as the agent sees it: one thread looks (every 200 ms, blocking, a connection
 * of its own), another sets synchronous_standby_names. A hung server makes the view old, nothing
 * else. The arithmetic of "in step" is pure.
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

#define REPLICATION_TOLD_MAX 8
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

/* How far the log had come at which moment, of what no standby has on disk yet. */
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
/* For how long what is in the log has been waiting to be on a second disk; 0: in step. A frozen
 * standby shows as soon as a commit waits for it. */
int64_t replication_step_late(const struct replication_step *s, int64_t now_ms) NONNULL;

/* Whether a streaming standby is in step: it has caught up, and nothing has been waiting for it for timeout_ms. */
bool replication_step_in(const struct replication_step *s, int64_t now_ms,
			 int64_t timeout_ms) NONNULL;

/* ---- what the looking thread saw ---- */

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
	int64_t since_ms; /* seen first at that time … */
	int64_t from_lsn; /* … with so much in the log */
	int64_t late_ms;  /* for how long it has not had on its disk what was here before */
	/* its part of that */
	int64_t aim_lsn, aim_ms;
};

/* A stream whose other end has, by content, what this log has (ha/history.h). */
struct replication_proof {
	char name[REPLICATION_SLOT_MAX];
	int pid;
};

struct replication_slot {
	char name[REPLICATION_SLOT_MAX], status[16];
	bool active;
	int64_t retained;
};

struct replication_view {
	int64_t at_ms;	   /* monotonic time of the last whole look, 0 none */
	char failure[256]; /* why the last look failed, "" it did not */
	bool standby;
	int64_t lsn; /* primary: flushed; standby: replayed */
	int64_t term;
	int schema;	 /* of the database (store/migrate.h) */
	unsigned told_n; /* what other nodes said of epochs over the channel, not checked */
	struct epoch_claim told[REPLICATION_TOLD_MAX];
	int64_t beat_us,
		beat_term; /* the last beat that the database has, 0 none: as of then it has everything */
	char sync_names[REPLICATION_NAMES_MAX];
	struct uuid order_node; /* whom the last hand-over was for, nil none */
	int64_t order_term;
	char conninfo[REPLICATION_CONNINFO_MAX]; /* standby: whom it follows */
	int64_t keep_bytes;			 /* max_slot_wal_keep_size, -1 unlimited */
	int64_t requests, deposits;		 /* waiting in ha_request, ha_inbox */
	struct maintenance maintenance;		 /* what the log says of it */
	struct uuid
		recovered; /* the last recovery of an administrator that nobody has acknowledged, nil none */
	int64_t recovered_us;
	char recovered_name[REPLICATION_NAME_MAX];
	int64_t damaged_pages; /* how often a page of the database was found damaged when it was read */
	unsigned nodes_n, standbys_n, slots_n;
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
	bool streams;	/* the WAL receiver streams at this moment */
	bool receiving; /* and has for a second: one that cannot follow tries anew all the time */
	int64_t received_lsn; /* on disk here */
	int64_t sent_lsn;     /* the primary's, as far as it told */
	int64_t heard_us;     /* last message of the primary */
	bool caught_up;	      /* replay has reached what was received a look ago */
	int64_t own_seq;      /* newest event of this node in the (replicated) log */
	int64_t aside_seq;    /* first own deposit that the primary set aside, 0 none */
	uint8_t aside_hash[32];
	char aside_why[256];
};

struct replication;

/* Starts both threads. conninfo: of the superuser on the unix socket; copied. */
struct replication *replication_new(const struct home *h, const char *conninfo,
				    const struct uuid *self) NONNULL MUST_USE;
void replication_look(struct replication *r, struct replication_view *ret) NONNULL;
/* Wishes synchronous_standby_names to be this; "" clears. Returns at once; carried out and held
 * until another wish. */
void replication_want(struct replication *r, const char *sync_names) NONNULL;
/* Primary: the streams that count as a second disk. */
void replication_prove(struct replication *r, const struct replication_proof *p,
		       unsigned n) NONNULL;
/* Wishes a standby to follow this primary (a libpq conninfo), or nobody; "" wishes nothing. Carried out when it differs. */
#define REPLICATION_NOBODY "-"
void replication_follow(struct replication *r, const char *conninfo) NONNULL;
/* What became of a request that is to be taken back. */
enum replication_fate {
	REPLICATION_BACK,    /* it was not taken, and will not be */
	REPLICATION_TAKEN,   /* the writer has it in the log, or in its hands */
	REPLICATION_UNKNOWN, /* the database does not say */
};
/* Takes back what was asked for. Blocks, wait_ms at most. */
enum replication_fate replication_withdraw(struct replication *r, int kind,
					   const struct uuid *object, int wait_ms) NONNULL;
/* Asks the writer for an event by a row in ha_request (query/ha.sql). false: the last one is still on its way. */
bool replication_request(struct replication *r, int kind, const struct uuid *object,
			 const char *body) NONNULL;
/* What the wish should be for these secondaries: ANY 1 ("hf_…", …). While one is proven the others are left out: what they acknowledge
 * when they come back counts for nothing before they are compared. */
void replication_names(const struct replication_view *v, const struct uuid *self,
		       char ret[static REPLICATION_NAMES_MAX]) NONNULL;
void replication_free(struct replication *r);
