/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdatomic.h>
#include <string.h>
#include "cli/frame/lookup.h"

#define ID(n) "01890000-0000-7000-8000-00000000000" n
#define OWNER(name) "\"owner\":{\"id\":\"" ID("f") "\",\"name\":\"" name "\"}"
#define ACCOUNT(id, login) "{\"id\":\"" ID(id) "\",\"login\":\"" login "\"}"
#define FULL(id, resource, login, owner)                                                           \
	"{\"id\":\"" ID(id) "\",\"login\":\"" login                                                \
			    "\",\"resource\":{\"id\":\"" ID("e") "\",\"name\":\"" resource         \
								 "\"," OWNER(owner) "}}"
#define RESOURCE(id, name, accounts)                                                               \
	"{\"id\":\"" ID(id) "\",\"name\":\"" name "\"," OWNER("ada") ",\"accounts\":[" accounts    \
								     "],\"more\":false}"
#define TWIN(id, resource, owner)                                                                  \
	"{\"id\":\"" ID(id) "\",\"login\":\"root\",\"suffix\":null,\"resource\":{\"id\":\"" ID(    \
		resource) "\",\"name\":\"Twin\",\"suffix\":\"~000" resource                        \
			  "\"," OWNER(owner) "}}"
#define ANSWER(accounts, resources) "{\"accounts\":[" accounts "],\"resources\":[" resources "]}"
#define WORD "/v1/lookup?reference="
#define WORDS "/v1/lookup?resource="
#define GOOD(path, answer)                                                                         \
	{                                                                                          \
		path, 200, answer, "primary", NULL                                                 \
	}

static struct fake node;
static struct remote *r;

static int
start(void **state)
{
	struct err e = { 0 };
	const char *users1 =
		"{\"users\":[{\"id\":\"" ID("7") "\",\"name\":\"adam\"}],\"next\":\"" ID("7") "\"}";
	const char *users2 =
		"{\"users\":[{\"id\":\"" ID("8") "\",\"name\":\"Ada\"}],\"next\":null}";
	const char *web = RESOURCE("1", "Web", ACCOUNT("2", "root") "," ACCOUNT("3", "ada"));

	fake_start(&node, 200, ANSWER("", ""));
	auto_buf web_answer = BUF_INIT;
	buf_addf(&web_answer, "{\"accounts\":[],\"resources\":[%s]}", web);
	static char kept[1024];
	snprintf(kept, sizeof(kept), "%s", buf_str(&web_answer));
	const struct fake_answer answers[] = {
		GOOD(WORD "Web/root", ANSWER(FULL("2", "Web", "root", "ada"), "")),
		GOOD(WORD "web/ROOT", ANSWER(FULL("2", "Web", "root", "ada"), "")),
		GOOD(WORD "Web", kept),
		GOOD(WORDS "Web", kept),
		GOOD(WORD "a/b/c",
		     ANSWER(FULL("4", "a", "b/c", "ada") "," FULL("5", "a/b", "c", "eve"), "")),
		GOOD(WORDS "a/b&login=c", ANSWER(FULL("5", "a/b", "c", "eve"), "")),
		GOOD(WORD "d/e",
		     ANSWER(FULL("4", "d", "e", "eve"), RESOURCE("6", "d/e", ACCOUNT("5", "x")))),
		GOOD(WORD "twin/root", ANSWER(TWIN("4", "4", "ada") "," TWIN("5", "5", "eve"), "")),
		GOOD(WORD "twin~0005/ROOT", ANSWER(TWIN("5", "5", "eve"), "")),
		GOOD(WORDS "twin~0005&login=root", ANSWER(TWIN("5", "5", "eve"), "")),
		GOOD(WORD "twin~0006/root", ANSWER(TWIN("5", "5", "eve"), "")),
		GOOD(WORD "One", ANSWER("", RESOURCE("6", "One", ACCOUNT("5", "x")))),
		GOOD(WORD "Bare", ANSWER("", RESOURCE("6", "Bare", ""))),
		GOOD(WORD "lie/x", ANSWER(FULL("2", "Web", "root", "ada"), "")),
		GOOD(WORD "lie", ANSWER("", RESOURCE("6", "Another", ACCOUNT("5", "x")))),
		GOOD(WORDS "odd", ANSWER("", "{\"id\":\"no id\",\"name\":\"odd\"}")),
		GOOD("/v1/accounts/" ID("9"), FULL("9", "Web", "nine", "ada")),
		GOOD("/v1/accounts/" ID("a"), FULL("9", "Web", "nine", "ada")),
		GOOD("/v1/users?q=ada&limit=200", users1),
		GOOD("/v1/users?q=ada&limit=200&after=" ID("7"), users2),
		node.answers[0],
	};
	_Static_assert(ARRAY_LEN(answers) <= FAKE_ANSWERS, "room for all of them");
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
account(const char *first, const char *login, enum lookup_use use, const char *id)
{
	auto_thing got = { 0 };
	struct err e = { 0 };

	if (lookup_account(r, (struct lookup_words){ first, login }, use, &got, &e) != 0)
		fail_msg("%s: %s", first, e.text);
	assert_string_equal(got.id, id);
}

static void
no_account(const char *first, const char *login, enum lookup_use use, int code, const char *text)
{
	auto_thing got = { 0 };
	struct err e = { 0 };
	int rc = lookup_account(r, (struct lookup_words){ first, login }, use, &got, &e);

	if (rc != code || !strstr(e.text, text))
		fail_msg("%s: %d %s", first, rc, e.text);
	assert_string_equal(got.id, "");
}

static void
test_accounts(void **state)
{
	for (int use = LOOKUP_READ; use <= LOOKUP_WRITE; use++) {
		account("Web/root", NULL, use, ID("2"));
		account("web/ROOT", NULL, use, ID("2"));
		account("a/b", "c", use, ID("5"));
		account(ID("9"), NULL, use, ID("9"));
		no_account("a/b/c", NULL, use, ERR_REFUSED,
			   ID("4") " (a b/c, of ada), " ID("5") " (a/b c, of eve)");
		no_account("d/e", NULL, use, ERR_REFUSED,
			   ID("5")); /* a login, or a resource's name */
		no_account("twin/root", NULL, use, ERR_REFUSED,
			   ID("4") " ('Twin~0004/root', of ada), " ID(
				   "5") " ('Twin~0005/root', of eve)");
		account("twin~0005/ROOT", NULL, use, ID("5"));
		account("twin~0005", "root", use, ID("5"));
		no_account("twin~0006/root", NULL, use, ERR_BAD_JSON, "something else");
		no_account("none", NULL, use, ERR_NOT_FOUND, "\"none\"");
		no_account("none/x", NULL, use, ERR_NOT_FOUND, "\"none\"");
		no_account("Web/nobody", NULL, use, ERR_NOT_FOUND, "root, ada");
		no_account("/x", NULL, use, ERR_NOT_FOUND, "/x");
		no_account(ID("1"), NULL, use, ERR_BAD_JSON, "another id");
	}
	account("One", NULL, LOOKUP_READ, ID("5")); /* the only one there is */
	no_account("One", NULL, LOOKUP_WRITE, ERR_REFUSED, "One/LOGIN");
	no_account("Web", NULL, LOOKUP_READ, ERR_NOT_FOUND, "root, ada");
	no_account("Web", NULL, LOOKUP_WRITE, ERR_REFUSED, "root, ada");
	no_account("Bare", NULL, LOOKUP_READ, ERR_NOT_FOUND, "no account");
	no_account("Bare", NULL, LOOKUP_WRITE, ERR_REFUSED, "no account");
}

/* Whatever the node says: what was not asked for is not touched. */
static void
test_answers_are_held_against_the_question(void **state)
{
	for (int use = LOOKUP_READ; use <= LOOKUP_WRITE; use++) {
		no_account("lie/x", NULL, use, ERR_BAD_JSON, "something else");
		no_account("lie", NULL, use, ERR_BAD_JSON, "something else");
		no_account(ID("a"), NULL, use, ERR_BAD_JSON, "another id");
	}
}

static void
test_resources(void **state)
{
	auto_thing t = { 0 };
	struct err e = { 0 };

	assert_int_equal(lookup_resource(r, "Web", &t, &e), 0);
	assert_string_equal(t.id, ID("1"));
	assert_string_equal(t.owner, "ada");
	assert_null(t.login);
	lookup_thing_done(&t);
	assert_int_equal(lookup_resource(r, "none", &t, &e), ERR_NOT_FOUND);
	assert_int_equal(lookup_resource(r, "odd", &t, &e), ERR_BAD_JSON);
}

/* Commands that are shown can be pasted. */
static void
test_quote(void **state)
{
	static const struct {
		const char *resource, *login, *words;
	} rows[] = {
		{ "Web", "root", "Web/root" },
		{ "a/b", "c", "a/b c" },
		{ "a", "b/c", "a b/c" },
		{ "two words", "x", "'two words/x'" },
		{ "it's", "$(x)", "'it'\\''s/$(x)'" },
		{ "a b/c", "d;e", "'a b/c' 'd;e'" },
		{ "-x", "y", "-- '-x/y'" },
		{ "Web", "", ID("1") },
		{ "tab\there", "x", ID("1") },
		{ "zero\xe2\x80\x8bwidth", "x", ID("1") },
		{ "Web", NULL, "Web" },
		{ "a b", NULL, "'a b'" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf out = BUF_INIT;
		struct lookup_thing t = { ID("1"), UNCONST(char *, rows[i].resource),
					  UNCONST(char *, rows[i].login), UNCONST(char *, "") };
		lookup_quote(&out, &t);
		assert_string_equal(buf_str(&out), rows[i].words);
	}
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
		cmocka_unit_test_setup_teardown(test_answers_are_held_against_the_question, start,
						stop),
		cmocka_unit_test_setup_teardown(test_resources, start, stop),
		cmocka_unit_test(test_quote),
		cmocka_unit_test_setup_teardown(test_users, start, stop),
		cmocka_unit_test(test_text),
	};
	http_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
