/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/name.h"
#include "vault/audit.h"
#include "vault/import.h"
#include "vault/policy.h"

/* Each has a bit of its own. */
static unsigned
every_capability(void)
{
	unsigned all = 0;

#define CAPABILITY(NAME, name, bit, text)                                                          \
	assert_int_equal(all &(bit), 0);                                                           \
	all |= (bit);
#define ROLE(NAME, name, capabilities, text)
#include "vault/role.def"
#undef ROLE
#undef CAPABILITY
	return all;
}

static void
roles_have_names(void **state)
{
	auto_buf known = BUF_INIT;

	for (int r = ROLE_NONE + 1; r <= ROLE_ADMINISTRATOR; r++)
		assert_int_equal(policy_role(policy_role_name((enum role)r)), r);
	assert_int_equal(policy_role("team"), ROLE_NONE);
	assert_int_equal(policy_role(""), ROLE_NONE);
	policy_list_roles(&known);
	assert_string_equal(buf_str(&known),
			    "auditor, user, password_administrator or administrator");
}

static void
capabilities_go_by_role(void **state)
{
	assert_true(policy_has(ROLE_NONE, CAP_NONE));
	assert_false(policy_has(ROLE_NONE, CAP_SELF));
	assert_true(policy_has(ROLE_USER, CAP_SELF | CAP_USE));
	assert_false(policy_has(ROLE_USER, CAP_USERS));
	assert_false(policy_has(ROLE_USER, CAP_USE | CAP_AUDIT));
	assert_true(policy_has(ROLE_ADMINISTRATOR, every_capability()));
	assert_true(policy_has(ROLE_AUDITOR, CAP_SELF | CAP_AUDIT));
	assert_false(policy_has(ROLE_AUDITOR, CAP_USE));
	assert_false(policy_has(ROLE_AUDITOR, CAP_ACCEPT));
	assert_true(policy_has(ROLE_PASSWORD_ADMINISTRATOR, CAP_USE | CAP_CHANGES));
	for (unsigned bit = CAP_USERS; bit <= CAP_TEAMS; bit *= 2)
		assert_false(policy_has(ROLE_PASSWORD_ADMINISTRATOR, bit));
	assert_false(policy_has(ROLE_ADMINISTRATOR, 1u << 20));
}

static void
levels_have_names(void **state)
{
	assert_int_equal(policy_level("view"), LEVEL_VIEW);
	assert_int_equal(policy_level("manage"), LEVEL_MANAGE);
	assert_int_equal(policy_level("owner"), LEVEL_NONE); /* cannot be shared */
	assert_int_equal(policy_level(""), LEVEL_NONE);
	assert_null(policy_level_name(LEVEL_NONE));
	assert_null(policy_level_name(9));
	assert_string_equal(policy_level_name(LEVEL_OWNER), "owner");
}

static void
patterns_are_escaped(void **state)
{
	auto_arena a = arena_new();
	assert_string_equal(policy_pattern(a, "db"), "%db%");
	assert_string_equal(policy_pattern(a, "100%_\\'"), "%100\\%\\_\\\\'%");
}

static void
names_are_plain(void **state)
{
	static const char *const bad[] = { "", " a", "a ", "a\nb", "a\x7f", "\x01" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = { 0 };
		assert_int_equal(name_check(bad[i], "name", &e), ERR_BAD_FIELD);
	}
	struct err e = { 0 };
	assert_int_equal(name_check("Müller & Söhne", "name", &e), 0);
}

static void
auditors_see_no_secrets(void **state)
{
	static const struct {
		const char *body, *want;
	} rows[] = {
		{ "{}", "{}" },
		{ "{\"login\":\"root\",\"version\":3}", "{\"login\":\"root\",\"version\":3}" },
		{ "{\"sealed\":\"AAAA\",\"n\":1}", "{\"n\":1}" },
		{ " { \"n\" : 1 , \"mac\" : \"ff\" } ", "{\"n\" : 1 }" },
		{ "{\"mac\":\"a\",\"x\":{\"y\":[1,2]},\"password_hash\":null}",
		  "{\"x\":{\"y\":[1,2]}}" },
		{ "{\"\\u006dac\":\"ff\"}", "{}" },
		{ "", "{\"unreadable\":true}" },
		{ "[1]", "{\"unreadable\":true}" },
		{ "{\"a\":1}}", "{\"unreadable\":true}" },
		{ "{\"a\":01}", "{\"unreadable\":true}" },
		{ "{\"a\":\"\\x\"}", "{\"unreadable\":true}" },
		{ "{\"a\":\"open}", "{\"unreadable\":true}" },
		{ "{\"a\" 1}", "{\"unreadable\":true}" },
		{ "{\"a\":1,}", "{\"unreadable\":true}" },
		{ "{\"a\":\"\xff\"}", "{\"unreadable\":true}" },
		{ "{\"a\":[[[[[[[[[[1]]]]]]]]]]}", "{\"unreadable\":true}" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf out = BUF_INIT;
		struct json_out w;
		json_out_init(&w, &out);
		audit_write_body(&w, NULL, rows[i].body);
		assert_string_equal(buf_str(&out), rows[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roles_have_names),  cmocka_unit_test(capabilities_go_by_role),
		cmocka_unit_test(levels_have_names), cmocka_unit_test(patterns_are_escaped),
		cmocka_unit_test(names_are_plain),   cmocka_unit_test(auditors_see_no_secrets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
