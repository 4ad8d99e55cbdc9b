/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>
#include "vault/importfile.h"
#include "vault/importformat.h"

/* One read file and its arena. */
struct read {
	struct arena *a;
	struct importfile file;
	struct err e;
	int rc;
};

static void
read_done(struct read *r)
{
	importfile_done(&r->file);
	arena_free(r->a);
}

#define auto_read FREE_WITH(read_done) struct read

static void
read_bytes(struct read *r, const void *text, size_t n, const char *format)
{
	*r = (struct read){ .a = arena_new() };
	r->rc = importfile_read(r->a, text, n, format, &r->file, &r->e);
}

static void
read_text(struct read *r, const char *text)
{
	read_bytes(r, text, strlen(text), NULL);
}

static const char *
field(const struct importfile_entry *x, const char *name)
{
	for (size_t i = 0; i < x->nfields; i++)
		if (strcmp(x->field[i].name, name) == 0)
			return x->field[i].value;
	return NULL;
}

#define KEEPASSXC                                                                                  \
	"\"Group\",\"Title\",\"Username\",\"Password\",\"URL\",\"Notes\",\"TOTP\",\"Icon\","       \
	"\"Last Modified\",\"Created\"\n"
#define BITWARDEN                                                                                  \
	"folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password," \
	"login_totp\n"
#define FIREFOX                                                                                    \
	"\"url\",\"username\",\"password\",\"httpRealm\",\"formActionOrigin\",\"guid\","           \
	"\"timeCreated\",\"timeLastUsed\",\"timePasswordChanged\"\n"

/* clang-format off */
static const struct {
	const char *text, *format, *resource, *login, *password, *url;
} shapes[] = {
	{ KEEPASSXC "\"Root/Web\",\"Mail\",\"ann\",\"pw\",\"https://m.test\",\"\",\"\",\"0\",\"2024\",\"2024\"\n", "keepassxc", "Web/Mail", "ann", "pw", "https://m.test" },
	{ "\"Account\",\"Login Name\",\"Password\",\"Web Site\",\"Comments\"\r\n\"Mail\",\"ann\",\"p\\\"w\\\\1\",\"https://m.test\",\"a\\\\b\"\r\n", "keepass-csv", "Mail", "ann", "p\"w\\1", "https://m.test" },
	{ BITWARDEN "Social,,login,Twitter,,,0,twitter.test,me,pw,\n", "bitwarden-csv", "Social/Twitter", "me", "pw", "twitter.test" },
	{ "collections,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp\nOps,login,Web,,,0,,me,pw,\n", "bitwarden-csv", "Ops/Web", "me", "pw", "" },
	{ "name,url,username,password,note\nexample.org,https://example.org/,ann,pw,\n", "chrome", "example.org", "ann", "pw", "https://example.org/" },
	{ "name,url,username,password\nexample.org,https://example.org/,ann,pw\n", "chrome", "example.org", "ann", "pw", "https://example.org/" },
	{ FIREFOX "\"https://u@example.org:8443/x\",\"ann\",\"pw\",,\"https://example.org\",\"{9}\",\"1\",\"1\",\"1\"\n", "firefox", "example.org", "ann", "pw", "https://u@example.org:8443/x" },
	{ "url,username,password,totp,extra,name,grouping,fav\nhttps://e.test,ann,pw,,,Example,Work\\Deep,0\n", "lastpass", "Work/Deep/Example", "ann", "pw", "https://e.test" },
	{ "url,username,password,totp,extra,name,grouping,fav\nhttp://sn,,,,\"NoteType:Server\nHostname:db1\",Server note,(none),0\n", "lastpass", "Server note", "", "", "" },
	{ "Title,Url,Username,Password,OTPAuth,Favorite,Archived,Tags,Notes\nExample,https://e.test,ann,pw,,false,false,,\n", "1password", "Example", "ann", "pw", "https://e.test" },
	{ "Title,URL,Username,Password,Notes,OTPAuth\nExample,https://e.test,ann,pw,,\n", "apple", "Example", "ann", "pw", "https://e.test" },
	{ "Resource Name,DNS Name,Resource Type,User Account,Password,Notes,Department\nweb1,web1.test,Linux,root,pw,n,IT\n", "pmp", "web1", "root", "pw", "" },
	{ "\"Title\",\"Username\",\"URL\",\"Password\",\"Notes\",\"Group\",\"TOTP\"\n\"Example\",\"ann\",\"https://e.test\",\"pw\",\"\",\"Work\",\"\"\n", "passbolt", "Work/Example", "ann", "pw", "https://e.test" },
	{ "resource;login;password\nweb1;root;p,w\n", "plain", "web1", "root", "p,w", "" },
	{ "resource\tlogin\tpassword\r\nweb1\troot\tpw\r\n", "plain", "web1", "root", "pw", "" },
	{ "sep=;\nresource;login;password\nweb1;root;pw\n", "plain", "web1", "root", "pw", "" },
	{ "\xef\xbb\xbfresource , login,password \nweb1 , root ,pw\n", "plain", "web1", "root", "pw", "" },
	{ "resource,login,password\rweb1,root,pw\r", "plain", "web1", "root", "pw", "" },
	{ "resource,login,password\nweb1,root,pw\n,,\n,,\n\n", "plain", "web1", "root", "pw", "" },
	{ "resource,login,password\nweb1,root,pw,,,\n", "plain", "web1", "root", "pw", "" },
	{ "Title,Username,Password\nA,b,c\n", "plain", "A", "b", "c", "" },
	{ "{\"encrypted\":false,\"folders\":[{\"id\":\"f\",\"name\":\"Work\"}],\"items\":[{\"folderId\":\"f\",\"type\":1,\"name\":\"Web\",\"login\":{\"uris\":[{\"uri\":\"https://e.test\"}],\"username\":\"ann\",\"password\":\"pw\",\"totp\":null}}]}", "bitwarden-json", "Work/Web", "ann", "pw", "https://e.test" },
	{ "<?xml version=\"1.0\" encoding=\"utf-8\"?><KeePassFile><Meta/><Root><Group><UUID>r</UUID><Name>Root</Name><Group><UUID>g</UUID><Name>Web</Name><Entry><String><Key>Title</Key><Value>Mail</Value></String><String><Key>UserName</Key><Value>ann</Value></String><String><Key>Password</Key><Value ProtectInMemory=\"True\">pw</Value></String><String><Key>URL</Key><Value>https://m.test</Value></String></Entry></Group></Group></Root></KeePassFile>", "keepass-xml", "Web/Mail", "ann", "pw", "https://m.test" },
};
/* clang-format on */

static void
reads_what_others_export(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		auto_read r;
		read_text(&r, shapes[i].text);
		if (r.rc)
			print_error("%s: %s\n", shapes[i].format, r.e.text);
		assert_int_equal(r.rc, 0);
		assert_string_equal(r.file.format->name, shapes[i].format);
		assert_int_equal(r.file.n, 1);
		const struct importfile_entry *x = r.file.entry;
		assert_null(x->bad);
		assert_null(x->named);
		assert_false(x->removed);
		assert_string_equal(x->resource, shapes[i].resource);
		assert_string_equal(x->login, shapes[i].login);
		assert_string_equal(field(x, "password"), shapes[i].password);
		assert_string_equal(x->url, shapes[i].url);
	}
}

/* Every row of the list has its shape above. */
static void
knows_a_shape_of_every_format(void **state)
{
	size_t n;
	const struct importformat *all = importformat_all(&n);
	for (size_t i = 0; i < n; i++) {
		bool found = false;
		for (size_t k = 0; k < ARRAY_LEN(shapes); k++)
			found |= strcmp(shapes[k].format, all[i].name) == 0;
		assert_true(found);
		assert_ptr_equal(importformat_find(all[i].name), &all[i]);
	}
	assert_null(importformat_find("nonsense"));
}

static void
takes_fields_of_their_own(void **state)
{
	auto_read bw, pmp, json;
	read_text(&bw, BITWARDEN ",1,login,A,\"n\n2\",\"PIN: 1: 2\nq: "
				 "x\",1,,u,p,otp\n,,note,B,,\"PIN: 1\nno colon\",0,,,,\n");
	const struct importfile_entry *x = bw.file.entry;
	assert_string_equal(field(&x[0], "PIN"), "1: 2");
	assert_string_equal(field(&x[0], "q"), "x");
	assert_string_equal(field(&x[0], "notes"), "n\n2");
	assert_string_equal(field(&x[0], "totp"), "otp");
	assert_string_equal(field(&x[1], "fields"), "PIN: 1\nno colon");
	assert_int_equal(bw.file.nlost, 2);
	assert_string_equal(bw.file.lost[0].name, "favorite");
	assert_int_equal(bw.file.lost[0].values, 1);
	read_text(&pmp, "Resource Name,DNS Name,Resource Type,User "
			"Account,Password,Department\nw,w.test,Linux,root,p,IT\n");
	assert_string_equal(field(pmp.file.entry, "Department"), "IT");
	assert_string_equal(pmp.file.entry->address, "w.test");
	assert_string_equal(pmp.file.entry->type, "Linux");
	read_text(&json,
		  "{\"items\":[\n{\"name\":\"Card\",\"type\":3,\"card\":{\"number\":\"4111\","
		  "\"code\":null},"
		  "\"fields\":[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"A\",\"value\":\"2\"}],"
		  "\"notes\":\"n\"},\n"
		  "{\"name\":\"gone\",\"deletedDate\":\"2024-01-01\",\"login\":{\"username\":\"u\","
		  "\"uris\":"
		  "[{\"uri\":\"a.test\"},{\"uri\":\"b.test\"}],\"fido2Credentials\":[{}]}}]}");
	x = json.file.entry;
	assert_int_equal(json.file.n, 2);
	assert_int_equal(x[0].line, 2);
	assert_int_equal(x[1].line, 3);
	assert_string_equal(field(&x[0], "number"), "4111");
	assert_string_equal(field(&x[0], "a"), "1");
	assert_string_equal(field(&x[0], "A (2)"), "2");
	assert_true(x[1].removed);
	assert_string_equal(field(&x[1], "url 2"), "b.test");
	assert_string_equal(json.file.lost[0].name, "passkeys");
}

static void
leaves_recycle_bins_out(void **state)
{
	auto_read csv, xml;
	read_text(&csv, KEEPASSXC
		  "\"Root\",\"a\",\"u\",\"p\",,,,,,\n\"Root/Recycle Bin\",\"b\",\"u\",\"p\",,,,,,\n"
		  "\"Wurzel/Papierkorb/x\",\"c\",\"u\",\"p\",,,,,,\n\"Root/x/Recycle "
		  "Bin\",\"d\",\"u\",\"p\",,,,,,\n");
	assert_int_equal(csv.file.n, 4);
	const bool want[] = { false, true, true, false };
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(csv.file.entry[i].removed, want[i]);
	read_text(&xml, "<KeePassFile><Meta><RecycleBinUUID>B==</RecycleBinUUID></"
			"Meta><Root><Group><UUID>r</UUID><Name>R</Name>"
			"<Entry><String><Key>Title</Key><Value>a</Value></String><Binary><Key>f</"
			"Key><Value Ref=\"0\"/></Binary>"
			"<History><Entry><String><Key>Title</Key><Value>old</Value></String></"
			"Entry></History></Entry>"
			"<Group><UUID>B==</UUID><Name>Abfall</Name><Entry><String><Key>Title</"
			"Key><Value>b</Value></String></Entry>"
			"<Group><UUID>c</UUID><Name>deep</Name><Entry><String><Key>Title</"
			"Key><Value>c</Value></String></Entry></Group>"
			"</Group></Group></Root></KeePassFile>");
	assert_int_equal(xml.rc, 0);
	assert_int_equal(xml.file.n, 3);
	assert_false(xml.file.entry[0].removed);
	assert_true(xml.file.entry[1].removed);
	assert_true(xml.file.entry[2].removed);
	assert_int_equal(xml.file.nlost, 2);
}

static void
names_what_has_no_title(void **state)
{
	auto_read r;
	read_text(&r, KEEPASSXC "\"Root\",\"\",\"ann\",\"p\",\"https://h.test/x\",,,,,\n\"Root/"
				"G\",\"\",\"ann\",\"p\",,,,,,\n"
				"\"Root\",,,\"p\",,,,,,\n");
	const struct importfile_entry *x = r.file.entry;
	assert_string_equal(x[0].resource, "h.test");
	assert_string_equal(x[0].named, "its URL");
	assert_string_equal(x[1].resource, "G/ann");
	assert_string_equal(x[1].named, "its login");
	assert_string_equal(x[2].resource, "untitled");
	assert_non_null(x[2].named);
}

/* One entry that is no good does not hide the others. */
static void
names_what_is_bad_by_its_line(void **state)
{
	static const struct {
		const char *row, *why;
	} rows[] = {
		{ "a,b", "2 fields" },
		{ "a,b,c,d", "4 fields" },
		{ "a,b,c\"d", "quote" },
		{ "\"a\nb\",c,d", "control" },
	};
	auto_buf name = BUF_INIT, notes = BUF_INIT, many = BUF_INIT;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf text = BUF_INIT;
		auto_read r;
		buf_addf(&text, "resource,login,password\ngood,u,p\n%s\nlast,u,p\n", rows[i].row);
		read_text(&r, buf_str(&text));
		assert_int_equal(r.rc, 0);
		assert_int_equal(r.file.n, 3);
		assert_null(r.file.entry[0].bad);
		assert_int_equal(r.file.entry[1].line, 3);
		assert_non_null(strstr(r.file.entry[1].bad, rows[i].why));
		assert_null(r.file.entry[2].bad);
	}
	for (int i = 0; i < 70000; i++)
		buf_addc(&notes, 'n');
	for (int i = 0; i < 201; i++)
		buf_addc(&name, 'x');
	buf_addf(&many,
		 "resource,login,password,notes,a,b\nr,l,p,%s,,\n%s,l,p,,,\nr,l,p,%.60000s,%."
		 "60000s,%.60000s\nr,l,p,,,\n",
		 buf_str(&notes), buf_str(&name), buf_str(&notes), buf_str(&notes),
		 buf_str(&notes));
	auto_read r;
	read_text(&r, buf_str(&many));
	assert_int_equal(r.rc, 0);
	assert_non_null(strstr(r.file.entry[0].bad, "64 KiB"));
	assert_non_null(strstr(r.file.entry[1].bad, "200 bytes"));
	assert_non_null(strstr(r.file.entry[2].bad, "128 KiB"));
	assert_null(r.file.entry[3].bad);
}

static void
refuses_what_cannot_be_read(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *why;
	} rows[] = {
		{ "", 0, "line 1: the file is empty" },
		{ "hunter2,b,c\n1,2,3\n", 18, "line 1: these are not the columns" },
		{ "resource,login,password,login\n", 30, "line 1: column 4 is there twice" },
		{ "resource,login,password\na,b,\xff\n", 29, "line 2: " },
		{ "resource,login,password\na,b,c\0d\n", 32, "line 2: " },
		{ "resource,login,password\na,b,\"open\n", 34,
		  "line 2: a quoted field never ends" },
		{ "PK\x03\x04....", 8, "line 1: this is a ZIP" },
		{ "\xff\xfe\x00\xd8\x41\x00", 6, "line 1: the UTF-16 text is damaged" },
		{ "\xff\xfe\x41", 3, "the UTF-16 text ends" },
		{ "{\"items\":[", 10, "line 1: the JSON is damaged" },
		{ "{\"encrypted\":true,\"data\":\"x\"}", 29, "this export is encrypted" },
		{ "{\"a\":1}", 7, "line 1: this is JSON, but not" },
		{ "{\"a\":[[[[[[[[[[[[[[1]]]]]]]]]]]]]]}", 35, "line 1: the JSON is nested" },
		{ "<a><b></a>", 10, "line 1: the XML is damaged" },
		{ "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", 40, "line 1: a document type" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_read r;
		read_bytes(&r, rows[i].text, rows[i].n, NULL);
		assert_int_equal(r.rc, ERR_BAD_FIELD);
		if (strncmp(r.e.text, rows[i].why, strlen(rows[i].why)) != 0)
			fail_msg("%zu: %s", i, r.e.text);
		/* Where there is no header the first line may be a secret. */
		assert_null(strstr(r.e.text, "hunter2"));
	}
}

static void
bounds_xml_depth(void **state)
{
	auto_buf text = BUF_INIT;
	auto_read r;
	buf_adds(&text, "<KeePassFile><Root>");
	for (int i = 0; i < 100; i++)
		buf_adds(&text, "<Group>");
	read_text(&r, buf_str(&text));
	assert_int_equal(r.rc, ERR_BAD_FIELD);
	assert_non_null(strstr(r.e.text, "nested"));
}

/* ---- byte for byte ---- */

static uint32_t
next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

/* Valid UTF-8, rich in what formats quote. xml: only what XML can carry unchanged. */
static void
random_text(uint64_t *seed, bool xml, struct buf *out)
{
	static const char *const nasty[] = { "\"", "\"\"", "\\", "\\\"",   ",",	     ";",   "\t",
					     "\n", "=",	   "+",	 "-",	   "@",	     " ",   "  ",
					     "'",  "<",	   ">",	 "&",	   "]]>",    "\\n", "ä",
					     "€",  "𝄞",	   "😀",	 "\u00a0", "\u200b", "{",   "}" };
	static const char *const odd[] = { "\r\n", "\r", "\x01", "\x7f" };
	unsigned n = next_random(seed) % 24;
	for (unsigned i = 0; i < n; i++) {
		uint32_t r = next_random(seed);
		if (r % 3 == 0)
			buf_addc(out, (char)('!' + r / 3 % 94));
		else if (r % 19 == 1 && !xml)
			buf_adds(out, odd[r / 19 % ARRAY_LEN(odd)]);
		else
			buf_adds(out, nasty[r / 3 % ARRAY_LEN(nasty)]);
	}
}

static void
add_quoted(struct buf *out, const struct buf *s, bool backslash)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < s->len; i++) {
		if (s->data[i] == '"')
			buf_addc(out, backslash ? '\\' : '"');
		if (s->data[i] == '\\' && backslash)
			buf_addc(out, '\\');
		buf_addc(out, s->data[i]);
	}
	buf_addc(out, '"');
}

static void
add_xml(struct buf *out, const struct buf *s)
{
	for (size_t i = 0; i < s->len; i++) {
		const char *as = s->data[i] == '<'   ? "&lt;"
				 : s->data[i] == '>' ? "&gt;"
				 : s->data[i] == '&' ? "&amp;"
						     : NULL;
		if (as)
			buf_adds(out, as);
		else
			buf_addc(out, s->data[i]);
	}
}

/* One entry with this password in the format's own quoting. */
static void
write_format(const struct importformat *f, const struct buf *pw, struct buf *out)
{
	if (strcmp(f->name, "keepass-xml") == 0) {
		buf_adds(out, "<KeePassFile><Root><Group><Name>R</Name><Entry><String><Key>Title</"
			      "Key><Value>t</Value></String>"
			      "<String><Key>Password</Key><Value>");
		add_xml(out, pw);
		buf_adds(out, "</Value></String></Entry></Group></Root></KeePassFile>");
		return;
	}
	if (strcmp(f->name, "bitwarden-json") == 0) {
		json_t *o = json_pack("{s:[{s:s,s:{s:s%}}]}", "items", "name", "t", "login",
				      "password", buf_str(pw), pw->len);
		char *text = json_dumps(o, 0);
		buf_adds(out, text);
		free(text);
		json_decref(o);
		return;
	}
	const struct importformat_column *c;
	for (c = f->columns; c->header; c++)
		buf_addf(out, "%s\"%s\"", c == f->columns ? "" : ",", c->header);
	for (size_t i = 0; f->needs[i]; i++) {
		for (c = f->columns; c->header && strcasecmp(c->header, f->needs[i]) != 0;)
			c++;
		if (!c->header)
			buf_addf(out, ",\"%s\"", f->needs[i]);
	}
	buf_addc(out, '\n');
	bool first = true;
	for (c = f->columns; c->header; c++, first = false) {
		if (!first)
			buf_addc(out, ',');
		if (c->field && strcmp(c->field, "password") == 0)
			add_quoted(out, pw, strcmp(f->name, "keepass-csv") == 0);
		else if (c->use == IMPORTFORMAT_TITLE)
			buf_adds(out, "t");
	}
	for (size_t i = 0; f->needs[i]; i++) {
		for (c = f->columns; c->header && strcasecmp(c->header, f->needs[i]) != 0;)
			c++;
		if (!c->header)
			buf_addc(out, ',');
	}
	buf_addc(out, '\n');
}

static void
passwords_come_through_byte_for_byte(void **state)
{
	uint64_t seed = 20261128;
	size_t n;
	const struct importformat *all = importformat_all(&n);
	for (int round = 0; round < 400; round++) {
		for (size_t i = 0; i < n; i++) {
			auto_buf pw = BUF_INIT, text = BUF_INIT;
			auto_read r;
			random_text(&seed, strcmp(all[i].name, "keepass-xml") == 0, &pw);
			write_format(&all[i], &pw, &text);
			read_bytes(&r, text.data, text.len, all[i].name);
			if (r.rc || r.file.n != 1 || r.file.entry[0].bad ||
			    strcmp(field(r.file.entry, "password"), buf_str(&pw)) != 0)
				fail_msg("%s: \"%s\" became \"%s\" (%s)", all[i].name, buf_str(&pw),
					 r.file.n ? field(r.file.entry, "password") : "nothing",
					 r.e.text);
		}
	}
}

static void
add_utf16(struct buf *out, bool big, unsigned c)
{
	buf_add_u8(out, (uint8_t)(big ? c >> 8 : c));
	buf_add_u8(out, (uint8_t)(big ? c : c >> 8));
}

static void
reads_utf16(void **state)
{
	static const char want[] = "p\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
	static const uint16_t password[] = { 'p', 0xe4, 0x20ac, 0xd83d, 0xde00 };
	for (int big = 0; big < 2; big++) {
		auto_buf text = BUF_INIT;
		auto_read r;
		add_utf16(&text, big, 0xfeff);
		for (const char *p = "resource\tlogin\tpassword\r\nweb1\troot\t"; *p; p++)
			add_utf16(&text, big, (unsigned char)*p);
		for (size_t i = 0; i < ARRAY_LEN(password); i++)
			add_utf16(&text, big, password[i]);
		read_bytes(&r, text.data, text.len, NULL);
		assert_int_equal(r.rc, 0);
		assert_string_equal(field(r.file.entry, "password"), want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_others_export),
		cmocka_unit_test(knows_a_shape_of_every_format),
		cmocka_unit_test(takes_fields_of_their_own),
		cmocka_unit_test(leaves_recycle_bins_out),
		cmocka_unit_test(names_what_has_no_title),
		cmocka_unit_test(names_what_is_bad_by_its_line),
		cmocka_unit_test(refuses_what_cannot_be_read),
		cmocka_unit_test(bounds_xml_depth),
		cmocka_unit_test(passwords_come_through_byte_for_byte),
		cmocka_unit_test(reads_utf16),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
