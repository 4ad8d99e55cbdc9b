/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast cert show, import, renew: the web certificate, and whom this node trusts besides the
 * pins it knows.
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/control.h"
#include "base/certlife.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/pidfile.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/qr.h"
#include "cli/frame/term.h"
#include "crypto/fingerprint.h"
#include "crypto/x509.h"
#include "node/ownstatus.h"
#include "node/preflight.h"
#include "node/runas.h"
#include "pack/authority.h"

#define PEM_MAX 65536
#define CERT_DAYS 3650

/* Opens the home and, started as root, becomes the user that it belongs to. */
static int
open_home(const struct cli *c, struct home *ret, struct err *e)
{
	struct runas user;
	int rc = cli_home(c, ret, e);
	if (rc == 0)
		rc = runas_choose(ret->dir, NULL, &user, e);
	if (rc == 0)
		rc = runas_become(&user, e);
	return rc == 0 ? preflight_settle(ret, e) : rc;
}

static int
read_cert(const char *path, struct buf *pem, struct x509_info *ret, struct err *e)
{
	int rc = home_read_file(path, PEM_MAX, pem, e);
	if (rc < 0)
		return rc; /* says which file */
	rc = x509_read(buf_str(pem), ret, e);
	return rc < 0 ? err_prefix(e, "%s: ", path) : 0;
}

static void
print_words(const char *pin)
{
	auto_buf out = BUF_INIT;

	fingerprint_words(pin, 6, "           ", &out);
	printf("  in words\n%s", buf_str(&out));
}

static void
write_words(struct json_out *w, const char *pin)
{
	auto_buf out = BUF_INIT;

	fingerprint_words(pin, 0, "", &out);
	json_out_text(w, "words", buf_str(&out));
}

/* Who is waited for while one authority follows another, as the node's status says; nothing of one that does not run. */
static void
print_waiting(const struct cli *c, struct json_out *w, const struct home *h)
{
	auto_buf text = BUF_INIT;
	struct err ignored;
	size_t i;
	json_t *o;

	if (c->json)
		json_out_array(w, "waits_for");
	auto_json status = ownstatus_read(h, &text, &ignored) == 0
				   ? json_loads(buf_str(&text), 0, NULL)
				   : NULL;
	json_array_foreach(json_object_get(status, "warnings"), i, o)
	{
		if (strcmp(lookup_text(o, "about"), "authority") != 0)
			continue;
		if (!c->json) {
			term_say(stdout, "  waits    %s: %s. %s\n", lookup_text(o, "node"),
				 lookup_text(o, "text"), lookup_text(o, "todo"));
			continue;
		}
		json_out_object(w, NULL);
		json_out_text(w, "node", lookup_text(o, "node"));
		json_out_text(w, "text", lookup_text(o, "text"));
		json_out_text(w, "todo", lookup_text(o, "todo"));
		json_out_end_object(w);
	}
	if (c->json)
		json_out_end_array(w);
}

static void
print_info(const struct cli *c, const struct home *h, struct json_out *w, const char *node,
	   enum certlife_kind kind, const char *what, const struct x509_info *i)
{
	struct certlife life = { i->not_before_us, i->not_after_us };
	int64_t now = clock_now_us();
	enum certlife_level level = certlife_level(&life, now);
	char from[CLOCK_ISO_LEN], to[CLOCK_ISO_LEN], said[CERTLIFE_TEXT_MAX];

	clock_iso(i->not_before_us, from);
	clock_iso(i->not_after_us, to);
	certlife_say(kind, &life, now, said);
	if (!c->json) {
		term_say(stdout,
			 "%s\n  node     %s\n  subject  %s\n  issuer   %s%s\n  names    %s\n  "
			 "valid    "
			 "%.10s … %.10s (%lld days)\n  SHA-256  %s\n",
			 what, node, i->subject, i->issuer, i->self_signed ? " (self-signed)" : "",
			 i->names, from, to, (long long)certlife_days(&life, now), i->pin);
		if (level != CERTLIFE_GOOD)
			term_say(stdout, "  %s   %s. %s\n",
				 level == CERTLIFE_OVER ? "expired" : "soon   ", said,
				 certlife_todo(kind));
		if (kind == CERTLIFE_AUTHORITY) {
			print_words(i->pin);
			print_waiting(c, w, h);
		}
		return;
	}
	json_out_object(w, what);
	json_out_text(w, "node", node);
	json_out_text(w, "subject", i->subject);
	json_out_text(w, "issuer", i->issuer);
	json_out_bool(w, "self_signed", i->self_signed);
	json_out_text(w, "names", i->names);
	json_out_text(w, "not_before", from);
	json_out_text(w, "not_after", to);
	json_out_int(w, "days", certlife_days(&life, now));
	json_out_text(w, "level", certlife_level_name(level));
	json_out_text(w, "todo", level == CERTLIFE_GOOD ? NULL : certlife_todo(kind));
	json_out_text(w, "sha256", i->pin);
	if (kind == CERTLIFE_AUTHORITY) {
		write_words(w, i->pin);
		print_waiting(c, w, h);
	}
	json_out_end_object(w);
}

static int
run_show(const struct cli *c, struct err *e)
{
	static const struct {
		const char *what;
		enum home_path path;
		enum certlife_kind kind;
		bool required;
	} certs[] = {
		{ "web", HOME_WEB_CERT, CERTLIFE_WEB, true },
		{ "pair", HOME_PAIR_CERT, CERTLIFE_CHANNEL, false },
		{ "pair-ca", HOME_PAIR_CA, CERTLIFE_AUTHORITY, false },
	};
	auto_buf out = BUF_INIT;
	struct home_node self;
	struct home h;
	struct json_out w;

	if (c->json && cli_has(c, "qr"))
		return err_set(e, ERR_USAGE, "--qr draws for a camera: give it without --json");
	int rc = open_home(c, &h, e);
	if (rc == 0)
		rc = home_node_read(&h, &self, e);
	json_out_init(&w, &out);
	json_out_object(&w, NULL);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(certs); i++) {
		auto_buf pem = BUF_INIT;
		struct x509_info info;
		char path[HOME_PATH_MAX];
		home_path(&h, certs[i].path, path);
		if (!certs[i].required && !home_has(&h, certs[i].path))
			continue;
		rc = read_cert(path, &pem, &info, e);
		if (rc == 0)
			print_info(c, &h, &w, self.name, certs[i].kind, certs[i].what, &info);
		if (rc == 0 && certs[i].kind == CERTLIFE_AUTHORITY && cli_has(c, "qr"))
			qr_print(info.pin);
	}
	json_out_end_object(&w);
	if (rc == 0 && c->json)
		printf("%s\n", buf_str(&out));
	return rc;
}

/* Tells a running node to read its certificates again. */
static void
tell_node(const struct home *h)
{
	auto_buf text = BUF_INIT;
	char path[HOME_PATH_MAX];
	struct err none;

	home_path(h, HOME_PID, path);
	if (pidfile_alone(h, &none) != ERR_REFUSED || home_read_file(path, 32, &text, &none) < 0)
		return;
	long pid = strtol(buf_str(&text), NULL, 10);
	if (pid > 1 && kill((pid_t)pid, SIGHUP) == 0)
		fprintf(stderr, "the running node reads it now\n");
}

static void
print_import(const char *pin, const char *path)
{
	auto_buf out = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &out);
	json_out_object(&w, NULL);
	json_out_text(&w, "sha256", pin);
	json_out_text(&w, "file", path);
	json_out_end_object(&w);
	printf("%s\n", buf_str(&out));
}

static int
run_import(const struct cli *c, struct err *e)
{
	auto_buf pem = BUF_INIT;
	struct x509_info info;
	struct home h;
	char folder[HOME_PATH_MAX], path[HOME_PATH_MAX + X509_PIN_LEN + 8];

	/* The file may be readable for root alone: read it before the user changes. */
	int rc = read_cert(c->args[0], &pem, &info, e);
	if (rc == 0)
		rc = open_home(c, &h, e);
	if (rc < 0)
		return rc;
	if (info.not_after_us < clock_now_us())
		return err_set(e, ERR_PRECONDITION,
			       "the certificate in %s has expired; nothing was imported",
			       c->args[0]);
	home_path(&h, HOME_TRUSTED, folder);
	rc = home_mkdirs(folder, 0700, e);
	snprintf(path, sizeof(path), "%s/%.16s.pem", folder, info.pin);
	if (rc == 0)
		rc = home_write_file(path, pem.data, pem.len, 0600, e);
	if (rc < 0)
		return rc;
	if (c->json)
		print_import(info.pin, path);
	else
		term_say(stdout, "trusted now: %s\n  SHA-256 %s\n", info.subject, info.pin);
	tell_node(&h);
	return CLI_GOOD;
}

static int
print_renewed(const struct cli *c, const struct home *h, enum certlife_kind kind, struct err *e)
{
	static const enum home_path files[] = {
		[CERTLIFE_WEB] = HOME_WEB_CERT,
		[CERTLIFE_CHANNEL] = HOME_PAIR_CERT,
		[CERTLIFE_AUTHORITY] = HOME_PAIR_CA,
	};
	auto_buf pem = BUF_INIT;
	char path[HOME_PATH_MAX], to[CLOCK_ISO_LEN], scopes[4096];
	struct x509_info info;

	home_path(h, files[kind], path);
	int rc = read_cert(path, &pem, &info, e);
	if (rc == 0)
		rc = x509_scopes(buf_str(&pem), scopes, sizeof(scopes), e);
	if (rc < 0)
		return rc;
	clock_iso(info.not_after_us, to);
	if (c->json)
		printf("{\"sha256\":\"%s\",\"not_after\":\"%s\"}\n", info.pin, to);
	else if (kind == CERTLIFE_AUTHORITY)
		printf("new authority of the vault, for names in %s, valid until %.10s\n"
		       "  SHA-256  %s\n"
		       "It signs once every node trusts it; `holdfast cert show` says which node "
		       "is waited for. The former one is trusted beside it meanwhile.\n"
		       "Users' `holdfast` learns of it when they next use it. Import it into "
		       "browsers (`holdfast cert ca`), then run `holdfast cert renew --web` on "
		       "each node.\n",
		       scopes, to, info.pin);
	else if (kind == CERTLIFE_WEB)
		printf("new web certificate for %s, signed by the vault's authority, valid until "
		       "%.10s\n",
		       info.names, to);
	else
		printf("new channel certificate, valid until %.10s; the pair's databases use it "
		       "from now on\n",
		       to);
	return CLI_GOOD;
}

/* By the agent, for whom keyd signs. */
static int
renew_signed(const struct cli *c, const struct home *h, enum certlife_kind kind, struct err *e)
{
	static const char *const texts[] = { "also", "domain" };
	auto_buf none = BUF_INIT, line = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &line);
	json_out_object(&w, NULL);
	json_out_text(&w, "verb", "renew");
	json_out_text(&w, "what", certlife_name(kind));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (cli_has(c, texts[i]))
			json_out_text(&w, texts[i], cli_get(c, texts[i]));
	json_out_end_object(&w);
	int rc = control_ask(h, buf_str(&line), NULL, NULL, &none, e);
	if (rc == 0)
		rc = print_renewed(c, h, kind, e);
	if (rc == 0 && kind == CERTLIFE_WEB)
		tell_node(h);
	return rc;
}

/* old: NULL when the one that is there cannot be read. Needs no node that runs, so it is a way out for one that does not start. */
static int
renew_self_signed(const struct cli *c, const struct home *h, const struct x509_info *old,
		  struct err *e)
{
	auto_buf cert = BUF_INIT, key = BUF_INIT;
	struct authority_names names = { 0 };
	struct home_node self;
	struct x509_info info;

	int rc = home_node_read(h, &self, e);
	if (rc == 0)
		rc = authority_add(&names, self.name, e);
	if (rc == 0)
		rc = old ? authority_add(&names, old->names, e) : authority_add_own(&names, e);
	if (rc == 0)
		rc = authority_add(&names, cli_get(c, "also"), e);
	if (rc == 0)
		rc = x509_self_signed(names.list, CERT_DAYS, &cert, &key, e);
	if (rc == 0)
		rc = authority_place(h, AUTHORITY_WEB, &cert, &key, e);
	if (rc == 0)
		rc = x509_read(buf_str(&cert), &info, e);
	if (rc < 0)
		return rc;
	if (c->json)
		printf("{\"sha256\":\"%s\"}\n", info.pin);
	else
		printf("new self-signed web certificate, SHA-256 %s\nusers and scripts that pinned "
		       "the old one log in again with --trust\n",
		       info.pin);
	tell_node(h);
	return CLI_GOOD;
}

static int
run_renew(const struct cli *c, struct err *e)
{
	auto_buf old = BUF_INIT;
	struct x509_info info;
	struct home h;
	char cert_path[HOME_PATH_MAX];

	int rc = open_home(c, &h, e);
	if (rc < 0)
		return rc;
	if (cli_has(c, "domain") && !cli_has(c, "authority"))
		return err_set(e, ERR_USAGE,
			       "--domain is for the vault's authority: give --authority too");
	if (cli_has(c, "authority"))
		return renew_signed(c, &h, CERTLIFE_AUTHORITY, e);
	if (cli_has(c, "channel"))
		return renew_signed(c, &h, CERTLIFE_CHANNEL, e);
	home_path(&h, HOME_WEB_CERT, cert_path);
	rc = read_cert(cert_path, &old, &info, e);
	if (cli_has(c, "self-signed"))
		return renew_self_signed(c, &h, rc < 0 ? NULL : &info, e);
	if (rc < 0)
		return rc;
	if (!info.self_signed && !authority_signed_web(&h) && !cli_has(c, "web"))
		return err_set(e, ERR_PRECONDITION,
			       "the web certificate was issued by %s: put a renewed one into "
			       "conf/tls/web.crt and web.key, or replace it: --web has the vault's "
			       "authority sign one, --self-signed makes one that signs itself",
			       info.issuer);
	return authority_is_there(&h) ? renew_signed(c, &h, CERTLIFE_WEB, e)
				      : renew_self_signed(c, &h, &info, e);
}

/* As it lies: while one follows another, both. */
static int
run_ca(const struct cli *c, struct err *e)
{
	auto_buf pem = BUF_INIT, out = BUF_INIT;
	struct x509_info info;
	struct json_out w;
	struct home h;
	char path[HOME_PATH_MAX];

	int rc = open_home(c, &h, e);
	if (rc < 0)
		return rc;
	home_path(&h, HOME_PAIR_CA, path);
	if (!authority_is_there(&h))
		return err_set(e, ERR_PRECONDITION,
			       "the vault's authority is not on this node: a secondary has it once "
			       "it has joined, a primary makes it when it starts");
	rc = read_cert(path, &pem, &info, e);
	if (rc < 0)
		return rc;
	if (!c->json) {
		fputs(buf_str(&pem), stdout);
		return CLI_GOOD;
	}
	json_out_init(&w, &out);
	json_out_object(&w, NULL);
	json_out_text(&w, "sha256", info.pin);
	json_out_text(&w, "pem", buf_str(&pem));
	json_out_end_object(&w);
	puts(buf_str(&out));
	return CLI_GOOD;
}

static const struct cli_opt opts[] = {
	CLI_OPT_HOME,
	{ 0 },
};
static const struct cli_opt show_opts[] = {
	CLI_OPT_HOME,
	{
		.name = "qr",
		.help = "Also draw the fingerprint of the vault's authority as a QR code.",
	},
	{ 0 },
};
static const struct cli_opt renew_opts[] = {
	CLI_OPT_HOME,
	{
		.name = "web",
		.help = "Have the vault's authority sign the web certificate, even if another "
			"authority issued the current one.",
	},
	{
		.name = "also",
		.value = "NAMES",
		.help = "Further names and addresses for the web certificate, separated by "
			"commas.",
	},
	{
		.name = "self-signed",
		.help = "Make a self-signed web certificate: each user has to trust it.",
	},
	{
		.name = "channel",
		.help = "Renew the certificate of the pair's channel instead.",
	},
	{
		.name = "authority",
		.help = "On the primary: make a new authority for the vault. All nodes adopt it by "
			"themselves, and the old one stays trusted until they have.",
	},
	{
		.name = "domain",
		.value = "DOMAINS",
		.help = "With --authority: the domains and networks that it may sign for, "
			"separated "
			"by commas (default: as before).",
	},
	{ 0 },
};

const struct cli_verb verbs_cert[] = {
	{
		.name = "cert show",
		.opts = show_opts,
		.run = run_show,
		.help = "Shows the node's certificates and their fingerprints.",
		.more = "For each it shows the names, who signed it, how long it is valid and, if "
			"it ends soon, what to do. The fingerprint of the vault's authority is "
			"what users compare when they log in; it is also shown in words, to read "
			"out over the telephone.",
		.part = CLI_CARE,
	},
	{
		.name = "cert ca",
		.opts = opts,
		.run = run_ca,
		.help = "Prints the certificate of the vault's authority, for browsers and other "
			"devices that should trust the vault's nodes.",
		.example = "holdfast cert ca > vault-ca.crt",
		.more = "When you import it, compare its fingerprint with the one that `holdfast "
			"cert show` prints. While a new authority takes over, both are printed: "
			"import both.",
		.part = CLI_CARE,
	},
	{
		.name = "cert import",
		.args = "FILE",
		.min_args = 1,
		.max_args = 1,
		.opts = opts,
		.run = run_import,
		.help = "Makes this node trust another authority for the other nodes' web "
			"certificates.",
		.example = "holdfast cert import company-root.crt",
		.more = "You need it before nodes show web certificates that the vault's authority "
			"did not sign, such as your company's: run it on every node first. FILE "
			"holds the root's certificate, or the node's own if it is self-signed, in "
			"PEM. A running node reads it at once.",
		.part = CLI_CARE,
	},
	{
		.name = "cert renew",
		.opts = renew_opts,
		.run = run_renew,
		.help = "Renews this node's web certificate; or, by option, its channel "
			"certificate or the vault's authority.",
		.example = "holdfast cert renew --web --also vault,10.1.2.3",
		.more = "You rarely need it: the nodes themselves renew, in time, what the vault's "
			"authority signed. The new web certificate is for the same names, plus "
			"those given with --also. The node must be running (unless you give "
			"--self-signed); it does not stop, and sessions go on. A web certificate "
			"from an authority of your own is replaced only with --web or "
			"--self-signed.",
		.part = CLI_CARE,
	},
	{ 0 },
};
