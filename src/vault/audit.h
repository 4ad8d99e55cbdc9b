/* SPDX-License-Identifier: Apache-2.0
 *
 * The log as auditors read it. Reading it is an event too. Sealed and hashed parts of bodies are
 * left out. What is written to `out` is the JSON of the API. Core thread of vaultd only.
 */
#pragma once

#include "vault/policy.h"

struct audit_filter {
	const char *user;		    /* name or id; NULL: all */
	int kind;			    /* 0: all */
	struct uuid object, node;	    /* nil: all */
	const int64_t *since_us, *until_us; /* NULL: open */
	int rows;			    /* 1 … POLICY_PAGE_MAX */
	const char *before;		    /* cursor of the page before, or NULL */
};

/* Newest first: {"events":[…],"next"}. ERR_BAD_FIELD for an invalid cursor. */
int audit_list(struct call *c, const struct audit_filter *f, struct json_out *out,
	       struct err *e) NONNULL MUST_USE;

/* Verifies all chains: {"good","events","nodes":[…],"accepted":[…],"without_effect":[…]}. One at a time. */
int audit_verify(struct call *c, struct json_out *out, struct err *e) MUST_USE;

/* Records that an administrator accepts every break that there is now, every event without effect, and the
 * ends of the chains as they are: {"breaks","without_effect"}, how many were new. ERR_REFUSED if a break is such that nothing can follow it. */
int audit_accept(struct call *c, const char *reason, struct json_out *out, struct err *e) MUST_USE;

/* The signed head of an export (docs/audit.md): {"lines":[…],"heads":[{"node","seq"}]}. */
int audit_export_head(struct call *c, struct json_out *out, struct err *e) NONNULL MUST_USE;
/* The next part of a node's events, after < seq ≤ upto, and its signed checkpoint:
 * {"lines":[…],"seq"}. Its chain is verified before it is signed: ERR_REFUSED. */
int audit_export_part(struct call *c, const struct uuid *node, int64_t after, int64_t upto,
		      struct json_out *out, struct err *e) NONNULL MUST_USE;

/* Writes an event's body without what an auditor must not see: hashes, MACs, sealed bytes. A body
 * that is not a JSON object (someone tampered with it) becomes {"unreadable":true}. */
void audit_write_body(struct json_out *out, const char *name, const char *body);
