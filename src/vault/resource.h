/* SPDX-License-Identifier: Apache-2.0
 *
 * Resources: servers, sites, applications. A user sees what they own and what is shared with them
 * (the resource, or some of its accounts); administrators see no more. What is written to `out` is
 * the JSON of the API. Core thread of vaultd only.
 */
#pragma once

#include "vault/policy.h"

struct resource_query {
	const char *q;	    /* part of name, address, url, description or login; NULL: all */
	const char *name;   /* the exact name; NULL: any */
	struct uuid folder; /* what stands in it; nil: anywhere */
	struct policy_page page;
};

/* Texts of a new or changed resource; NULL: not given. folder: the id of the one that it stands in, or "": none. */
struct resource_texts {
	const char *name, *type, *address, *url, *description, *folder;
};

/* Whether the caller may see so much that what is theirs is better not collected first; owned: also if they own that much. */
int resource_sees_much(struct call *c, bool owned, bool *ret, struct err *e) NONNULL MUST_USE;

/* {"resources":[…],"next"} */
int resource_list(struct call *c, const struct resource_query *q, struct json_out *out,
		  struct err *e) NONNULL MUST_USE;
int resource_get(struct call *c, const struct uuid *id, struct json_out *out,
		 struct err *e) NONNULL MUST_USE;
/* {"accounts":[…],"next"} */
int resource_accounts(struct call *c, const struct uuid *id, const struct policy_page *page,
		      struct json_out *out, struct err *e) NONNULL MUST_USE;

/* ERR_CONFLICT when the name is taken. The caller becomes the owner. */
int resource_create(struct call *c, const struct resource_texts *texts, struct uuid *ret,
		    struct err *e) NONNULL MUST_USE;
/* The same as a prepared event, for callers that create more: its id and its body. They have the folder's lock (folder_hold). */
int resource_plan(struct call *c, const struct resource_texts *texts, struct uuid *ret,
		  struct buf *ret_body, struct err *e) NONNULL MUST_USE;
/* Whoever moves it (folder) manages it and may modify the folder. */
int resource_change(struct call *c, const struct uuid *id, const struct resource_texts *texts,
		    struct err *e) NONNULL MUST_USE;
/* As resource_get, to whom has just changed it: they may have moved it where they do not see it. */
int resource_show_changed(struct call *c, const struct uuid *id, struct json_out *out,
			  struct err *e) NONNULL MUST_USE;
/* Who gains and who loses when it is moved, as folder_effect. */
int resource_effect(struct call *c, const struct uuid *id, const char *folder,
		    const struct policy_page *page, struct json_out *out,
		    struct err *e) NONNULL MUST_USE;
int resource_delete(struct call *c, const struct uuid *id, struct err *e) NONNULL MUST_USE;

/* The caller's level; refuses (with its event) below `need`. ret_name (may be NULL) in the arena.
 */
int resource_right(struct call *c, const struct uuid *id, int need, const char *what,
		   const char **ret_name, struct err *e) MUST_USE;

/* Whether another one has the name where it is to be; beside: the folder or, in none, the owner; NULL: where the resource `but` stands. but: one to ignore, or NULL. */
int resource_name_taken(struct call *c, const struct uuid *beside, const char *name,
			const struct uuid *but, bool *ret, struct err *e) MUST_USE;

/* The body of RESOURCE_CREATED, for import too. */
void resource_created_body(struct buf *out, const struct resource_texts *t,
			   const struct uuid *owner) NONNULL;
