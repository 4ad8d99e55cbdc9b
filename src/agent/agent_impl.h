/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the agent's own files only (agent.c says what the agent does). Everything runs in the
 * loop under the agent's lock, except agent_order, which takes it. No function waits for another
 * node or a database; of the disk they touch only small files of the home.
 */
#pragma once

#include <pthread.h>
#include <uv.h>
#include "agent/control.h"
#include "agent/orderer.h"
#include "agent/role.h"
#include "alert/alerter.h"
#include "base/statepage.h"
#include "base/url.h"
#include "base/proc.h"
#include "ha/deposit.h"
#include "ha/epochs.h"
#include "ha/fsm.h"
#include "ha/herald.h"
#include "ha/history_loss.h"
#include "ha/history_watch.h"
#include "ha/notary.h"
#include "ha/orders.h"
#include "ha/ports.h"
#include "ha/probe.h"
#include "ha/replication.h"
#include "ha/steadiness.h"
#include "ha/chain_memory.h"
#include "ha/succession.h"
#include "pack/authority.h"

#define AGENT_SETTLE_MS 1000 /* the primary must be well for so long before emergency ends */
#define AGENT_CHANNEL_MS                                                                           \
	10000 /* and for so long when the stream does not come in: the channel alone may be cut */
#define AGENT_VIEW_MS 2500 /* a look at the local database older than this is no look */

/* What an operator ordered (agent/control). */
enum order { ORDER_NONE, ORDER_PROMOTE, ORDER_HANDOVER, ORDER_CLONE, ORDER_IN_PLACE };

/* Another node, or this one (its own service is asked like any other). */
struct peer {
	struct uuid id;
	bool known; /* named by the node table at the last look */
	struct probe *probe;
	char *pinned
		[2]; /* its certificate by the log, and the one before: a renewal is no stranger */
	uint64_t seen_cert; /* mark of the certificate the log named at the last look */
	struct probe_view v;
};

/* What was last said of one thing to those who get alerts. */
struct agent_told {
	bool known, bad;
	bool candidate; /* how it is now, since since_ms */
	int64_t since_ms;
};

/* What was last said of one node, and of each of its certificates. */
struct agent_level {
	struct uuid id;
	struct agent_told node, certs[CERTLIFE_KINDS];
};

struct status_view;

struct agent {
	const struct proc_args *args;
	struct settings settings;
	struct home_node self;
	bool secondary;
	uv_loop_t loop;
	uv_timer_t timer;
	uv_poll_t link;
	uv_signal_t term, hup;

	struct statepage *statepage;
	struct statepage_view shown; /* what the page says */
	int64_t state_ms;	     /* since when it is in this state */
	int64_t shown_ms, trust_ms, announce_ms, ports_ms, packs_ms, certs_ms;
	int64_t renewed_ms[CERTLIFE_KINDS];   /* when a renewal was begun */
	int64_t cert_said_us[CERTLIFE_KINDS]; /* when the log was told of a certificate's end */

	struct replication *replication;
	struct deposit *deposit; /* secondary only */
	struct chain_memory *chain_memory;
	struct history_watch *history;
	struct notary *notary;
	struct herald *herald;
	struct control *control;
	struct orderer *orderer;
	struct peer peers[REPLICATION_NODES_MAX];
	int64_t aimed_view_ms; /* at_ms of the view that the probes were last aimed by */
	char *trusted;	       /* what cert import brought, PEM */
	bool trusted_bad;      /* some of it cannot be used */
	char *published;       /* PEM: what vaultd is to trust the primary by, as it was written */
	bool publish_failed;
	struct ports moved;		     /* to be made known, 0: nothing to do */
	char own_cert[REPLICATION_CERT_MAX]; /* to be made known, "": nothing to do */
	struct authority_shown own;	     /* what the files here trust and show */
	struct authority_followed
		followed; /* what PostgreSQL has read of it; "" not yet since this start */
	struct succession succession;
	bool following;	    /* a thread is at it */
	bool follow_failed; /* the last time; it was logged */
	int64_t follow_ms;  /* when that began */

	pthread_mutex_t
		lock; /* the loop holds it while it works; control's threads while they ask */
	enum order order;
	int64_t order_ms;	/* ORDER_HANDOVER: when it was given */
	struct uuid order_node; /* ORDER_HANDOVER: to whom */
	bool emergency_ordered; /* as HOME_EMERGENCY says; stays until it is taken back */
	bool removed;		/* taken out of the pair, as HOME_REMOVED says */
	int64_t out_since_ms;	/* since when that is said without a break, 0: it is not */
	struct role *role;
	struct epochs epochs; /* as data/epoch has it */
	struct epochs on_disk;
	bool epoch_failed; /* this node was to be promoted, and what it is to begin could not be written */
	int64_t epochs_tried_ms; /* when it was last written in vain, 0: it was not */
	int64_t jump_told;	 /* the counter that was reported last and not believed */
	uint64_t incarnation;	 /* of the epochs that this run of the program begins */
	bool epochs_asked;	 /* something that was heard of epochs is being checked */
	bool holding;		 /* nothing is said yet: the others were not heard */
	int64_t began_ms, task_ms, streamed_ms, handing_seen_ms;
	int64_t claimed_ms; /* when the log was asked to name this node the primary: what was seen before
				knows nothing of it */
	int64_t away_ms; /* until then this process stood still, 0 it never did */
	const char *why; /* of the last change of state */
	struct steadiness steadiness;
	/* primary */
	bool starting; /* this is the first step of a node that was started anew */
	bool end_known; /* another node was asked since the start, and has no more of this node's log */
	bool confirmed;	  /* another node was asked since, and has no more of this node's log */
	int64_t mark_seq; /* what this node itself remembers beyond its log, 0 nothing */
	struct history_loss loss; /* what it does not serve for, as last found out */
	struct history_loss loss_on_disk;
	int64_t loss_tried_ms; /* when it was last written in vain, 0: it was not */
	int64_t reconciled_ms; /* an operator gave up what was said to be missing until then */
	unsigned proofs_n;
	struct replication_proof proofs[REPLICATION_NODES_MAX];
	/* secondary: when the database was last told to follow, and nobody any more */
	int64_t opened_ms, closed_ms;
	int64_t replayed_lsn, replayed_ms; /* how far replay was when it was last seen to move */
	char run[20];	   /* of this program, as its health says it; "" not known */
	bool duplicate;	   /* a second program of this node is heard */
	bool named;	   /* an operator has named this one */
	bool rejoin_waits; /* as this tick found it: behind what the role's thread says in wv */
	int64_t reopened_ms; /* when the database was last restarted because it let nobody in, 0: never */
	bool stop_asked;     /* the supervisor was asked to stop PostgreSQL */
	int64_t rejoined_ms; /* what was asked for was over then; 0: not yet */

	struct alerter *alerter;
	struct maintenance maintenance; /* what was said to this node alone */
	struct uuid recovered_told;
	struct uuid news_told[REPLICATION_NEWS_KINDS][REPLICATION_NEWS_MAX];
	struct agent_told emergency_told;
	struct agent_level levels[REPLICATION_NODES_MAX];

	struct replication_view rv;
	struct deposit_view dv;
	struct role_view wv;
	bool rewinds;		/* ordered to, and it is at it */
	char copy_failure[256]; /* why no copy of the primary was begun; "" none was refused */
	int64_t now_ms;
};

/* ---- agent.c ---- */

/* The others have not been heard since this agent began, and a moment for that is not over yet. */
bool agent_is_starting(struct agent *a) NONNULL;

/* ---- agent_peers.c ---- */

bool agent_view_is_fresh(const struct agent *a) NONNULL; /* the last look at the local database */
bool agent_is_self(const struct agent *a, const struct uuid *id) NONNULL;

/* The node as the node table has it; NULL: it is not in it. */
const struct replication_node *agent_node(const struct agent *a, const struct uuid *id) NONNULL;
struct peer *agent_peer(struct agent *a, const struct uuid *id) NONNULL; /* NULL: not watched */

/* The primary of the latest epoch: as another node says itself, or as the node table has it. NULL: not known. */
const struct replication_node *agent_leader(const struct agent *a) NONNULL;
/* A primary that the log does not name yet: it was promoted a moment ago. */
bool agent_is_unnamed_primary(const struct agent *a) NONNULL;
/* Has said of itself lately that it is in this state. p may be NULL. */
bool agent_says(const struct agent *a, const struct peer *p, enum ha_state s);
/* By which port its channel is reached: as it says itself lately, or as the node table has it. */
int agent_pair_port(const struct agent *a, const struct replication_node *n) NONNULL;
struct peer *agent_primary_peer(struct agent *a) NONNULL; /* NULL: not known, or this node */

/* Takes copies of what the threads saw, and aims the probes at the nodes that there are. */
void agent_look(struct agent *a) NONNULL;
/* This process stood still until now: what it did not hear meanwhile is nobody's silence. */
void agent_was_away(struct agent *a) NONNULL;

/* ---- agent_removed.c ---- */

void agent_read_removed(struct agent *a) NONNULL;
/* Whether this node was taken out of the pair, as a serving primary or the node table says; on disk before it is acted on. */
void agent_hear_removal(struct agent *a) NONNULL;
/* This node was, and has followed since, or would. */
bool agent_is_out(const struct agent *a) NONNULL;
/* The facts of a node that was. */
void agent_heed_removal(const struct agent *a, struct fsm_obs *o) NONNULL;

/* ---- agent_epoch.c ---- */

void agent_read_epochs(struct agent *a) NONNULL;
/* The epoch of the data here: as the log says, or, on a primary that the log does not name yet, as it is to say. */
struct epoch agent_epoch(const struct agent *a) NONNULL;
bool agent_epoch_is_logged(const struct agent *a) NONNULL;
/* The latest epoch that this node knows anything of, with its proof if that is known too. */
struct epoch_claim agent_latest_epoch(const struct agent *a) NONNULL;
/* What another node says of epochs itself, under a certificate that is trusted, and what of it is believed; none: nothing. */
struct epoch agent_heard_epoch(const struct agent *a, const struct peer *p) NONNULL;
/* Takes in what the others and the log say; on disk before it is acted on. */
void agent_hear_epochs(struct agent *a) NONNULL;
/* Has every other node told what it does not name yet. */
void agent_tell_epochs(struct agent *a) NONNULL;
/* Another node of the pair is, or was, the primary of a later epoch than that of the data here. */
bool agent_is_outranked(const struct agent *a) NONNULL;
/* This node began a later epoch than that of the data here: before its disk was put back, or in another program of it. */
bool agent_is_surpassed(const struct agent *a) NONNULL;
/* What this node is to begin is on disk, with its proof, when it returns 0. ERR_KEYS_UNAVAILABLE: keyd is asked for the proof; ask again. */
int agent_prepare_epoch(struct agent *a, struct err *e) NONNULL MUST_USE;

/* ---- agent_facts.c ---- */

void agent_reduce(struct agent *a, struct fsm_obs *o) NONNULL;
bool agent_slot_is_lost(const struct agent *a) NONNULL;
bool agent_handover_is_logged(const struct agent *a) NONNULL; /* the one that is ordered */

/* Tells the chain memory whether what the log has now is all that it will have. */
void agent_tell_chain_memory(struct agent *a, const struct fsm_obs *o) NONNULL;

/* How PostgreSQL sees the node's stream; NULL: it has none. */
const struct replication_standby *agent_standby(const struct agent *a,
						const struct uuid *id) NONNULL;

/* As of when the data are of who does not serve as the primary. Says so what the data say of themselves, and nothing else (H16): neither a position in a stream nor what was
 * heard or shown before. */
void agent_take_as_of(struct agent *a) NONNULL;
/* How far behind now that is; -1: not known. */
int64_t agent_lag_ms(int64_t as_of_us);

/* ---- agent_history.c ---- */

void agent_aim_histories(struct agent *a) NONNULL;
/* Whether every other node's database was asked, or could not be. */
bool agent_histories_heard(const struct agent *a) NONNULL;
/* What is known to be lost from before this agent began. */
void agent_read_loss(struct agent *a) NONNULL;
void agent_keep_loss(struct agent *a) NONNULL;
void agent_history_of_primary(struct agent *a, struct fsm_obs *o) NONNULL;
/* A primary that serves, while nobody could be asked yet. */
bool agent_is_unconfirmed(const struct agent *a) NONNULL;
/* Which streams count as a second disk. */
void agent_prove_streams(struct agent *a) NONNULL;
/* Secondary: there is more of the primary's own log here than there. */
bool agent_primary_is_behind(struct agent *a) NONNULL;
/* Secondary: what it writes waits until then, but in emergency (ledger/ledger.c). */
void agent_note_end(struct agent *a) NONNULL;
/* Lets the stream in from the primary when it has all that is here; else from nobody, once it has ended. */
void agent_follow(struct agent *a, const struct uuid *primary, const char *conninfo,
		  bool primary_ok) NONNULL;
/* Whether the node, a primary or one that says it is behind, has lost events of its log, and which; written only if so. */
void agent_status_of_history(struct agent *a, const struct uuid *id, bool primary, bool *ret_behind,
			     char *ret, size_t room) NONNULL;
int agent_order_reconcile(struct agent *a, const char *node, struct err *e) NONNULL MUST_USE;

/* ---- agent_duplicate.c ---- */

/* What this run of the node is known by. */
void agent_name_run(struct agent *a) NONNULL;
/* Whether a second program of this very node is heard, by another node or under this node's own name. */
void agent_look_for_duplicate(struct agent *a) NONNULL;
bool agent_is_duplicate(const struct agent *a, const struct uuid *id) NONNULL;

/* ---- agent_act.c ---- */

void agent_change_state(struct agent *a, const struct fsm_next *next) NONNULL;
void agent_act(struct agent *a, const struct fsm_obs *o) NONNULL;

/* While a role changes the page's reason goes on: how far it is. */
void agent_show_progress(struct agent *a) NONNULL;

/* ---- agent_certs.c ---- */

/* How long this node's certificates live, into the page; the log hears of an end that is near once a day. */
void agent_look_at_certs(struct agent *a) NONNULL;

/* ---- agent_authority.c ---- */

/* Has the files of the home follow what the log says of the vault's authorities, one step after the other (ha/succession.h). */
void agent_follow_authority(struct agent *a) NONNULL;
/* What is to be made known of it together with the web certificate; false: nothing yet. */
bool agent_authority_said(const struct agent *a,
			  char ret_trusts[static SUCCESSION_PINS_MAX]) NONNULL;
struct status_node;
/* Whether that node is waited for while one authority follows another. */
void agent_say_succession(const struct agent *a, const struct replication_node *n,
			  struct status_node *ret) NONNULL;

/* ---- agent_ports.c ---- */

/* Whether the node table is to say something else of this node, into a->moved. */
void agent_look_at_ports(struct agent *a) NONNULL;
/* A primary asks its own writer; a secondary's deposit thread asks the primary's. */
void agent_announce_ports(struct agent *a) NONNULL;

/* ---- agent_status.c ---- */

void agent_write_statepage(struct agent *a) NONNULL;

/* ---- agent_alerts.c ---- */

void agent_tell_alerts(struct agent *a, const struct status_view *v) NONNULL;

/* ---- agent_order.c ---- */

/* Reads on a secondary, and removes on a primary, what says that emergency access is ordered. */
void agent_read_emergency(struct agent *a) NONNULL;
/* Whether the node's state allows the order (ha/orders.h). */
int agent_may(const struct agent *a, const char *order, struct err *e) NONNULL MUST_USE;
/* Whether an order may be carried out as things are now; the error says what to do instead. */
typedef int agent_may_fn(struct agent *a, struct err *e);
/* agent_prepare_epoch for an operator's order: waits some seconds for keyd, with the lock given back meanwhile. What was allowed
 * before is asked again after each wait. */
int agent_begin_epoch(struct agent *a, agent_may_fn *may, struct err *e) NONNULL MUST_USE;

typedef bool agent_done_fn(const struct agent *a, const void *ctx);
/* Asks the vault's writer for an event, and waits, with the lock given back, until `done` sees what it leads to. What is not done by then is taken
 * back: REPLICATION_BACK says that it will not be done. */
enum replication_fate agent_ask_writer(struct agent *a, int kind, const struct uuid *object,
				       const char *body, agent_done_fn *done, const void *ctx,
				       int64_t until_ms) NONNULL;

/* ---- agent_maintenance.c ---- */

void agent_read_maintenance(struct agent *a) NONNULL;
/* While alerts are silent: why and until when, borrowed; else NULL. */
const struct maintenance *agent_maintenance(const struct agent *a, int64_t now_us) NONNULL;
/* Called with the lock, which is given back while it waits. */
int agent_order_maintenance(struct agent *a, const char *order, struct buf *ret_text,
			    struct err *e) NONNULL MUST_USE;
int agent_order(void *ctx, const char *verb, const char *node, struct buf *ret_text,
		struct err *e);						  /* control_order_fn */
int agent_prove(void *ctx, const struct orderer_claim *c, struct err *e); /* control_prove_fn */
