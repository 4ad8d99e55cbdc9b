/* SPDX-License-Identifier: Apache-2.0
 *
 * The handlers, one file per noun. Each reads the request's parts, calls the vault, and lets it
 * write the reply's JSON.
 */
#pragma once

#include "api/call.h"

/* X(handler) → int on_<handler>(struct api_call *, struct err *) */
#define HANDLERS(X)                                                                                \
	X(login)                                                                                   \
	X(logout)                                                                                  \
	X(whoami)                                                                                  \
	X(setup)                                                                                   \
	X(user_list)                                                                               \
	X(user_new)                                                                                \
	X(user_get)                                                                                \
	X(user_me)                                                                                 \
	X(user_change)                                                                             \
	X(user_password)                                                                           \
	X(user_totp)                                                                               \
	X(user_totp_remove)                                                                        \
	X(resource_list)                                                                           \
	X(resource_new)                                                                            \
	X(resource_get)                                                                            \
	X(resource_change)                                                                         \
	X(resource_delete)                                                                         \
	X(resource_accounts)                                                                       \
	X(removed_list)                                                                            \
	X(resource_restore)                                                                        \
	X(account_restore)                                                                         \
	X(lookup)                                                                                  \
	X(account_placed)                                                                          \
	X(account_new)                                                                             \
	X(account_get)                                                                             \
	X(account_change)                                                                          \
	X(account_delete)                                                                          \
	X(retrieve)                                                                                \
	X(version_list)                                                                            \
	X(version_new)                                                                             \
	X(conflict_list)                                                                           \
	X(admin_conflict_list)                                                                     \
	X(admin_acknowledge)                                                                       \
	X(account_settle)                                                                          \
	X(policy)                                                                                  \
	X(emergency_policy)                                                                        \
	X(change_list)                                                                             \
	X(change_decide)                                                                           \
	X(resource_shares)                                                                         \
	X(resource_share)                                                                          \
	X(resource_unshare)                                                                        \
	X(account_shares)                                                                          \
	X(account_share)                                                                           \
	X(account_unshare)                                                                         \
	X(audit)                                                                                   \
	X(audit_verify)                                                                            \
	X(audit_accept)                                                                            \
	X(audit_export)                                                                            \
	X(import)                                                                                  \
	X(import_outcome)                                                                          \
	X(import_stop)                                                                             \
	X(nodes)                                                                                   \
	X(ha)                                                                                      \
	X(ha_unlock)                                                                               \
	X(metrics)                                                                                 \
	X(openapi)

#define X(name) int on_##name(struct api_call *c, struct err *e) NONNULL MUST_USE;
HANDLERS(X)
#undef X

/* ROUTE_DIRECT: on an HTTP thread. */
void health_answer(struct api_call *c) NONNULL;
