/* SPDX-License-Identifier: Apache-2.0
 *
 * The vault: what all its rules share. One struct, owned by the core thread of vaultd; every rule
 * runs there in a fiber. Reads go to pipelined readers, changes are events to the ledger.
 */
#pragma once

#include "base/arena.h"
#include "base/fiber.h"
#include "base/statepage.h"
#include "base/settings.h"
#include "crypto/keys.h"
#include "ledger/ledger.h"
#include "store/db.h"

#define VAULT_READERS 2

struct sessions;	/* vault/session.h: the cache and the emergency overlay */
struct journal_overlay; /* vault/journal_overlay.h: versions that only the journal has */
struct withdrawn;	/* vault/withdrawn.h: withdrawals that only the journal has */
struct retrieve_batch; /* vault/retrieve_batch.h: reads of retrievals, together or from the cache */
struct hold;	       /* vault/hold.h: who retrieves unusually much */
struct refusals;       /* vault/refusals.h: refusals that are summed */
struct lists;	       /* vault/lists.h: connections and bounds of lists and searches */
struct import_running; /* vault/import.h: imports that are under way */
struct audit_tables;   /* vault/audit_tables.h: the tables being compared with the log */
struct record_locks;   /* vault/record_lock.h: one queue per record for check-then-change */

/* What /v1/sys/health and the dispatcher go by; kept by vaultd's timers. */
struct vault_health {
	bool serving;  /* users may be served here now, in whatever mode the state page says */
	char why[256]; /* why not; or, when serving, what is not as it should be; "" all well */
};

struct vault {
	uv_loop_t *loop;
	struct fiber_pool *fibers;
	struct keys *keys;
	struct db *reader[VAULT_READERS];
	unsigned next_reader;
	struct ledger *ledger;
	struct statepage *statepage;
	struct settings *settings;
	struct sessions *sessions;
	struct journal_overlay *journal_overlay; /* may be NULL: none */
	struct withdrawn *withdrawn;		 /* the same */
	struct record_locks *record_locks;
	struct import_running *imports;
	struct retrieve_batch *retrieve_batch;
	struct hold *hold;
	struct refusals *refusals;
	struct lists *lists;		   /* NULL: what lists read, readers read */
	struct audit_tables *audit_tables; /* NULL: none under way */
	/* A new connection for it (ledger/rebuild.h). */
	struct db *(*connect_rebuild)(void *ctx);
	void *connect_ctx;
	struct uuid node;
	uint32_t data_key; /* newest data key: what is sealed with */
	struct vault_health health;
	_Atomic int64_t
		emergency_since_ms; /* monotonic; 0: not in emergency. Read by all threads */
	bool unlocked;		    /* this outage's limit on the age of data (vault/age_limit.h) */
};

/* ROLE_NONE is nobody's, and may nothing. */
enum role {
	ROLE_NONE,
#define CAPABILITY(NAME, name, bit, text)
#define ROLE(NAME, name, capabilities, text) ROLE_##NAME,
#include "vault/role.def"
#undef ROLE
#undef CAPABILITY
};

/* Who asks, and from where; of one call, in its arena. */
struct who {
	struct uuid user;    /* nil: not logged in */
	struct uuid session; /* id of the session */
	const char *name;    /* the user's */
	enum role role;	     /* vault/policy.h says what it may */
	bool journal_only;   /* the session was begun here in emergency and is not home yet */
	const char *address; /* IP address as text */
	const char *via;     /* name of the node that forwarded the request, or NULL */
};

/* One call into the vault: the fiber it runs in, its arena, and who asks. */
struct call {
	struct vault *v;
	struct fiber *f;
	struct arena *a;
	struct who who;
	enum ledger_durability durability; /* of the last append, for the reply header */
	bool logged; /* an event of this call is durable: its answer is no longer refused */
};

enum state_served vault_serves(const struct vault *v) NONNULL; /* in the state the node is in now */
/* A reader connection, in turn. */
struct db *vault_reader(struct vault *v) NONNULL;
/* What the ledger calls for every durable event (ctx: the vault): caches listen here. */
void vault_on_durable(void *ctx, const struct event *ev);
/* The body of an event as the log gets it: a request that another node forwarded says so ("via").
 * Borrowed from body or from the call's arena. */
const char *vault_body(const struct call *c, const char *body) NONNULL;
/* Appends one event with the call's actor, address and now. body: JSON text. */
int vault_append(struct call *c, enum event_kind kind, const struct uuid *object, const char *body,
		 struct err *e) MUST_USE;
/* Loads the data keys of the database into keyd; makes the first one when there is none and this
 * node is the primary. */
int vault_load_keys(struct vault *v, struct fiber *f, struct err *e) NONNULL MUST_USE;
