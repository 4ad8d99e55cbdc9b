/* SPDX-License-Identifier: Apache-2.0 */
#include "api/routes.h"

#include "api/bodies.h"
#include "api/console.h"
#include "api/handlers.h"
#include "vault/import.h"
#include "vault/policy.h"

#define DO(handler) ((route_fn *)on_##handler)
#define DIRECT(handler) ((route_fn *)(handler))
#define PAGE ROUTE_PUBLIC | ROUTE_ANY_MODE | ROUTE_DIRECT
#define BODY(name) body_##name, sizeof(struct body_##name)
#define NO_BODY NULL, 0

/* The longest body of JSON, and of one that carries the fields of an account. */
#define SMALL 16384
#define FIELDS (512u << 10)
/* Reads that go on in emergency; changes, which write an event. */
#define READ ROUTE_EMERGENCY
#define CHANGE ROUTE_EVENT

/* clang-format off */
static const struct route table[] = {
	{ HTTP_POST, "/v1/session", DO(login), 0, ROUTE_PUBLIC | READ | ROUTE_EVENT, BODY(login), "standby", SMALL,
	  "Logs in; the answer names the nodes of the pair. With standby=forward a standby has the primary do it.", "Login" },
	{ HTTP_GET, "/v1/session", DO(whoami), 0, READ, NO_BODY, "standby", 0,
	  "Says who is logged in.", "Session" },
	{ HTTP_DELETE, "/v1/session", DO(logout), 0, READ | ROUTE_EVENT, NO_BODY, "standby", 0,
	  "Logs out.", NULL },
	{ HTTP_POST, "/v1/setup", DO(setup), 0, ROUTE_PUBLIC | CHANGE, BODY(setup), NULL, SMALL,
	  "Sets the first password of a user with the one-time set-up token, and logs in. A password of 10 characters or more; composed or not (NFC, NFD) it is the same.", "Login" },

	{ HTTP_GET, "/v1/users", DO(user_list), CAP_USERS, READ, NO_BODY, "q limit after", 0,
	  "Lists users.", "Users" },
	{ HTTP_POST, "/v1/users", DO(user_new), CAP_USERS, CHANGE | ROUTE_CREATES, BODY(user_new), NULL, SMALL,
	  "Creates a user; the answer has the one-time set-up token.", "UserWithToken" },
	{ HTTP_GET, "/v1/users/me", DO(user_me), 0, READ, NO_BODY, NULL, 0,
	  "Says what the vault knows of the caller.", "User" },
	{ HTTP_GET, "/v1/users/{id}", DO(user_get), CAP_USERS, READ, NO_BODY, NULL, 0,
	  "Says what the vault knows of a user.", "User" },
	{ HTTP_PATCH, "/v1/users/{id}", DO(user_change), CAP_USERS, CHANGE, BODY(user_change), NULL, SMALL,
	  "Changes role, disables or enables, resets the password (a new set-up token) or the second factor.", "UserWithToken" },
	{ HTTP_POST, "/v1/users/me/password", DO(user_password), CAP_USE, CHANGE, BODY(password), NULL, SMALL,
	  "Changes the caller's own password (10 characters or more; composed or not, it is the same); the other sessions end.", NULL },
	{ HTTP_POST, "/v1/users/me/totp", DO(user_totp), CAP_USE, CHANGE, BODY(totp), NULL, SMALL,
	  "Without fields: makes a second factor's secret. With pending and code: stores it.", "TotpBegun|TotpStored" },
	{ HTTP_DELETE, "/v1/users/me/totp", DO(user_totp_remove), CAP_USE, CHANGE, BODY(code), NULL, SMALL,
	  "Removes the caller's second factor.", NULL },

	{ HTTP_GET, "/v1/resources", DO(resource_list), CAP_USE, READ, NO_BODY, "q name limit after", 0,
	  "Finds resources that the caller owns or that are shared with him, with their accounts; no secrets.", "Resources" },
	{ HTTP_POST, "/v1/resources", DO(resource_new), CAP_USE, CHANGE | ROUTE_CREATES, BODY(resource), NULL, SMALL,
	  "Creates a resource; the caller owns it.", "Resource" },
	{ HTTP_GET, "/v1/resources/{id}", DO(resource_get), CAP_USE, READ, NO_BODY, NULL, 0,
	  "Shows a resource with its accounts.", "Resource" },
	{ HTTP_PATCH, "/v1/resources/{id}", DO(resource_change), CAP_USE, CHANGE | ROUTE_OR_NOTHING, BODY(resource_change), NULL, SMALL,
	  "Changes a resource, or hands it to another owner.", "Resource" },
	{ HTTP_DELETE, "/v1/resources/{id}", DO(resource_delete), CAP_USE, CHANGE, NO_BODY, NULL, 0,
	  "Removes a resource with its accounts: it goes to the bin, and its history stays in the log.", NULL },
	{ HTTP_GET, "/v1/resources/{id}/accounts", DO(resource_accounts), CAP_USE, READ, NO_BODY, "limit after", 0,
	  "Lists the accounts of a resource.", "Accounts" },
	{ HTTP_POST, "/v1/resources/{id}/accounts", DO(account_new), CAP_USE, CHANGE | ROUTE_CREATES, BODY(account), NULL, FIELDS,
	  "Adds an account, with its first version if fields are given.", "Account" },
	{ HTTP_GET, "/v1/resources/{id}/shares", DO(resource_shares), CAP_USE, READ, NO_BODY, "limit after", 0,
	  "Lists with whom a resource is shared.", "Shares" },
	{ HTTP_POST, "/v1/resources/{id}/shares", DO(resource_share), CAP_USE, CHANGE, BODY(share), NULL, SMALL,
	  "Shares a resource with a user.", "Share" },
	{ HTTP_DELETE, "/v1/resources/{id}/shares/{user}", DO(resource_unshare), CAP_USE, CHANGE, NO_BODY, NULL, 0,
	  "Withdraws a share of a resource.", NULL },

	{ HTTP_GET, "/v1/removed", DO(removed_list), CAP_USE, READ, NO_BODY, "limit after", 0,
	  "Lists what was removed and the caller could manage: when, by whom, and until when it can be brought back.", "Removed" },
	{ HTTP_POST, "/v1/resources/{id}/restore", DO(resource_restore), CAP_USE, CHANGE, BODY(resource_restore), NULL, SMALL,
	  "Brings a removed resource back with the accounts that went with it; with name under another name.", "Resource" },
	{ HTTP_POST, "/v1/accounts/{id}/restore", DO(account_restore), CAP_USE, CHANGE, BODY(account_restore), NULL, SMALL,
	  "Brings a removed account back; with login under another login.", "Account" },

	{ HTTP_GET, "/v1/lookup", DO(lookup), CAP_USE, READ, NO_BODY, "reference resource login", 0,
	  "Tells what a reference means: every account that the caller sees and that reads so (RESOURCE/LOGIN, at any slash), and the resource of exactly that name; or of a resource and a login as two words.", "Lookup" },
	{ HTTP_POST, "/v1/accounts", DO(account_placed), CAP_USE, CHANGE | ROUTE_CREATES, BODY(account_placed), NULL, FIELDS,
	  "Creates a resource, which the caller owns, and its first account with its first version: all of it, or nothing. Type, address, url and description are the resource's.", "Account" },
	{ HTTP_GET, "/v1/accounts/{id}", DO(account_get), CAP_USE, READ, NO_BODY, NULL, 0,
	  "Shows an account; no secrets.", "Account" },
	{ HTTP_PATCH, "/v1/accounts/{id}", DO(account_change), CAP_USE, CHANGE, BODY(account_change), NULL, SMALL,
	  "Changes an account; conflict false settles its conflict.", "Account" },
	{ HTTP_DELETE, "/v1/accounts/{id}", DO(account_delete), CAP_USE, CHANGE, NO_BODY, NULL, 0,
	  "Removes an account: it goes to the bin, and its history stays in the log.", NULL },
	{ HTTP_POST, "/v1/accounts/{id}/retrieve", DO(retrieve), CAP_USE, READ | ROUTE_EVENT, BODY(retrieve), NULL, SMALL,
	  "Retrieves the secret fields; answered when the retrieval is durable in the log.", "Retrieved" },
	{ HTTP_GET, "/v1/accounts/{id}/versions", DO(version_list), CAP_USE, READ, NO_BODY, "limit after", 0,
	  "Lists the versions, the newest first: numbers, who, when, on which node; no secrets.", "Versions" },
	{ HTTP_POST, "/v1/accounts/{id}/versions", DO(version_new), CAP_USE, CHANGE | ROUTE_CREATES | ROUTE_EMERGENCY_CHANGE, BODY(version), NULL, FIELDS,
	  "Stores a new version; with if_version only upon that one.", "Version" },
	{ HTTP_GET, "/v1/conflicts", DO(conflict_list), CAP_USE, READ, NO_BODY, "limit after", 0,
	  "Lists the accounts in conflict that the caller may see.", "Conflicts" },
	{ HTTP_GET, "/v1/conflicts/administration", DO(admin_conflict_list), CAP_USERS, READ, NO_BODY, "limit after", 0,
	  "Lists what administrators did on two nodes apart from each other, and what counts: the safer.", "AdminConflicts" },
	{ HTTP_POST, "/v1/conflicts/administration/{id}/acknowledge", DO(admin_acknowledge), CAP_USERS, CHANGE, NO_BODY, NULL, 0,
	  "Says that such a conflict was seen; it stays in the list, and in the log.", NULL },
	{ HTTP_POST, "/v1/accounts/{id}/settle", DO(account_settle), CAP_USE, CHANGE, BODY(settle), NULL, FIELDS,
	  "Settles a conflict by a version that is there (version) or by a new one (fields); all versions stay.", "Version" },
	{ HTTP_GET, "/v1/policy", DO(policy), CAP_USERS, READ, NO_BODY, NULL, 0,
	  "Says where new versions may be stored in emergency.", "Policy" },
	{ HTTP_PUT, "/v1/policy/emergency-changes", DO(emergency_policy), CAP_USERS, CHANGE, BODY(emergency_policy), NULL, SMALL,
	  "Allows new versions in emergency (state on, off), everywhere or for a resource by its name (also inherit: as everywhere).", "Policy" },
	{ HTTP_GET, "/v1/changes", DO(change_list), CAP_USE, READ, NO_BODY, "limit after", 0,
	  "Lists changes made in emergency by someone no longer entitled, which wait for the caller's word.", "Changes" },
	{ HTTP_POST, "/v1/changes/{id}", DO(change_decide), CAP_USE, CHANGE, BODY(decision), NULL, SMALL,
	  "Approves or declines such a change (id: of the version); for administrators and whoever may manage the account.", "Change" },
	{ HTTP_GET, "/v1/accounts/{id}/shares", DO(account_shares), CAP_USE, READ, NO_BODY, "limit after", 0,
	  "Lists with whom an account is shared.", "Shares" },
	{ HTTP_POST, "/v1/accounts/{id}/shares", DO(account_share), CAP_USE, CHANGE, BODY(share), NULL, SMALL,
	  "Shares an account with a user.", "Share" },
	{ HTTP_DELETE, "/v1/accounts/{id}/shares/{user}", DO(account_unshare), CAP_USE, CHANGE, NO_BODY, NULL, 0,
	  "Withdraws a share of an account.", NULL },

	{ HTTP_POST, "/v1/import", DO(import), CAP_USE, CHANGE, NO_BODY, "id format duplicates dry_run all_or_nothing",
	  IMPORT_BYTES_MAX, "Imports what another program exported; asked again with the same id, it tells what became of it.", "ImportReport|ImportOutcome" },
	{ HTTP_GET, "/v1/import/{id}", DO(import_outcome), CAP_USE, 0, NO_BODY, NULL, 0,
	  "Says what became of an import of the caller's: stored, stopped, running, unknown.", "ImportOutcome" },
	{ HTTP_DELETE, "/v1/import/{id}", DO(import_stop), CAP_USE, CHANGE, NO_BODY, NULL, 0,
	  "Stops an import unless it is stored; nothing is stored under this id any more.", "ImportOutcome" },

	{ HTTP_GET, "/v1/audit", DO(audit), CAP_AUDIT, READ | ROUTE_EVENT, NO_BODY,
	  "user kind object since until node limit before", 0, "Lists the log, newest first.", "Events" },
	{ HTTP_GET, "/v1/audit/verify", DO(audit_verify), CAP_AUDIT, READ | ROUTE_EVENT | ROUTE_UNWELL, NO_BODY, NULL, 0,
	  "Verifies the chains of all nodes.", "Verified" },
	{ HTTP_POST, "/v1/audit/accept", DO(audit_accept), CAP_AUDIT, CHANGE, BODY(audit_accept), NULL, SMALL,
	  "Accepts what is found wrong with the log: verification and status say so instead of failing.", "Accepted" },
	{ HTTP_GET, "/v1/audit/export", DO(audit_export), CAP_AUDIT, READ | ROUTE_EVENT, NO_BODY, "node after upto", 0,
	  "The log as signed lines: the head without a query, then parts of a node's events.", "AuditExportHead|AuditExportPart" },
	{ HTTP_GET, "/v1/nodes", DO(nodes), CAP_NODES, READ, NO_BODY, NULL, 0,
	  "Lists the nodes of the pair.", "Nodes" },
	{ HTTP_GET, "/v1/ha", DO(ha), 0, ROUTE_ANY_MODE | ROUTE_LOOPBACK_FREE, NO_BODY, NULL, 0,
	  "Says how the pair is; whole for administrators and from loopback.", "HaBrief|HaWhole|HaUnknown" },
	{ HTTP_POST, "/v1/ha/unlock", DO(ha_unlock), CAP_NODES, READ | ROUTE_EVENT, BODY(unlock), NULL, SMALL,
	  "In emergency, at a secondary whose data is older than max_emergency_age: gives out passwords again for this outage.", "Unlocked" },
	{ HTTP_GET, "/v1/sys/health", DIRECT(health_answer), 0, ROUTE_PUBLIC | ROUTE_ANY_MODE | ROUTE_DIRECT | ROUTE_ONE_SHAPE, NO_BODY, NULL, 0,
	  "200 serving (primary or emergency), 429 standby, 503 not serving and why.", "Health" },
	{ HTTP_GET, "/v1/metrics", DO(metrics), 0, ROUTE_PUBLIC | ROUTE_ANY_MODE | ROUTE_LOOPBACK, NO_BODY, NULL, 0,
	  "Counters for Prometheus; from loopback or with the metrics token.", "text/plain" },
	{ HTTP_GET, "/v1/openapi.json", DO(openapi), 0, ROUTE_PUBLIC | ROUTE_ANY_MODE, NO_BODY, NULL, 0,
	  "This interface as OpenAPI 3.1.", "application/json" },

	{ HTTP_GET, "/", DIRECT(console_answer), 0, PAGE, NO_BODY, NULL, 0,
	  "The console: the status of the pair, and passwords, for a browser.", "text/html" },
	{ HTTP_GET, "/console.css", DIRECT(console_answer), 0, PAGE, NO_BODY, NULL, 0,
	  "What the console looks like.", "text/css" },
	{ HTTP_GET, "/console.js", DIRECT(console_answer), 0, PAGE, NO_BODY, NULL, 0,
	  "What the console does.", "text/javascript" },
};
/* clang-format on */

const struct route *
routes(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(table);
	return table;
}
