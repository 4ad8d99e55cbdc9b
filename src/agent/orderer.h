/* SPDX-License-Identifier: Apache-2.0
 *
 * Orders of the pair from the console. The process that parses the network (vaultd) passes them on,
 * and is not believed: what the user logs in with comes with the order, and is held here against the
 * agent's own look at the database, with keyd. So whoever has taken vaultd over orders nothing by
 * that way without an administrator's password, nor twice by one code.
 *
 *   O1  Only an administrator who is not disabled orders; with the password, and the code where there is a second factor.
 *   O2  A code counts once: neither one that the database knows to be used nor one that was taken here.
 *   O3  Claims are checked one after the other. After ORDERER_TRIES wrong ones in a row none is taken for
 *       ORDERER_CLOSED_MS. The command line goes on.
 *
 * Password and code are wiped by whoever owns them, and no log has them.
 */
#pragma once

#include "base/err.h"
#include "base/uuid.h"

#define ORDERER_PASSWORD_MAX 1024
#define ORDERER_TRIES 10
#define ORDERER_CLOSED_MS 60000

/* What is ordered, who is said to order it, and what they showed. */
struct orderer_claim {
	const char *order, *node; /* node NULL: none is named */
	struct uuid user;
	const char *password, *code; /* code NULL: none was given */
};

/* The agent's verb for an order from the console, and what goes with it ("": nothing). ERR_USAGE. */
int orderer_find(const char *order, const char **ret_verb, const char **ret_with,
		 struct err *e) NONNULL MUST_USE;
/* The orders of the console, one after the other; NULL at the end. */
const char *orderer_name(unsigned i);

struct orderer;

struct orderer *orderer_new(const char *conninfo) NONNULL MUST_USE;
/* Takes over a connection to keyd, in place of any earlier one. */
void orderer_attach(struct orderer *o, int keys_fd) NONNULL;
/* Whether it waits for a connection to keyd. *ret_ask: ask for one now. */
bool orderer_lost_keys(struct orderer *o, int64_t now_ms, bool *ret_ask) NONNULL;

/* 0: they may order. ERR_BAD_LOGIN, ERR_SECOND_FACTOR, ERR_FORBIDDEN, ERR_LOCKED_OUT, and what the
 * database and the keys may say. Waits; any thread. */
int orderer_prove(struct orderer *o, const struct orderer_claim *c, struct err *e) NONNULL MUST_USE;
