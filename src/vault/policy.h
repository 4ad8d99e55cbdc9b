/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may do what. Roles give capabilities (vault/role.def); the right to one resource or account is
 * a level, the highest that ownership and shares give. Every refusal is in the log. Also what
 * the nouns' files share: paging, event units, reading a user's input. Core thread of vaultd
 * only.
 */
#pragma once

#include "base/json_out.h"
#include "vault/record_lock.h"
#include "vault/vault.h"

enum capability {
	CAP_NONE = 0,
#define CAPABILITY(NAME, name, bit, text) CAP_##NAME = bit,
#define ROLE(NAME, name, capabilities, text)
#include "vault/role.def"
#undef ROLE
#undef CAPABILITY
};

/* Levels as the share table keeps them. */
enum policy_level { LEVEL_NONE, LEVEL_VIEW, LEVEL_MODIFY, LEVEL_MANAGE, LEVEL_OWNER };

bool policy_has(enum role role, unsigned capabilities);		      /* all of them */
bool policy_may(const struct call *c, unsigned capabilities) NONNULL; /* who asks */
enum role policy_role(const char *name);      /* ROLE_NONE: there is no such role */
const char *policy_role_name(enum role role); /* "user"; NULL for none */
void policy_write_capabilities(struct json_out *out,
			       enum role role) NONNULL; /* their names, into a list */
void policy_list_roles(struct buf *ret) NONNULL; /* "user, … or administrator", for messages */
const char *policy_level_name(int level);	 /* "view"; NULL for none */
int policy_level(
	const char *name); /* LEVEL_VIEW … LEVEL_MANAGE; LEVEL_NONE if it cannot be shared */

/* Writes the FORBIDDEN event (what: "retrieve account") or counts it (vault/refusals.h), then returns ERR_NOT_FOUND if the caller
 * may not even know of the object, otherwise ERR_FORBIDDEN; or the log's error if it could not be
 * written. */
int policy_refuse(struct call *c, const struct uuid *object, bool known, const char *what,
		  struct err *e) NONNULL MUST_USE;

/* The common check of a rule about one resource or account. need: level; seen: whether the user may
 * know of it. */
int policy_check(struct call *c, const struct uuid *object, int level, int need, bool seen,
		 const char *what, struct err *e) NONNULL MUST_USE;

/* "%text%" for LIKE with its own characters escaped, in the arena. */
const char *policy_pattern(struct arena *a, const char *text) NONNULL;

/* The form that names are kept in (base/name.h), in the arena. */
const char *policy_nfc(struct arena *a, const char *text) NONNULL;
/* Brings a new name to that form and checks it with name_check. */
int policy_take_name(struct arena *a, const char **text, const char *what,
		     struct err *e) NONNULL MUST_USE;

/* Writes "suffix": what tells the holder `id` of a name apart from others; null where there are none (shared false). */
void policy_write_suffix(struct json_out *out, const struct uuid *id, bool shared) NONNULL;

/* A word that ends in a suffix: *ret_name is what stands before it, *ret_tail how the holder's id ends, both in
 * the arena. Other words: false, and nothing is set. */
bool policy_split_suffix(struct arena *a, const char *word, const char **ret_name,
			 const char **ret_tail) NONNULL;
/* A name that means several means none of them: ERR_CONFLICT, which says `what` and the suffixes of the first four rows. col: of their ids. */
int policy_several(const struct rows *r, int col, const char *what, struct err *e) NONNULL;

/* {"id",<called>,"suffix"} of what has a name that others may hold too (shared); id NULL: as null. */
void policy_write_thing(struct json_out *out, const char *what, const struct uuid *id,
			const char *called, const char *name, bool shared);

/* {"id","name"} of the columns col and col + 1, or null where there is no name. */
void policy_write_named(struct json_out *out, const char *what, const struct rows *r, int i,
			int col) NONNULL;

/* Runs a statement that finds users by name (named_users), with or without a suffix: in the form that names are kept in and, if that finds
 * nothing, as it was written, for rows that are older than the form. */
int policy_by_name(struct call *c, enum stmt s, const char *name, struct rows **ret,
		   struct err *e) NONNULL MUST_USE;

/* A page of a list. */
struct policy_page {
	int rows;	   /* 1 … POLICY_PAGE_MAX */
	struct uuid after; /* nil: from the start */
};
#define POLICY_PAGE 50
#define POLICY_PAGE_MAX 200

/* Where a page in the order of names begins, in the arena: the place of page->after as statement s
 * gives it, or "", which comes before all; NULL if it is gone: then nothing follows it. */
int policy_place(struct call *c, enum stmt s, const struct policy_page *page, const char **ret,
		 struct err *e) NONNULL MUST_USE;
/* Binds place, page->after and one row more than the page has, to learn whether another follows. */
void policy_bind_page(struct binds *b, const char *place, const struct policy_page *page) NONNULL;

/* What one answer may hold: a list that reaches it ends its page, with a cursor. Statements of
 * lists fetch no more text than this either. A single row may exceed it. */
#define POLICY_ANSWER_BYTES (1u << 20)
bool policy_full(const struct json_out *out) NONNULL;

/* NULL for nil, for parameters that may be SQL NULL. */
const struct uuid *policy_or_null(const struct uuid *u) NONNULL;

/* One event of a unit; actor, address and time are the call's. body is borrowed until the unit is
 * appended. */
struct event policy_event(const struct call *c, enum event_kind kind, const struct uuid *object,
			  const char *body) NONNULL;
/* Appends a unit; keeps the durability in the call. */
int policy_append(struct call *c, struct event *ev, size_t n, struct err *e) NONNULL MUST_USE;

/* Held to the end of the block and not named again, about which compilers disagree:
 * policy_lock g = record_lock_take(c->v->record_locks, c->f, &id); */
#define policy_lock __attribute__((unused)) auto_record_lock
