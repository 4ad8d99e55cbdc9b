/* SPDX-License-Identifier: Apache-2.0
 *
 * What the bodies of requests may hold: one struct and one table each (http/json.h). Texts live in
 * the request's arena.
 */
#pragma once

#include "http/json.h"

/* X(struct and table: body_<name>) */
#define BODIES(X)                                                                                  \
	X(login)                                                                                   \
	X(setup)                                                                                   \
	X(user_new)                                                                                \
	X(user_change)                                                                             \
	X(password)                                                                                \
	X(totp)                                                                                    \
	X(code)                                                                                    \
	X(resource)                                                                                \
	X(resource_change)                                                                         \
	X(resource_restore)                                                                        \
	X(account_restore)                                                                         \
	X(account_placed)                                                                          \
	X(account)                                                                                 \
	X(account_change)                                                                          \
	X(retrieve)                                                                                \
	X(version)                                                                                 \
	X(share)                                                                                   \
	X(settle)                                                                                  \
	X(unlock)                                                                                  \
	X(emergency_policy)                                                                        \
	X(decision)                                                                                \
	X(audit_accept)

struct body_login {
	const char *name, *password, *code;
};
struct body_setup {
	const char *name, *setup_token, *password;
};
struct body_user_new {
	const char *name, *role;
};
struct body_user_change {
	const char *role;
	bool disabled, reset_password, remove_totp;
};
#define BODY_SEEN_DISABLED (1u << 1) /* row 1 of body_user_change */
struct body_password {
	const char *old, *new;
};
struct body_totp {
	const char *pending, *code;
};
struct body_code {
	const char *code;
};
struct body_resource {
	const char *name, *type, *address, *url, *description;
};
struct body_resource_change {
	const char *name, *type, *address, *url, *description, *owner;
};
struct body_resource_restore {
	const char *name;
};
struct body_account_restore {
	const char *login;
};
struct body_account {
	const char *login, *description;
	struct jmap fields;
};
#define BODY_SEEN_FIELDS (1u << 2) /* row 2 of body_account */
struct body_account_placed {
	const char *resource, *type, *address, *url, *description, *login;
	struct jmap fields;
};
struct body_account_change {
	const char *login, *description;
	bool conflict;
};
#define BODY_SEEN_CONFLICT (1u << 2) /* row 2 of body_account_change */
struct body_retrieve {
	const char *reason;
	int64_t version;
};
struct body_version {
	struct jmap fields;
	int64_t if_version;
};
#define BODY_SEEN_IF_VERSION (1u << 1) /* row 1 of body_version */
struct body_share {
	const char *user, *level;
};
struct body_settle {
	int64_t version;
	struct jmap fields;
	int64_t if_version;
};
struct body_audit_accept {
	const char *reason;
};
#define BODY_SEEN_SETTLE_VERSION (1u << 0) /* rows of body_settle */
#define BODY_SEEN_SETTLE_FIELDS (1u << 1)
#define BODY_SEEN_SETTLE_IF_VERSION (1u << 2)
struct body_emergency_policy {
	const char *state, *resource;
};
struct body_decision {
	bool approve;
};

struct body_unlock {
	const char *reason;
};

#define X(name) extern const struct jfield body_##name[];
BODIES(X)
#undef X
