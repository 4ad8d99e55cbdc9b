/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdatomic.h>
#include <string.h>
#include "cli/lookup.h"

#define ID(n) "01890000-0000-7000-8000-00000000000" n
#define PAGE "{\"resources\":["
#define NAMED "/v1/resources?limit=2&name="

static struct fake node;
static struct remote *r;

static int
start(void **state)
{
	struct err e = { 0 };
	const char *nothing = PAGE "],\"next\":null}";
	const char *web =
		PAGE "{\"id\":\"" ID("1") "\",\"name\":\"Web\",\"accounts\":[{\"id\":\"" ID(
			"2") "\",\"login\":\"root\"},{\"id\":\"" ID("3") "\",\"login\":\"ada\"}]}],"
									 "\"next\":null}";
	const char *one =
		PAGE "{\"id\":\"" ID("4") "\",\"name\":\"a/b\",\"accounts\":[{\"id\":\"" ID(
			"5") "\",\"login\":\"x/y\"}]}],\"next\":null}";
	const char *bare =
		PAGE "{\"id\":\"" ID("6") "\",\"name\":\"Bare\",\"accounts\":[]}],\"next\":null}";
	const char *users1 =
		"{\"users\":[{\"id\":\"" ID("7") "\",\"name\":\"adam\"}],\"next\":\"" ID("7") "\"}";
	const char *users2 =
		"{\"users\":[{\"id\":\"" ID("8") "\",\"name\":\"Ada\"}],\"next\":null}";

	fake_start(&node, 200, nothing);
	const struct fake_answer answers[] = {
		{ NAMED "Web", 200, web, "primary", NULL },
		{ NAMED "a/b", 200, one, "primary", NULL },
		{ NAMED "Bare", 200, bare, "primary", NULL },
		{ NAMED "odd", 200, PAGE "{\"id\":\"no id\"}]}", "primary", NULL },
		{ "/v1/users?limit=200&q=ada", 200, users1, "primary", NULL },
		{ "/v1/users?limit=200&q=ada&after=" ID("7"), 200, users2, "primary", NULL },
		node.answers[0],
	};
	memcpy(node.answers, answers, sizeof(answers));
	const struct session_node nodes[] = { { node.port, node.pair.cert.data } };
	session_write(nodes, 1);
	assert_int_equal(remote_open(&r, &e), 0);
	return 0;
}

static int
stop(void **state)
{
	remote_free(r);
	fake_stop(&node);
	session_remove();
	return 0;
}

static void
test_escape(void **state)
{
	auto_buf b = BUF_INIT;

	lookup_escape(&b, "aZ09-._~ /?&=#%+\"\\\xc3\xa4\x01");
	assert_string_equal(buf_str(&b), "aZ09-._~%20%2F%3F%26%3D%23%25%2B%22%5C%C3%A4%01");
}

static void
account(const char *spec, const char *id)
{
	char got[37] = "";
	struct err e = { 0 };

	assert_int_equal(lookup_account(r, spec, got, &e), 0);
	assert_string_equal(got, id);
}

static void
no_account(const char *spec, const char *text)
{
	char got[37] = "";
	struct err e = { 0 };

	assert_int_equal(lookup_account(r, spec, got, &e), ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, text));
}

static void
test_accounts(void **state)
{
	account(ID("9"), ID("9")); /* an id is taken at its word */
	assert_int_equal(atomic_load(&node.asked), 0);
	account("Web/root", ID("2"));
	account("Web/ADA", ID("3"));
	account("a/b", ID("5")); /* names may hold slashes */
	no_account("Web", "root, ada");
	no_account("Web/nobody", "root, ada");
	no_account("Bare", "no account");
	no_account("Bare/x", "no account");
	no_account("none", "\"none\"");
	no_account("none/x", "\"none\"");
	no_account("", "\"\"");
	no_account("/", "\"/\"");
	no_account("/x", "\"/x\"");
}

static void
test_resources(void **state)
{
	char id[37];
	struct err e = { 0 };

	assert_int_equal(lookup_resource(r, "Web", id, &e), 0);
	assert_string_equal(id, ID("1"));
	assert_int_equal(lookup_resource(r, "none", id, &e), ERR_NOT_FOUND);
	assert_int_equal(lookup_resource(r, "odd", id, &e), ERR_BAD_JSON);
}

/* Many users may hold the name that is looked for; it may be on a later page. */
static void
test_users(void **state)
{
	char id[37];
	struct err e = { 0 };

	assert_int_equal(lookup_user(r, "ada", id, &e), 0);
	assert_string_equal(id, ID("8"));
	assert_int_equal(lookup_user(r, "nobody", id, &e), ERR_NOT_FOUND);
	assert_int_equal(lookup_node(r, "nobody", id, &e), ERR_NOT_FOUND);
}

static void
test_text(void **state)
{
	auto_json o = json_pack("{s:s s:i s:n}", "a", "x", "b", 1, "c");

	assert_string_equal(lookup_text(o, "a"), "x");
	assert_string_equal(lookup_text(o, "b"), "");
	assert_string_equal(lookup_text(o, "c"), "");
	assert_string_equal(lookup_text(o, "d"), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),
		cmocka_unit_test_setup_teardown(test_accounts, start, stop),
		cmocka_unit_test_setup_teardown(test_resources, start, stop),
		cmocka_unit_test_setup_teardown(test_users, start, stop),
		cmocka_unit_test(test_text),
	};
	http_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
