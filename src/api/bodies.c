/* SPDX-License-Identifier: Apache-2.0 */
#include "api/bodies.h"

#include <stddef.h>
#include "base/name.h"
#include "vault/account.h"
#include "vault/session.h"

#define AT(type, member) offsetof(struct body_##type, member)

/* Longest texts, bytes. vault/import holds lines of a file to the same bounds. */
enum {
	MAX_NAME = NAME_BYTES_MAX,
	MAX_TYPE = 100,
	MAX_ADDRESS = 255,
	MAX_URL = 2000,
	MAX_DESCRIPTION = 4000,
	MAX_CODE = 16,
	MAX_REASON = 500,
	MAX_TOKEN = 100,
	MAX_PENDING = 400,
	MAX_VERSION = 1000000000,
};

const struct jfield body_login[] = {
	{ "name", JTEXT, JREQUIRED, AT(login, name), MAX_NAME },
	{ "password", JTEXT, JREQUIRED, AT(login, password), SESSION_PASSWORD_MAX },
	{ "code", JTEXT, 0, AT(login, code), MAX_CODE },
	{ 0 },
};

const struct jfield body_setup[] = {
	{ "name", JTEXT, JREQUIRED, AT(setup, name), MAX_NAME },
	{ "setup_token", JTEXT, JREQUIRED, AT(setup, setup_token), MAX_TOKEN },
	{ "password", JTEXT, JREQUIRED, AT(setup, password), SESSION_PASSWORD_MAX },
	{ 0 },
};

const struct jfield body_user_new[] = {
	{ "name", JTEXT, JREQUIRED, AT(user_new, name), MAX_NAME },
	{ "role", JTEXT, 0, AT(user_new, role), MAX_TYPE },
	{ 0 },
};

const struct jfield body_user_change[] = {
	{ "role", JTEXT, 0, AT(user_change, role), MAX_TYPE },
	{ "disabled", JBOOL, 0, AT(user_change, disabled), 0 },
	{ "reset_password", JBOOL, 0, AT(user_change, reset_password), 0 },
	{ "remove_totp", JBOOL, 0, AT(user_change, remove_totp), 0 },
	{ 0 },
};

const struct jfield body_password[] = {
	{ "old", JTEXT, JREQUIRED, AT(password, old), SESSION_PASSWORD_MAX },
	{ "new", JTEXT, JREQUIRED, AT(password, new), SESSION_PASSWORD_MAX },
	{ 0 },
};

const struct jfield body_totp[] = {
	{ "pending", JTEXT, 0, AT(totp, pending), MAX_PENDING },
	{ "code", JTEXT, 0, AT(totp, code), MAX_CODE },
	{ 0 },
};

const struct jfield body_code[] = {
	{ "code", JTEXT, JREQUIRED, AT(code, code), MAX_CODE },
	{ 0 },
};

const struct jfield body_resource[] = {
	{ "name", JTEXT, JREQUIRED, AT(resource, name), MAX_NAME },
	{ "type", JTEXT, JEMPTY, AT(resource, type), MAX_TYPE },
	{ "address", JTEXT, JEMPTY, AT(resource, address), MAX_ADDRESS },
	{ "url", JTEXT, JEMPTY, AT(resource, url), MAX_URL },
	{ "description", JTEXT, JEMPTY, AT(resource, description), MAX_DESCRIPTION },
	{ 0 },
};

const struct jfield body_resource_change[] = {
	{ "name", JTEXT, 0, AT(resource_change, name), MAX_NAME },
	{ "type", JTEXT, JEMPTY, AT(resource_change, type), MAX_TYPE },
	{ "address", JTEXT, JEMPTY, AT(resource_change, address), MAX_ADDRESS },
	{ "url", JTEXT, JEMPTY, AT(resource_change, url), MAX_URL },
	{ "description", JTEXT, JEMPTY, AT(resource_change, description), MAX_DESCRIPTION },
	{ "owner", JTEXT, 0, AT(resource_change, owner), MAX_NAME },
	{ 0 },
};

const struct jfield body_resource_restore[] = {
	{ "name", JTEXT, 0, AT(resource_restore, name), MAX_NAME },
	{ 0 },
};

const struct jfield body_account_restore[] = {
	{ "login", JTEXT, 0, AT(account_restore, login), MAX_NAME },
	{ 0 },
};

const struct jfield body_account_placed[] = {
	{ "resource", JTEXT, JREQUIRED, AT(account_placed, resource), MAX_NAME },
	{ "type", JTEXT, JEMPTY, AT(account_placed, type), MAX_TYPE },
	{ "address", JTEXT, JEMPTY, AT(account_placed, address), MAX_ADDRESS },
	{ "url", JTEXT, JEMPTY, AT(account_placed, url), MAX_URL },
	{ "description", JTEXT, JEMPTY, AT(account_placed, description), MAX_DESCRIPTION },
	{ "login", JTEXT, JREQUIRED, AT(account_placed, login), MAX_NAME },
	{ "fields", JMAP, JREQUIRED, AT(account_placed, fields), ACCOUNT_FIELDS_MAX },
	{ 0 },
};

const struct jfield body_account[] = {
	{ "login", JTEXT, JREQUIRED, AT(account, login), MAX_NAME },
	{ "description", JTEXT, JEMPTY, AT(account, description), MAX_DESCRIPTION },
	{ "fields", JMAP, 0, AT(account, fields), ACCOUNT_FIELDS_MAX },
	{ 0 },
};

const struct jfield body_account_change[] = {
	{ "login", JTEXT, 0, AT(account_change, login), MAX_NAME },
	{ "description", JTEXT, JEMPTY, AT(account_change, description), MAX_DESCRIPTION },
	{ "conflict", JBOOL, 0, AT(account_change, conflict), 0 },
	{ 0 },
};

const struct jfield body_retrieve[] = {
	{ "reason", JTEXT, 0, AT(retrieve, reason), MAX_REASON },
	{ "version", JINT, JPOSITIVE, AT(retrieve, version), MAX_VERSION },
	{ 0 },
};

const struct jfield body_version[] = {
	{ "fields", JMAP, JREQUIRED, AT(version, fields), ACCOUNT_FIELDS_MAX },
	{ "if_version", JINT, 0, AT(version, if_version), MAX_VERSION },
	{ 0 },
};

const struct jfield body_share[] = {
	{ "user", JTEXT, JREQUIRED, AT(share, user), MAX_NAME },
	{ "level", JTEXT, JREQUIRED, AT(share, level), MAX_TYPE },
	{ 0 },
};

const struct jfield body_settle[] = {
	{ "version", JINT, JPOSITIVE, AT(settle, version), MAX_VERSION },
	{ "fields", JMAP, 0, AT(settle, fields), ACCOUNT_FIELDS_MAX },
	{ "if_version", JINT, 0, AT(settle, if_version), MAX_VERSION },
	{ 0 },
};

const struct jfield body_unlock[] = {
	{ "reason", JTEXT, 0, AT(unlock, reason), MAX_REASON },
	{ 0 },
};

const struct jfield body_emergency_policy[] = {
	{ "state", JTEXT, JREQUIRED, AT(emergency_policy, state), MAX_TYPE },
	{ "resource", JTEXT, 0, AT(emergency_policy, resource), MAX_NAME },
	{ 0 },
};

const struct jfield body_decision[] = {
	{ "approve", JBOOL, JREQUIRED, AT(decision, approve), 0 },
	{ 0 },
};

const struct jfield body_audit_accept[] = {
	{ "reason", JTEXT, JREQUIRED, AT(audit_accept, reason), MAX_REASON },
	{ 0 },
};
