/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders: resources and other folders stand in them, and what somebody may do with a folder they may do with all that stands below it, always. Its owner manages what
 * stands there. Everybody makes folders at the top; whoever may modify one makes others in it. A user sees the folders that they own or that are shared with them, and
 * what stands below these; of a path as much. What is written to `out` is the JSON of the API. Core thread of vaultd only.
 */
#pragma once

#include "vault/policy.h"

#define FOLDER_LEVELS_MAX                                                                          \
	20 /* each costs a retrieval a look by key; for what is new, since a merge refuses nothing */

/* One way at most: a path, a word, what stands in one; else what stands at the top for the caller. */
struct folder_query {
	const char *path;   /* "net/lab": the folders that it may mean */
	const char *q;	    /* part of a name or description */
	struct uuid parent; /* or nil */
	struct policy_page page;
};

/* NULL: not given. parent: an id, or "" for the top. */
struct folder_texts {
	const char *name, *description, *parent;
};

/* {"folders":[…],"next"} */
int folder_list(struct call *c, const struct folder_query *q, struct json_out *out,
		struct err *e) NONNULL MUST_USE;
int folder_get(struct call *c, const struct uuid *id, struct json_out *out,
	       struct err *e) NONNULL MUST_USE;
/* Who gains and who loses when it is put elsewhere, parent: an id, or "" for the top: {"changes":[{"user","before","after"}],"next"}. Whoever may move it is told. */
int folder_effect(struct call *c, const struct uuid *id, const char *parent,
		  const struct policy_page *page, struct json_out *out,
		  struct err *e) NONNULL MUST_USE;
/* The same of anything that stands in a folder (nil: at the top) and has an owner. */
int folder_write_effect(struct call *c, const struct uuid *id, const struct uuid *owner,
			const struct uuid *source, const struct uuid *target,
			const struct policy_page *page, struct json_out *out,
			struct err *e) NONNULL MUST_USE;

/* The caller owns it. ERR_CONFLICT: another one beside it has the name; ERR_REFUSED: too many levels. */
int folder_create(struct call *c, const struct folder_texts *texts, struct uuid *ret,
		  struct err *e) NONNULL MUST_USE;
/* Also ERR_CONFLICT: it would stand in itself. */
int folder_change(struct call *c, const struct uuid *id, const struct folder_texts *texts,
		  struct err *e) NONNULL MUST_USE;
/* As folder_get, to whom has just changed it: they may have moved it where they do not see it. */
int folder_show_changed(struct call *c, const struct uuid *id, struct json_out *out,
			struct err *e) NONNULL MUST_USE;
/* ERR_CONFLICT: something is in it. */
int folder_remove(struct call *c, const struct uuid *id, struct err *e) NONNULL MUST_USE;

/* The caller's level; refuses (with its event) below `need`: ERR_NOT_FOUND where the caller may not see it, as where there is none. */
int folder_right(struct call *c, const struct uuid *id, int need, const char *what,
		 struct err *e) NONNULL MUST_USE;
/* Whether the caller may put something into the folder of that text, "" for none; *ret is nil then. ERR_BAD_FIELD: it is no id. */
int folder_may_fill(struct call *c, const char *text, struct uuid *ret,
		    struct err *e) NONNULL MUST_USE;
/* The lock of the folder of that text, which may be NULL or no id: then NULL. Whoever has it takes no other lock. */
struct record_lock *folder_hold(struct call *c, const char *text);
