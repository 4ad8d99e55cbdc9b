/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast login, logout: the session that every other client verb uses.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/json_out.h"
#include "base/url.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/term.h"
#include "cli/frame/waiting.h"
#include "crypto/fingerprint.h"
#include "crypto/x509.h"

#define DEFAULT_PORT 7272
#define SECRET_MAX 1024

struct place {
	char host[256];
	int port;
	char url[320];
};

/* "host", "host:port", "[v6]:port", "https://host:port" → place. */
static int
parse_place(const char *s, struct place *ret, struct err *e)
{
	const char *at = strncmp(s, "https://", 8) == 0 ? s + 8 : s, *end, *port = NULL;

	if (*at == '[') {
		end = strchr(++at, ']');
		if (end && end[1] == ':')
			port = end + 2;
	} else {
		end = at + strcspn(at, ":/");
		if (*end == ':' && !strchr(end + 1, ':'))
			port = end + 1;
		else if (*end == ':')
			end = at + strlen(at);
	}
	int64_t n = DEFAULT_PORT;
	size_t digits = port ? strcspn(port, "/") : 0;
	if (!end || end == at || (size_t)(end - at) >= sizeof(ret->host) ||
	    (port &&
	     (port[digits + (port[digits] == '/')] || !cli_number(port, digits, 1, 65535, &n))))
		return err_set(e, ERR_USAGE, "\"%s\" is no address: write HOST or HOST:PORT", s);
	snprintf(ret->host, sizeof(ret->host), "%.*s", (int)(end - at), at);
	ret->port = (int)n;
	url_write(ret->host, ret->port, ret->url, sizeof(ret->url));
	return 0;
}

/* What a node has shown, and what of it is to be trusted: the authority that signed it, which it shows behind its own, or that one alone. */
struct shown {
	struct x509_info leaf, authority;
	bool has_authority;
};

static int
ask_trust(const struct place *p, const struct shown *s, struct err *e)
{
	const struct x509_info *trusted = s->has_authority ? &s->authority : &s->leaf;
	auto_buf words = BUF_INIT;

	fprintf(stderr,
		"%s shows a certificate that is not known here:\n  subject  %s\n  issuer   %s\n  "
		"names    %s\n",
		p->url, s->leaf.subject, s->leaf.issuer, s->leaf.names);
	if (s->has_authority)
		fprintf(stderr, "It was signed by this authority, as those of all nodes of the "
				"vault are:\n");
	fprintf(stderr, "  SHA-256  %s\n", trusted->pin);
	if (s->has_authority) {
		fingerprint_words(trusted->pin, 6, "           ", &words);
		fprintf(stderr, "  in words\n%s", buf_str(&words));
	}
	if (!isatty(STDIN_FILENO))
		return err_set(
			e, ERR_UNTRUSTED,
			"the certificate of %s is not known here, so nothing was sent. Compare it "
			"with `holdfast cert show` on the node, then log in with --trust %s",
			p->url, trusted->pin);
	return term_confirm(s->has_authority
				    ? "Compare it with what `holdfast init` printed, or `holdfast "
				      "cert show` on a node (pair-ca). Trust it?"
				    : "Compare it with what `holdfast cert show` says on the "
				      "node. Trust it?",
			    e);
}

/* *chain becomes what is trusted: the authority alone, or the certificate that was named. */
static int
judge_shown(const struct cli *c, const struct place *p, struct buf *chain, enum remote_trust *ret,
	    struct err *e)
{
	const char *pin = cli_get(c, "trust");
	auto_buf root = BUF_INIT;
	struct shown s = { .has_authority = x509_root(buf_str(chain), &root) };

	int rc = x509_read(buf_str(chain), &s.leaf, e);
	if (rc == 0 && s.has_authority)
		rc = x509_read(buf_str(&root), &s.authority, e);
	if (rc < 0)
		return rc;
	bool by_leaf = pin && strcasecmp(pin, s.leaf.pin) == 0;
	if (pin && !by_leaf && !(s.has_authority && strcasecmp(pin, s.authority.pin) == 0))
		return err_set(e, ERR_REFUSED,
			       "%s shows the certificate %s%s%s, not the one given with --trust; "
			       "nothing was sent",
			       p->url, s.leaf.pin, s.has_authority ? " of the authority " : "",
			       s.has_authority ? s.authority.pin : "");
	if (!pin)
		rc = ask_trust(p, &s, e);
	if (rc < 0)
		return rc;
	*ret = s.has_authority && !by_leaf ? REMOTE_AUTHORITY : REMOTE_PIN;
	if (*ret == REMOTE_PIN) {
		buf_reset(&root);
		rc = x509_leaf(buf_str(chain), &root, e);
	}
	buf_reset(chain);
	buf_adds(chain, buf_str(&root));
	return rc;
}

/* What the nodes are to be known by: --ca, --trust PIN, or a question. */
static int
find_trust(const struct cli *c, const struct place *p, struct buf *ret_pem,
	   enum remote_trust *ret_kind, struct err *e)
{
	const char *ca = cli_get(c, "ca");

	*ret_kind = REMOTE_AUTHORITY;
	if (ca)
		return home_read_file(ca, 1u << 20, ret_pem, e);
	auto_waiting w = waiting_begin();
	waiting_for(w, "waiting: %s does not answer yet", p->url);
	int rc = client_peer_cert(p->host, p->port, 5000, ret_pem, e);
	waiting_for(w, "%s", "");
	return rc == 0 ? judge_shown(c, p, ret_pem, ret_kind, e) : rc;
}

static int
send_login(const struct cli *c, struct remote *r, const char *user, json_t **ret, struct err *e)
{
	auto_buf password = BUF_INIT, token = BUF_INIT, body = BUF_INIT, code = BUF_INIT;
	bool setup = cli_has(c, "setup");
	struct json_out w;
	int rc = 0;

	if (setup)
		rc = term_read_secret("Set-up token", false, SECRET_MAX, &token, e);
	if (rc == 0)
		rc = term_read_secret(setup ? "New password" : "Password", setup, SECRET_MAX,
				      &password, e);
	for (bool again = true; rc == 0 && again;) {
		again = false;
		buf_reset(&body);
		json_out_init(&w, &body);
		json_out_object(&w, NULL);
		json_out_text(&w, "name", user);
		json_out_text(&w, "password", buf_str(&password));
		if (setup)
			json_out_text(&w, "setup_token", buf_str(&token));
		if (code.len)
			json_out_text(&w, "code", buf_str(&code));
		json_out_end_object(&w);
		rc = remote_call(r, REMOTE_READ, "POST", setup ? "/v1/setup" : "/v1/session",
				 buf_str(&body), ret, e);
		if (rc == ERR_SECOND_FACTOR && code.len == 0) {
			rc = term_read_secret("Code", false, 16, &code, e);
			again = true;
		}
	}
	return rc;
}

/* A name that others have too goes on with its suffix. */
static void
note_suffix(const json_t *user)
{
	auto_buf text = BUF_INIT;

	if (!*lookup_text(user, "suffix"))
		return;
	buf_adds(&text, "note: another user has this name too: from now on log in as ");
	lookup_add_name(&text, user, "name");
	term_write_text(buf_str(&text), false, stderr);
	fputc('\n', stderr);
}

/* What was done, and to whom; value: the new name or role. */
static const struct {
	const char *what, *own, *other;
} notice_words[] = {
	{ "password_reset", "your password was reset", "the password of %s was reset" },
	{ "password_changed", "your password was changed", "the password of %s was changed" },
	{ "factor_set", "a second factor was set up for you", "a second factor was set up for %s" },
	{ "factor_removed", "your second factor was removed",
	  "the second factor of %s was removed" },
	{ "recovered", "you were given a new set-up token on the primary's machine",
	  "%s was given a new set-up token on the primary's machine" },
	{ "created", "you were created", "%s was created" },
	{ "renamed", "you were renamed", "%s was renamed" },
	{ "role_changed", "your role was changed", "the role of %s was changed" },
	{ "disabled", "you were disabled", "%s was disabled" },
	{ "enabled", "you were enabled again", "%s was enabled again" },
	{ "handed_over", "what a user who left owned was handed over to you",
	  "what a user who left owned was handed over to %s" },
	{ "joined", "you put yourself into a team", "%s put themselves into a team" },
	{ "sessions_ended", "your sessions were ended", "the sessions of %s were ended" },
	{ "retrievals_unusual", "you retrieved unusually many passwords",
	  "%s retrieved unusually many passwords" },
};

static void
add_notice(struct buf *out, const json_t *n, const char *me)
{
	const json_t *user = json_object_get(n, "user"), *by = json_object_get(n, "by");
	bool own = strcmp(lookup_text(user, "id"), me) == 0;
	const char *value = lookup_text(n, "value"), *address = lookup_text(n, "address");
	size_t i = 0;

	while (i < ARRAY_LEN(notice_words) &&
	       strcmp(notice_words[i].what, lookup_text(n, "what")) != 0)
		i++;
	buf_addf(out, "  %s  ", lookup_text(n, "at"));
	if (i == ARRAY_LEN(notice_words))
		buf_addf(out, "%s: %s", lookup_text(user, "name"), lookup_text(n, "what"));
	else if (own)
		buf_adds(out, notice_words[i].own);
	else
		buf_addf(out, notice_words[i].other, lookup_text(user, "name"));
	if (*value)
		buf_addf(out, ": %s", value);
	if (strcmp(lookup_text(by, "id"), me) == 0)
		buf_adds(out, ", in your name");
	else if (*lookup_text(by, "name"))
		buf_addf(out, ", by %s", lookup_text(by, "name"));
	if (*address)
		buf_addf(out, " from %s", address);
	buf_addc(out, '\n');
}

/* What was done since they logged in last. */
static void
note_notices(const json_t *o)
{
	const json_t *list = json_object_get(o, "notices"),
		     *last = json_object_get(o, "last_login"), *n;
	const char *me = lookup_text(json_object_get(o, "user"), "id");
	auto_buf text = BUF_INIT;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	buf_adds(&text, "note: since your last log-in");
	if (*lookup_text(last, "at"))
		buf_addf(&text, " (%s from %s)", lookup_text(last, "at"),
			 lookup_text(last, "address"));
	buf_adds(&text, ":\n");
	json_array_foreach(list, i, n) add_notice(&text, n, me);
	if (json_is_true(json_object_get(o, "more_notices")))
		buf_adds(&text, "  and more: the log has it all (holdfast audit list)\n");
	buf_adds(&text,
		 "If this, or that log-in, is not what you expect: change your password, and "
		 "tell your administrators.\n");
	term_write_text(buf_str(&text), true, stderr);
}

static int
run_login(const struct cli *c, struct err *e)
{
	auto_buf pem = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	enum remote_trust kind = REMOTE_PIN;
	struct place place;

	int rc = parse_place(c->args[0], &place, e);
	if (rc == 0)
		rc = remote_session_check(e);
	if (rc == 0)
		rc = find_trust(c, &place, &pem, &kind, e);
	if (rc < 0)
		return rc;
	r = remote_new(place.url, kind, buf_str(&pem));
	rc = send_login(c, r, c->args[1], &o, e);
	if (rc == 0)
		rc = remote_adopt(r, o, e);
	if (rc < 0)
		return rc;
	if (c->json) {
		json_object_del(o, "token");
		term_print_json(o);
		return CLI_GOOD;
	}
	auto_buf said = BUF_INIT;
	buf_addf(&said, "logged in to %s as %s; the session ends at %s", lookup_text(o, "node"),
		 remote_user(r), lookup_text(o, "expires"));
	term_print_text(buf_str(&said));
	putchar('\n');
	term_note_mode(r);
	note_suffix(json_object_get(o, "user"));
	note_notices(o);
	json_t *offers = json_object_get(o, "offers");
	if (json_integer_value(offers) > 0)
		fprintf(stderr, "note: something is offered to you; see `holdfast offers`\n");
	json_t *waiting = json_object_get(o, "administration_conflicts");
	if (waiting)
		fprintf(stderr,
			"note: %lld changes wait to be seen by an "
			"administrator: made on both "
			"sides of a cut, or on the machine itself; see `holdfast conflicts "
			"--administration`\n",
			(long long)json_integer_value(waiting));
	return CLI_GOOD;
}

static int
end_others(const struct cli *c, struct remote *r, struct err *e)
{
	int rc = remote_call(r, REMOTE_WRITE, "POST", "/v1/users/me/sessions/end", NULL, NULL, e);

	if (rc < 0)
		return rc;
	printf(c->json ? "{}\n" : "all your other sessions have ended\n");
	return CLI_GOOD;
}

static int
run_logout(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	struct err why = { 0 };
	int rc = remote_open(&r, e);
	if (rc < 0)
		return rc;
	if (cli_has(c, "others"))
		return end_others(c, r, e);
	rc = remote_call(r, REMOTE_READ, "DELETE", "/v1/session", NULL, NULL, &why);
	int forgot = remote_forget(e);
	if (forgot < 0)
		return forgot;
	if (rc < 0 && rc != ERR_UNAUTHENTICATED) {
		*e = why;
		return err_prefix(e, "the session was forgotten here, but not ended at the node: ");
	}
	if (c->json)
		printf("{}\n");
	else
		printf("logged out\n");
	return CLI_GOOD;
}

static const struct cli_opt login_opts[] = {
	{
		.name = "trust",
		.value = "SHA256",
		.help = "Fingerprint of the vault's authority, as `holdfast init` and `holdfast "
			"cert show` print it, or of the node's own certificate.",
	},
	{
		.name = "ca",
		.value = "FILE",
		.help = "PEM file of the authority that signed the node's certificate.",
	},
	{
		.name = "setup",
		.help = "First login with a one-time set-up token: asks for the token, then for "
			"the new password.",
	},
	{ 0 },
};

static const struct cli_opt logout_opts[] = {
	{
		.name = "others",
		.help = "Ends all your other sessions, wherever they began; this one goes on.",
	},
	{ 0 },
};

const struct cli_verb verbs_login[] = {
	{
		.name = "login",
		.args = "HOST[:PORT] USER",
		.min_args = 2,
		.max_args = 2,
		.opts = login_opts,
		.run = run_login,
		.help = "Starts a session that the other verbs use, on every node of the pair.",
		.more = "The password is asked for on the terminal, or read as one line from "
			"standard input (with --setup: the token\nfirst, then the password; a "
			"second factor's code last).",
		.part = CLI_SESSION,
	},
	{
		.name = "logout",
		.opts = logout_opts,
		.run = run_logout,
		.help = "Ends the session, here and on the node.",
		.part = CLI_SESSION,
	},
	{ 0 },
};
