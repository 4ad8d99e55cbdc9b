/* SPDX-License-Identifier: Apache-2.0
 *
 * Accounts: logins on a resource, and their versions – numbered, immutable states of their secret
 * fields, sealed as one JSON object. A version is bound to its place: associated data "version" ‖
 * version id ‖ account id (7 + 16 + 16 bytes). What is written to `out` is the JSON of the API.
 * Core thread of vaultd only.
 */
#pragma once

#include "vault/policy.h"

#define ACCOUNT_AD_LEN 39
#define ACCOUNT_FIELDS_MAX 64
#define ACCOUNT_FIELDS_BYTES (128u << 10) /* of the JSON object that is sealed */

/* One secret field; the texts are borrowed. */
struct account_field {
	const char *name, *value;
	size_t value_len;
};
struct account_fields {
	size_t n;
	const struct account_field *field;
};

/* Permission, secret and place in one read; the retrieval is durable in the log before this
 * returns. n 0: the current version.
 * {"fields":{…},"version",…} */
int account_retrieve(struct call *c, const struct uuid *id, const char *reason, int n,
		     struct json_out *out, struct err *e) MUST_USE;

int account_get(struct call *c, const struct uuid *id, struct json_out *out,
		struct err *e) NONNULL MUST_USE;
/* {"versions":[…]}: numbers, who, when, on which node; no secrets. */
int account_versions(struct call *c, const struct uuid *id, const struct policy_page *page,
		     struct json_out *out, struct err *e) NONNULL MUST_USE;

/* fields NULL: an account without a version yet. */
int account_create(struct call *c, const struct uuid *resource, const char *login,
		   const char *description, const struct account_fields *fields, struct uuid *ret,
		   struct err *e) MUST_USE;
struct resource_texts;
/* A new resource with its first account and version: all of them, or nothing. */
int account_create_placed(struct call *c, const struct resource_texts *resource, const char *login,
			  const struct account_fields *fields, struct uuid *ret,
			  struct err *e) NONNULL MUST_USE;
/* login, description NULL: unchanged. settle: chooses the current version. */
int account_change(struct call *c, const struct uuid *id, const char *login,
		   const char *description, bool settle, struct err *e) MUST_USE;
int account_delete(struct call *c, const struct uuid *id, struct err *e) NONNULL MUST_USE;

/* The versions of `from` become versions of `into`, where they are in conflict with what it has, and `from` goes to the bin: all of
 * it, or nothing. For whoever may modify the one and manage the other. ERR_REFUSED, ERR_TOO_LARGE: it holds too much. */
int account_combine(struct call *c, const struct uuid *into, const struct uuid *from,
		    struct err *e) NONNULL MUST_USE;

/* Adds a version. if_version ≥ 0: only if that is the current one (0: none yet), else
 * ERR_VERSION_CONFLICT.
 * {"id","version"} */
int account_put(struct call *c, const struct uuid *id, const struct account_fields *fields,
		int64_t if_version, struct json_out *out, struct err *e) NONNULL MUST_USE;

/* Accounts in conflict that the caller may see, by id. {"conflicts":[…],"next"} */
int account_conflicts(struct call *c, const struct policy_page *page, struct json_out *out,
		      struct err *e) NONNULL MUST_USE;
/* Settles a conflict: version n becomes the current one, or (fields not NULL) a new version does.
 * Every version stays. if_version as for account_put. No event if it is settled this way already.
 * {"id","version"} */
int account_settle(struct call *c, const struct uuid *id, int n,
		   const struct account_fields *fields, int64_t if_version, struct json_out *out,
		   struct err *e) MUST_USE;

/* The caller's level; refuses (with its event) below `need`. */
int account_right(struct call *c, const struct uuid *id, int need, const char *what,
		  struct err *e) NONNULL MUST_USE;

/* Whether an existing account of the resource has this login; but: one to ignore, or NULL. */
int account_login_taken(struct call *c, const struct uuid *resource, const char *login,
			const struct uuid *but, bool *ret, struct err *e) MUST_USE;

/* What a new version is based on. */
struct account_base {
	int n, based_on;
	struct uuid upon; /* nil: nothing */
	bool emergency;	  /* made on a secondary: the merge checks the right again */
};

/* For import. The JSON that the current version sealed (empty: there is none yet), and what the
 * next one is based on; for whoever may modify the account. */
int account_current(struct call *c, const struct uuid *id, struct account_base *ret_base,
		    struct buf *ret_fields, struct err *e) NONNULL MUST_USE;
/* For import: checks fields, seals them and writes the body of VERSION_ADDED. */
int account_version_body(struct call *c, const struct uuid *account,
			 const struct account_fields *fields, const struct account_base *base,
			 struct uuid *ret_id, struct buf *ret_body, struct err *e) NONNULL MUST_USE;
/* How long the JSON object of the fields is. */
size_t account_fields_bytes(const struct account_fields *fields) NONNULL;
void account_created_body(struct buf *out, const struct uuid *resource, const char *login,
			  const char *description);
