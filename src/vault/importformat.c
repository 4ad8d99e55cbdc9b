/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/importformat.h"

#include <string.h>
#include "vault/importread.h"

#define TITLE(header)                                                                              \
	{                                                                                          \
		header, IMPORTFORMAT_TITLE, NULL                                                   \
	}
#define GROUP(header)                                                                              \
	{                                                                                          \
		header, IMPORTFORMAT_GROUP, NULL                                                   \
	}
#define LOGIN(header)                                                                              \
	{                                                                                          \
		header, IMPORTFORMAT_LOGIN, NULL                                                   \
	}
#define URL(header)                                                                                \
	{                                                                                          \
		header, IMPORTFORMAT_URL, NULL                                                     \
	}
#define FIELD(header, name)                                                                        \
	{                                                                                          \
		header, IMPORTFORMAT_FIELD, name                                                   \
	}
#define OTHER(header, use)                                                                         \
	{                                                                                          \
		header, IMPORTFORMAT_##use, NULL                                                   \
	}
#define END                                                                                        \
	{                                                                                          \
		NULL, 0, NULL                                                                      \
	}

/* clang-format off */
static const struct importformat_column keepass_group[] = { /* KeePassXC, Passbolt */
	GROUP("Group"), TITLE("Title"), LOGIN("Username"), FIELD("Password", "password"), URL("URL"),
	FIELD("Notes", "notes"), FIELD("TOTP", "totp"), END,
};
static const struct importformat_column keepass_csv[] = {
	TITLE("Account"), LOGIN("Login Name"), FIELD("Password", "password"), URL("Web Site"),
	FIELD("Comments", "notes"), END,
};
static const struct importformat_column bitwarden[] = {
	GROUP("folder"), GROUP("collections"), OTHER("type", NOTHING), TITLE("name"), FIELD("notes", "notes"),
	OTHER("fields", FIELDS), URL("login_uri"), LOGIN("login_username"), FIELD("login_password", "password"),
	FIELD("login_totp", "totp"), END,
};
static const struct importformat_column lastpass[] = {
	URL("url"), LOGIN("username"), FIELD("password", "password"), FIELD("totp", "totp"), FIELD("extra", "notes"),
	TITLE("name"), GROUP("grouping"), END,
};
static const struct importformat_column browser[] = { /* Chrome and its kin, Firefox */
	TITLE("name"), URL("url"), LOGIN("username"), FIELD("password", "password"), FIELD("note", "notes"), END,
};
static const struct importformat_column otpauth[] = { /* 1Password, Apple */
	TITLE("Title"), URL("Url"), LOGIN("Username"), FIELD("Password", "password"), FIELD("OTPAuth", "totp"),
	FIELD("Notes", "notes"), END,
};
static const struct importformat_column pmp[] = {
	TITLE("Resource Name"), LOGIN("User Account"), FIELD("Password", "password"), OTHER("DNS Name", ADDRESS),
	OTHER("Resource Type", TYPE), URL("Resource URL"), OTHER("Description", DESCRIPTION),
	OTHER("Resource Description", DESCRIPTION), FIELD("Notes", "notes"), END,
};
/* Of several columns for one thing the upper row counts; the other one becomes a field. */
static const struct importformat_column plain[] = {
	TITLE("resource"), TITLE("title"), TITLE("name"), LOGIN("login"), LOGIN("username"), LOGIN("user name"),
	LOGIN("user"), FIELD("password", "password"), URL("url"), URL("website"), URL("web site"),
	OTHER("description", DESCRIPTION), FIELD("notes", "notes"), FIELD("note", "notes"), FIELD("totp", "totp"), END,
};

static const struct importformat table[] = {
	{ "bitwarden-csv", "Bitwarden (CSV)", importread_csv, NULL, { "name", "login_username", "login_password" }, bitwarden, '/', 0 },
	{ "lastpass", "LastPass (CSV)", importread_csv, NULL, { "url", "username", "password", "extra", "name", "grouping" }, lastpass, '\\', 0 },
	{ "firefox", "Firefox (CSV)", importread_csv, NULL, { "url", "username", "password", "httpRealm" }, browser, '/', IMPORTFORMAT_NO_TITLE },
	{ "chrome", "Chrome or Edge (CSV)", importread_csv, "name", { "name", "url", "username", "password" }, browser, '/', 0 },
	{ "keepassxc", "KeePassXC (CSV)", importread_csv, "Group", { "Group", "Title", "Username", "Password" }, keepass_group, '/', IMPORTFORMAT_ROOT },
	{ "passbolt", "Passbolt (CSV)", importread_csv, "Title", { "Title", "Username", "Password", "Group" }, keepass_group, '/', 0 },
	{ "1password", "1Password (CSV)", importread_csv, NULL, { "Title", "Username", "Password", "OTPAuth", "Archived" }, otpauth, '/', 0 },
	{ "apple", "Apple Passwords (CSV)", importread_csv, NULL, { "Title", "URL", "Username", "Password", "OTPAuth" }, otpauth, '/', 0 },
	{ "keepass-csv", "KeePass (CSV)", importread_csv, NULL, { "Account", "Login Name", "Password", "Web Site", "Comments" }, keepass_csv, '/', IMPORTFORMAT_BACKSLASH },
	{ "pmp", "Password Manager Pro (CSV)", importread_csv, NULL, { "Resource Name", "User Account", "Password" }, pmp, '/', IMPORTFORMAT_KEEP },
	{ "bitwarden-json", "Bitwarden (JSON)", importread_json, NULL, { NULL }, NULL, '/', 0 },
	{ "keepass-xml", "KeePass 2 (XML)", importread_xml, NULL, { NULL }, NULL, '/', IMPORTFORMAT_ROOT },
	{ "plain", "a table with a header (CSV)", importread_csv, NULL, { "password" }, plain, '/', IMPORTFORMAT_KEEP },
};

/* As KeePassXC and KeePass name it in their languages. */
static const char *const bins[] = {
	"Recycle Bin", "Trash", "Papierkorb", "Corbeille", "Papelera", "Papelera de reciclaje", "Cestino", "Prullenbak",
	"Lixeira", "Reciclagem", "Kosz", "Koš", "Kôš", "Корзина", "Кошик", "Смітник", "Кошче", "Papperskorg", "Papperskorgen",
	"Papirkurv", "Roskakori", "Lomtár", "Kuka", "Coş de reciclare", "Geri Dönüşüm Kutusu", "Κάδος ανακύκλωσης", "סל המחזור",
	"سلة المحذوفات", "ゴミ箱", "휴지통", "回收站", "資源回收筒", "回收桶",
};
/* clang-format on */

const struct importformat *
importformat_all(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(table);
	return table;
}

const struct importformat *
importformat_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

bool
importformat_is_bin(const char *group)
{
	for (size_t i = 0; i < ARRAY_LEN(bins); i++)
		if (strcmp(bins[i], group) == 0)
			return true;
	return false;
}
