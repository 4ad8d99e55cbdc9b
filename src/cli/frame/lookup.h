/* SPDX-License-Identifier: Apache-2.0
 *
 * Looks up at the node what people name on the command line: accounts, resources, folders, users, teams. A word
 * means exactly what it spells, never what resembles it; a word with several meanings is refused,
 * and all of them are listed; and the node's answer is checked against the question before anything
 * is done with it.
 */
#pragma once

#include "cli/frame/cli.h"
#include "cli/frame/remote.h"

/* For the help of every verb that takes an account. */
#define LOOKUP_HELP                                                                                \
	"Names may hold slashes: what reads as more than one account is refused, with the "        \
	"candidates; two words, RESOURCE and LOGIN, or an account's id mean one. Where several "   \
	"hold one name, lists show a suffix behind it, such as ~1a2b: write it too. The path of "  \
	"a resource's folder, or how it ends, may stand before its name: FOLDER/RESOURCE/LOGIN."

/* Percent-encodes s for a query or a path segment. */
void lookup_escape(struct buf *out, const char *s) NONNULL;

/* An account as it was named: RESOURCE and LOGIN, or (login NULL) one word: RESOURCE/LOGIN,
 * RESOURCE, or an id. Borrowed from argv. */
struct lookup_words {
	const char *first, *login;
};

/* The arguments that name the account of a verb that takes `rest` more arguments after it. */
struct lookup_words lookup_words(const struct cli *c, int rest) NONNULL;

/* What a name led to. */
struct lookup_thing {
	char id[37];
	char *resource,
		*login; /* the names as lists show them, with suffixes; login NULL of a resource */
	char *owner;	/* a user's name, "" when it was not told */
};
void lookup_thing_done(struct lookup_thing *t) NONNULL;
#define auto_thing FREE_WITH(lookup_thing_done) struct lookup_thing

enum lookup_use {
	LOOKUP_READ,  /* a resource's name alone will do where it has one account */
	LOOKUP_WRITE, /* the account must be named itself */
};

/* The account. ERR_NOT_FOUND: nothing reads so; ERR_REFUSED: more than one thing does, or a
 * resource where an account is wanted. Each says what there is instead. */
int lookup_account(struct remote *r, struct lookup_words w, enum lookup_use use,
		   struct lookup_thing *ret, struct err *e) NONNULL MUST_USE;
/* A resource by its exact name or its id. */
int lookup_resource(struct remote *r, const char *spec, struct lookup_thing *ret,
		    struct err *e) NONNULL MUST_USE;
/* A folder by its path, or as much of its end as means one, or its id. ret->resource: its path. */
int lookup_folder(struct remote *r, const char *spec, struct lookup_thing *ret,
		  struct err *e) NONNULL MUST_USE;
/* The VERSION of a command line, as `shown` (a verb) lists it. ERR_USAGE. */
int lookup_version(const char *text, const char *shown, int64_t *ret,
		   struct err *e) NONNULL MUST_USE;
/* How look-ups refuse a name that several have: what they are, how to say which, the list. Returns `code`. */
int lookup_several(int code, const char *name, const char *what, const char *how, const char *list,
		   struct err *e) NONNULL MUST_USE;
/* A user by name or id. */
int lookup_user(struct remote *r, const char *spec, char id[static 37],
		struct err *e) NONNULL MUST_USE;
/* A team by name or id. */
int lookup_team(struct remote *r, const char *spec, char id[static 37],
		struct err *e) NONNULL MUST_USE;

/* A node of the pair by name or id. */
int lookup_node(struct remote *r, const char *spec, char id[static 37],
		struct err *e) NONNULL MUST_USE;

/* For people: "RESOURCE/LOGIN", "RESOURCE". */
void lookup_show(struct buf *out, const struct lookup_thing *t) NONNULL;
/* For the shell: the words by which a verb finds it again, ready to paste; its id if the names
 * cannot be typed. */
void lookup_quote(struct buf *out, const struct lookup_thing *t) NONNULL;

/* Is s an id? */
bool lookup_is_id(const char *s) NONNULL;
/* Whether "resource/login", or both words, are what was named; resource, account: as the node shows them. */
bool lookup_reads(struct lookup_words w, const json_t *resource, const json_t *account);
/* Appends the member `name` of o, and the suffix that o has if others hold the name too. */
void lookup_add_name(struct buf *out, const json_t *o, const char *name);

/* Appends the level of o, and that it is not found by its name before it is accepted. */
void lookup_add_level(struct buf *out, const json_t *o);

/* Text of a member, "" when it, or o itself, is missing. Borrowed from o. */
const char *lookup_text(const json_t *o, const char *name);
