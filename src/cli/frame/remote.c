/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/frame/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/home.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/url.h"
#include "cli/frame/waiting.h"

#define NODES_MAX 16
#define PATIENCE_READ_MS 20000 /* how long a call tries all nodes: one of them takes over */
#define PATIENCE_ALONE_MS 5000 /* with one node: until its service is started again */
#define PATIENCE_WRITE_MS 6000
#define OUTAGE_S 10 /* an emergency of that age does not end while somebody waits */
/* The next node is asked soon when one does not take the connection. Line or machine may just be slow: whenever none took it, each is given
 * twice as long. */
#define CONNECT_MS 700
#define CONNECT_MAX_MS 5000
#define ANSWER_READ_MS 4000 /* a primary that waits for its standby answers within sync_timeout */
#define ANSWER_WRITE_MS 60000
#define SESSION_MAX (1u << 20)

struct node {
	char url[320];
	char *cert; /* PEM: what it shows, as the vault says; "" not known */
	struct client *client;
	int64_t next_ms; /* not to be asked before (monotonic) */
	bool gone;	 /* nothing answered there in this call */
	bool hopeless;	 /* not trusted, or of no known name: waiting does not mend that */
	bool silent;	 /* it did not take the connection in time */
	const char *how; /* how it was found in this call; NULL: not asked yet */
	char why[320];	 /* more about that, "" */
};

struct remote {
	struct node nodes[NODES_MAX];
	size_t n, last; /* last: who served last, asked first */
	unsigned slow;	/* how often none of them took the connection in time */
	char *token, *user;
	char *authority,
		*pin; /* PEM, or "": what the user trusts, for all nodes and for the first one */
	char *vault; /* PEM, or "": the vault's own authority, as a trusted node said, for all nodes */
	char mark[24]; /* of the nodes, as Holdfast-Nodes had it; "" not known */
	struct client_reply reply;
	bool maybe_done;
	const atomic_bool *stop;
};

static char *
copy(const char *s)
{
	char *p = mem_dup(s);
	return p;
}

static void
free_wiped(char *s)
{
	if (s)
		secret_wipe(s, strlen(s));
	free(s);
}

int
remote_session_path(struct buf *ret, struct err *e)
{
	const char *path = getenv("HOLDFAST_SESSION"), *conf = getenv("XDG_CONFIG_HOME"),
		   *home = getenv("HOME");

	if (path && *path)
		buf_adds(ret, path);
	else if (conf && *conf == '/')
		buf_addf(ret, "%s/holdfast/session.json", conf);
	else if (home && *home == '/')
		buf_addf(ret, "%s/.config/holdfast/session.json", home);
	else
		return err_set(
			e, ERR_PRECONDITION,
			"cannot tell where to keep the session: set HOME or HOLDFAST_SESSION");
	return 0;
}

/* The nearest folder that is there has to take what is made in it. */
int
remote_session_check(struct err *e)
{
	auto_buf path = BUF_INIT;
	struct stat st;
	int rc = remote_session_path(&path, e);

	if (rc < 0)
		return rc;
	const char *dir = ".";
	for (char *slash; strcmp(dir, ".") == 0 && (slash = strrchr(path.data, '/'));) {
		*slash = '\0';
		if (slash == path.data)
			dir = "/";
		else if (stat(path.data, &st) == 0)
			dir = path.data;
		else if (errno != ENOENT)
			return err_errno(e, ERR_IO, "the session cannot be kept in %s", path.data);
	}
	if (access(dir, W_OK | X_OK) < 0 || (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode)))
		return err_set(e, ERR_IO,
			       "the session cannot be kept in %s: it is no folder, or you may not "
			       "write there. Set HOLDFAST_SESSION to a file that you may write",
			       dir);
	return 0;
}

struct remote *
remote_new(const char *url, enum remote_trust kind, const char *trust_pem)
{
	struct remote *r = mem_new(sizeof(*r));
	snprintf(r->nodes[0].url, sizeof(r->nodes[0].url), "%s", url);
	r->nodes[0].cert = copy("");
	r->authority = copy(kind == REMOTE_AUTHORITY ? trust_pem : "");
	r->pin = copy(kind == REMOTE_PIN ? trust_pem : "");
	r->vault = copy("");
	r->n = 1;
	return r;
}

static void
drop_nodes(struct remote *r)
{
	for (size_t i = 0; i < r->n; i++) {
		client_free(r->nodes[i].client);
		free(r->nodes[i].cert);
		r->nodes[i] = (struct node){ 0 };
	}
	r->n = r->last = 0;
}

void
remote_free(struct remote *r)
{
	if (!r)
		return;
	drop_nodes(r);
	free_wiped(r->token);
	free_wiped(r->user);
	free(r->authority);
	free(r->pin);
	free(r->vault);
	client_reply_done(&r->reply);
	free(r);
}

static int
take_nodes(struct remote *r, json_t *nodes, struct err *e)
{
	size_t i;
	json_t *o;

	if (!json_is_array(nodes) || json_array_size(nodes) == 0 ||
	    json_array_size(nodes) > NODES_MAX)
		return err_set(e, ERR_BAD_JSON, "the list of nodes is missing or too long");
	drop_nodes(r);
	json_array_foreach(nodes, i, o)
	{
		const char *url = json_string_value(json_object_get(o, "url"));
		const char *cert = json_string_value(json_object_get(o, "cert"));
		if (!url || strncmp(url, "https://", 8) != 0 ||
		    strlen(url) >= sizeof(r->nodes[0].url))
			return err_set(e, ERR_BAD_JSON, "a node's address is missing or malformed");
		struct node *n = &r->nodes[r->n++];
		snprintf(n->url, sizeof(n->url), "%s", url);
		n->cert = copy(cert ? cert : "");
	}
	return 0;
}

static const char *
text_of(json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

/* What the user trusts. Sessions of older releases have it as the first node's certificate. */
static void
take_trust(struct remote *r, json_t *o)
{
	bool older = !json_object_get(o, "pin");

	free(r->authority);
	free(r->pin);
	free(r->vault);
	r->authority = copy(text_of(o, "authority"));
	r->vault = copy(text_of(o, "vault"));
	r->pin = copy(older ? r->nodes[0].cert : text_of(o, "pin"));
	snprintf(r->mark, sizeof(r->mark), "%s", text_of(o, "mark"));
}

int
remote_open(struct remote **ret, struct err *e)
{
	auto_buf path = BUF_INIT, text = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	json_error_t je;

	int rc = remote_session_path(&path, e);
	if (rc < 0)
		return rc;
	if (access(buf_str(&path), F_OK) < 0)
		return err_set(e, ERR_UNAUTHENTICATED,
			       "not logged in: run `holdfast login HOST USER` first");
	rc = home_read_file(buf_str(&path), SESSION_MAX, &text, e);
	if (rc < 0)
		return rc;
	o = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &je);
	const char *token = json_string_value(json_object_get(o, "token"));
	const char *user = json_string_value(json_object_get(o, "user"));
	if (!token || !user)
		return err_set(e, ERR_BAD_JSON,
			       "the session file %s is damaged: run `holdfast login` again",
			       buf_str(&path));
	r = remote_new("", REMOTE_PIN, "");
	r->token = copy(token);
	r->user = copy(user);
	rc = take_nodes(r, json_object_get(o, "nodes"), e);
	if (rc < 0)
		return rc;
	take_trust(r, o);
	int64_t last = json_integer_value(json_object_get(o, "last"));
	r->last = last >= 0 && (size_t)last < r->n ? (size_t)last : 0;
	*ret = TAKE(r);
	return 0;
}

static int
add_text(const char *p, size_t n, void *out)
{
	buf_add(out, p, n);
	return 0;
}

int
remote_json_text(const json_t *o, size_t flags, struct buf *ret)
{
	return json_dump_callback(o, add_text, ret, flags) < 0 ? ERR_BAD_JSON : 0;
}

static int
save(const struct remote *r, struct err *e)
{
	auto_buf path = BUF_INIT;
	int rc = remote_session_path(&path, e);
	if (rc < 0)
		return rc;
	auto_json nodes = json_array();
	for (size_t i = 0; i < r->n; i++)
		json_array_append_new(nodes, json_pack("{ssss}", "url", r->nodes[i].url, "cert",
						       r->nodes[i].cert));
	auto_json o = json_pack("{sssssssssssssOsI}", "user", r->user, "token", r->token,
				"authority", r->authority, "vault", r->vault, "pin", r->pin, "mark",
				r->mark, "nodes", nodes, "last", (json_int_t)r->last);
	auto_buf text = BUF_INIT;
	if (remote_json_text(o, JSON_INDENT(1), &text) < 0)
		return err_set(e, ERR_INTERNAL,
			       "cannot write the session: a name in it is not UTF-8");
	char *dir = copy(buf_str(&path));
	char *slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = '\0';
		rc = home_mkdirs(dir, 0700, e);
	}
	free(dir);
	if (rc == 0)
		rc = home_write_file(buf_str(&path), text.data, text.len, 0600, e);
	return rc;
}

static void
add_node(struct remote *r, const char *url, const char *cert)
{
	struct node *n = &r->nodes[r->n++];

	snprintf(n->url, sizeof(n->url), "%s", url);
	n->cert = copy(cert);
}

/* The node that the user named comes first, by that address; then those of the vault's list, each with what it shows now. All of them are trusted
 * by the vault's authority too, so that each may show another certificate of it at any time. */
static void
adopt_nodes(struct remote *r, json_t *reply)
{
	json_t *nodes = json_object_get(reply, "nodes");
	char first[sizeof(r->nodes[0].url)], last[sizeof(first)];
	json_t *o;
	size_t i;

	memcpy(first, r->nodes[0].url, sizeof(first));
	memcpy(last, r->nodes[r->last].url, sizeof(last));
	drop_nodes(r);
	free(r->vault);
	r->vault = copy(text_of(reply, "authority"));
	add_node(r, first, "");
	json_array_foreach(nodes, i, o)
	{
		const char *name = text_of(o, "name"), *cert = text_of(o, "web_cert");
		json_int_t port = json_integer_value(json_object_get(o, "https_port"));
		char url[sizeof(first)];

		if (!*name || strlen(name) > 255 || port < 1 || port > 65535 || r->n == NODES_MAX)
			continue;
		url_write(name, (int)port, url, sizeof(url));
		if (strcmp(url, first) != 0) {
			add_node(r, url, *cert ? cert : r->pin);
			continue;
		}
		free(r->nodes[0].cert);
		r->nodes[0].cert = copy(cert);
	}
	for (i = 0; i < r->n; i++)
		if (strcmp(r->nodes[i].url, last) == 0)
			r->last = i;
}

int
remote_adopt(struct remote *r, json_t *login, struct err *e)
{
	const char *token = json_string_value(json_object_get(login, "token"));
	const char *user =
		json_string_value(json_object_get(json_object_get(login, "user"), "name"));

	if (!token || !user)
		return err_set(e, ERR_BAD_JSON, "the node's answer to the login has no token");
	free_wiped(r->token);
	free_wiped(r->user);
	r->token = copy(token);
	r->user = copy(user);
	memcpy(r->mark, r->reply.nodes, sizeof(r->mark));
	adopt_nodes(r, login);
	return save(r, e);
}

int
remote_forget(struct err *e)
{
	auto_buf path = BUF_INIT;
	int rc = remote_session_path(&path, e);
	if (rc < 0)
		return rc;
	if (unlink(buf_str(&path)) < 0 && errno != ENOENT)
		return err_errno(e, ERR_IO, "cannot remove %s", buf_str(&path));
	return 0;
}

const char *
remote_user(const struct remote *r)
{
	return r->user ? r->user : "";
}

const char *
remote_mode(const struct remote *r)
{
	return r->reply.mode;
}

const char *
remote_as_of(const struct remote *r)
{
	return r->reply.as_of;
}

const char *
remote_durability(const struct remote *r)
{
	return r->reply.durability;
}

/* The node's own words for what went wrong. */
static int
reply_error(const struct client_reply *reply, struct err *e)
{
	json_error_t je;
	auto_json o = json_loadb(reply->body.data ? reply->body.data : "", reply->body.len, 0, &je);
	json_t *error = json_object_get(o, "error");
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *detail = json_string_value(json_object_get(error, "detail"));
	const char *message = json_string_value(json_object_get(error, "message"));
	size_t n;
	const struct err_info *rows = err_table(&n);

	for (size_t i = 0; code && i < n; i++)
		if (strcmp(rows[i].name, code) == 0)
			return err_set(e, rows[i].code, "%s",
				       detail && *detail ? detail
				       : message	 ? message
							 : rows[i].text);
	return err_set(e, ERR_INTERNAL, "the node answered with status %d and no reason",
		       reply->status);
}

/* What came of asking a node: how long to leave it alone, or GIVE_UP: nobody else is asked. LASTING: what it said will be
 * the answer of all of them for some time. */
enum outcome { DONE, AGAIN_SOON, AGAIN_LATER, LASTING, GIVE_UP };

/* What is asked: the same of every node it is put to. */
struct question {
	enum remote_kind kind;
	const char *method, *path, *body;
	enum client_type type;
	size_t len;
};

/* In what a person is told while they wait. */
static const char *
failure_words(enum client_failure f)
{
	switch (f) {
	case CLIENT_REFUSED:
		return "refuses connections";
	case CLIENT_SILENT:
		return "does not answer";
	case CLIENT_UNTRUSTED:
		return "is not trusted";
	case CLIENT_EXPIRED:
		return "has a certificate that is out of date";
	case CLIENT_BAD_NAME:
		return "has no known address";
	default:
		return "breaks the connection off";
	}
}

static const char *
reply_words(int code)
{
	switch (code) {
	case ERR_STANDBY:
		return "stands by";
	case ERR_EMERGENCY_READ_ONLY:
		return "gives emergency access, which is for reading";
	case ERR_TIMEOUT:
		return "takes too long";
	default:
		return "cannot serve now";
	}
}

/* The certificate is not what the session goes by, or its time is over. */
static int
untrusted(const struct node *n, enum client_failure f, struct err *e)
{
	if (f == CLIENT_EXPIRED)
		return err_set(e, ERR_UNTRUSTED,
			       "the certificate of %s is out of date: %s. Nothing was sent. It is "
			       "renewed on that node (`holdfast cert show` there says how)",
			       n->url, n->why);
	return err_set(e, ERR_UNTRUSTED,
		       "the certificate of %s is not trusted here: %s. Nothing was sent. Run "
		       "`holdfast login` again (--ca FILE for an authority of yours) if `holdfast "
		       "cert show` on that node says the same certificate; if not, somebody may be "
		       "in between",
		       n->url, n->why);
}

/* A secondary that has long been in emergency: nobody takes writes, and waiting does not change that. */
static bool
is_lasting(const struct client_reply *reply)
{
	return strtoll(reply->emergency_s, NULL, 10) >= OUTAGE_S;
}

/* Where a person sees whether a write was done, by what its path says that it is about; the first row that fits. */
static const char *
where_to_look(const struct question *q)
{
	static const struct {
		const char *method, *in_path, *look;
	} rows[] = {
		{ NULL, "/shares", "holdfast shares" },
		{ NULL, "/restore", "holdfast ls" },
		{ NULL, "/v1/users/me", "holdfast login" },
		{ NULL, "/v1/users", "holdfast user list" },
		{ NULL, "/v1/changes", "holdfast changes" },
		{ "DELETE", "/v1/accounts/", "holdfast ls --removed" },
		{ "DELETE", "/v1/resources/", "holdfast ls --removed" },
		{ NULL, "/v1/accounts/", "holdfast history" },
		{ NULL, "/v1/accounts", "holdfast ls" },
		{ NULL, "/v1/resources", "holdfast ls" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if ((!rows[i].method || strcmp(rows[i].method, q->method) == 0) &&
		    strstr(q->path, rows[i].in_path))
			return rows[i].look;
	return "holdfast audit list";
}

static int
connect_ms(const struct remote *r)
{
	return r->n == 1 || r->slow >= 3 ? CONNECT_MAX_MS : CONNECT_MS << r->slow;
}

/* When nobody takes a connection in time, the next ones are given more. */
static void
note_silence(struct remote *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (!r->nodes[i].silent)
			return;
	r->slow++;
	for (size_t i = 0; i < r->n; i++) {
		r->nodes[i].silent = false;
		client_free(TAKE(r->nodes[i].client));
	}
}

/* Whom the user trusts, what the vault says that the node shows, and of the first one what the user has seen. */
static struct client *
connect_to(struct remote *r, struct node *n, enum remote_kind kind, struct err *e)
{
	auto_buf trust = BUF_INIT;

	buf_addf(&trust, "%s\n%s\n%s\n%s\n", r->authority, r->vault, n->cert,
		 n == r->nodes ? r->pin : "");
	struct client_options o = {
		.base = n->url,
		.trust_pem = buf_str(&trust),
		.bearer = r->token,
		.connect_ms = connect_ms(r),
		.total_ms = kind == REMOTE_READ ? ANSWER_READ_MS : ANSWER_WRITE_MS,
	};
	return n->client = client_new(&o, e);
}

/* A standby says where the primary is: one that cannot be reached where it was may have moved to another port. The token goes to no other host than
 * those of the session, and what is shown there is judged as always. */
static void
follow_port(struct remote *r)
{
	static const char begin[] = "https://";
	char url[sizeof(r->nodes[0].url)];
	const char *to = r->reply.location;
	struct node *moved = NULL;
	size_t n = strlen(begin), same = 0;

	if (strncmp(to, begin, n) != 0)
		return;
	n += strcspn(to + n, "/");
	if (n >= sizeof(url))
		return;
	snprintf(url, sizeof(url), "%.*s", (int)n, to);
	const char *port = strrchr(url, ':');
	size_t host = (size_t)(port - url) + 1;
	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->nodes[i].url, url) == 0)
			return;
		if (strncmp(r->nodes[i].url, url, host) != 0)
			continue;
		same++;
		if (r->nodes[i].gone)
			moved = &r->nodes[i];
	}
	if (!moved || same > 1)
		return;
	client_free(TAKE(moved->client));
	snprintf(moved->url, sizeof(moved->url), "%s", url);
	moved->next_ms = 0;
	moved->gone = false;
	moved->how = NULL;
}

static bool
is_untrusted(enum client_failure f)
{
	return f == CLIENT_UNTRUSTED || f == CLIENT_EXPIRED;
}

static int
ask(struct remote *r, struct node *n, const struct question *q, enum outcome *ret_outcome,
    struct err *e)
{
	enum remote_kind kind = q->kind;
	enum client_failure failure = CLIENT_OK;

	if (!n->client && !connect_to(r, n, kind, e)) {
		*ret_outcome = GIVE_UP;
		return e->code;
	}
	client_reply_done(&r->reply);
	r->reply = (struct client_reply){ 0 };
	client_stop_on(n->client, r->stop);
	int rc = client_send(n->client, q->method, q->path, q->type, q->body, q->len, &r->reply,
			     &failure, e);
	n->hopeless = is_untrusted(failure) || failure == CLIENT_BAD_NAME;
	n->silent = failure == CLIENT_SILENT && !client_sent(n->client);
	n->gone = failure == CLIENT_REFUSED || failure == CLIENT_SILENT;
	n->why[0] = '\0';
	if (rc < 0) {
		n->how = failure_words(failure);
		text_copy(n->why, sizeof(n->why), client_why_untrusted(n->client));
		r->maybe_done |= client_sent(n->client);
		if (r->stop && atomic_load(r->stop)) {
			*ret_outcome = GIVE_UP;
			return err_set(e, ERR_UNREACHABLE, "it was interrupted");
		}
		/* A write that may have reached the node must not be sent twice. */
		if (failure == CLIENT_REFUSED)
			*ret_outcome = AGAIN_SOON;
		else if (kind != REMOTE_WRITE && !is_untrusted(failure))
			*ret_outcome = failure == CLIENT_SILENT ? AGAIN_LATER : AGAIN_SOON;
		else
			*ret_outcome =
				n->hopeless || !client_sent(n->client) ? AGAIN_LATER : GIVE_UP;
		if (*ret_outcome == GIVE_UP)
			return err_prefix(e,
					  "it is not known whether this was done; look with "
					  "`%s` before you repeat it: ",
					  where_to_look(q));
		return is_untrusted(failure) ? untrusted(n, failure, e) : rc;
	}
	*ret_outcome = DONE;
	if (r->reply.status >= 200 && r->reply.status < 300)
		return 0;
	rc = reply_error(&r->reply, e);
	n->how = reply_words(rc);
	if (rc == ERR_STANDBY)
		follow_port(r);
	if (rc == ERR_STANDBY || rc == ERR_NOT_SERVING || rc == ERR_DB_GONE ||
	    rc == ERR_KEYS_UNAVAILABLE || rc == ERR_LOG_UNWRITABLE ||
	    (rc == ERR_EMERGENCY_READ_ONLY && kind != REMOTE_READ && r->n > 1))
		*ret_outcome = rc == ERR_EMERGENCY_READ_ONLY && is_lasting(&r->reply) ? LASTING
										      : AGAIN_SOON;
	if (rc == ERR_TIMEOUT && kind == REMOTE_READ)
		*ret_outcome = AGAIN_LATER; /* its database stands still */
	return rc;
}

static struct node *
next_node(struct remote *r, int64_t now)
{
	struct node *best = NULL;
	for (size_t i = 0; i < r->n; i++) {
		struct node *n = &r->nodes[(r->last + i) % r->n];
		if (!best || (n->next_ms > now && n->next_ms < best->next_ms) ||
		    (n->next_ms <= now && best->next_ms > now))
			best = n;
	}
	return best;
}

static bool
all_hopeless(const struct remote *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (!r->nodes[i].hopeless)
			return false;
	return true;
}

static int
patience_ms(const struct remote *r, enum remote_kind kind)
{
	if (r->n == 1)
		return PATIENCE_ALONE_MS;
	return kind == REMOTE_READ ? PATIENCE_READ_MS : PATIENCE_WRITE_MS;
}

static int
parse_reply(const struct client_reply *reply, json_t **ret, struct err *e)
{
	json_error_t je;

	if (!ret)
		return 0;
	*ret = NULL;
	if (reply->body.len == 0)
		return 0;
	*ret = json_loadb(reply->body.data, reply->body.len, JSON_REJECT_DUPLICATES, &je);
	return *ret ? 0 : err_set(e, ERR_BAD_JSON, "the node's answer is not valid JSON");
}

static bool
all_asked(const struct remote *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (!r->nodes[i].how)
			return false;
	return true;
}

/* "waiting for an answer: https://a:7272 does not answer; https://b:7272 stands by". `now`: who is being asked. */
static void
tell_waiting(const struct remote *r, const struct node *now, struct waiting *w)
{
	auto_buf text = BUF_INIT;

	for (size_t i = 0; i < r->n; i++) {
		const struct node *n = &r->nodes[i];
		const char *how = n->how ? n->how : n == now ? "does not answer yet" : NULL;

		if (how)
			buf_addf(&text, "%s%s %s", text.len ? "; " : "", n->url, how);
	}
	waiting_for(w, "waiting: %s", buf_str(&text));
}

/* The nodes are not those of before: they are asked for, at the node that says so. What fails here is tried again with the next answer. */
static void
ask_for_nodes(struct remote *r, struct node *n)
{
	struct client_reply reply = { 0 };
	json_error_t je;
	struct err ignored = { 0 };

	if (!r->token || !r->reply.nodes[0] || strcmp(r->reply.nodes, r->mark) == 0 ||
	    client_call(n->client, "GET", "/v1/session", NULL, &reply, NULL, &ignored) < 0)
		return;
	auto_json o = reply.status == 200 ? json_loadb(reply.body.data, reply.body.len,
						       JSON_REJECT_DUPLICATES, &je)
					  : NULL;
	if (json_array_size(json_object_get(o, "nodes")) > 0) {
		r->last = (size_t)(n - r->nodes);
		memcpy(r->mark, reply.nodes, sizeof(r->mark));
		adopt_nodes(r, o);
		(void)!save(r, &ignored); /* only the next command would have used it */
	}
	client_reply_done(&reply);
}

/* Where several were asked, each and why. */
static void
name_each(const struct remote *r, struct err *e)
{
	auto_buf text = BUF_INIT;

	if (r->n < 2 || !e->code)
		return;
	for (size_t i = 0; i < r->n; i++) {
		const struct node *n = &r->nodes[i];
		if (n->how)
			buf_addf(&text, "%s%s %s%s%.120s%s", text.len ? "; " : "", n->url, n->how,
				 n->why[0] ? " (" : "", n->why, n->why[0] ? ")" : "");
	}
	size_t used = strlen(e->text), room = sizeof(e->text) - used;
	if (text.len + 20 > room &&
	    text.len + 40 < sizeof(e->text)) /* each of them counts more than advice */
		used = sizeof(e->text) - text.len - 21;
	text_fit(e->text + used, sizeof(e->text) - used, ". Asked were: %s", buf_str(&text));
}

static int
put_question(struct remote *r, const struct question *q, json_t **ret, struct err *e)
{
	int64_t deadline = clock_mono_ms() + patience_ms(r, q->kind);
	auto_waiting w = waiting_begin();
	bool lasting = false;
	struct err last = { 0 };
	r->maybe_done = false;
	struct err said = { 0 }; /* by a node that answered: tells more than a refused connection */

	for (size_t i = 0; i < r->n; i++) {
		r->nodes[i].how = NULL;
		r->nodes[i].gone = false;
	}
	for (;;) {
		int64_t now = clock_mono_ms();
		struct node *n = next_node(r, now);
		if (n->next_ms > now) {
			if (n->next_ms > deadline)
				break;
			clock_sleep_ms(n->next_ms - now);
		}
		enum outcome outcome;
		tell_waiting(r, n, w);
		int rc = ask(r, n, q, &outcome, &last);
		if (outcome == DONE || outcome == GIVE_UP) {
			if (outcome == DONE && (size_t)(n - r->nodes) != r->last) {
				struct err ignored = { 0 };
				r->last = (size_t)(n - r->nodes);
				/* Only a hint for the next command; it may fail. */
				if (r->token && save(r, &ignored) < 0)
					ignored.code = 0;
			}
			if (rc == 0) {
				ask_for_nodes(r, n);
				return parse_reply(&r->reply, ret, e);
			}
			if (e)
				*e = last;
			return rc;
		}
		note_silence(r);
		if (rc != ERR_UNREACHABLE && rc != ERR_STANDBY)
			said = last;
		n->next_ms = clock_mono_ms() + (outcome == AGAIN_SOON ? 100 : 1500);
		lasting |= outcome == LASTING;
		if (clock_mono_ms() > deadline || all_hopeless(r) || (lasting && all_asked(r)))
			break;
	}
	if (said.code)
		last = said;
	name_each(r, &last);
	if (e)
		*e = last;
	return last.code ? last.code : ERR_UNREACHABLE;
}

int
remote_call(struct remote *r, enum remote_kind kind, const char *method, const char *path,
	    const char *body, json_t **ret, struct err *e)
{
	struct question q = { .kind = kind,
			      .method = method,
			      .path = path,
			      .type = CLIENT_JSON,
			      .body = body,
			      .len = body ? strlen(body) : 0 };
	return put_question(r, &q, ret, e);
}

int
remote_send(struct remote *r, const char *method, const char *path, const char *body, size_t n,
	    json_t **ret, struct err *e)
{
	struct question q = { .kind = REMOTE_REPEAT,
			      .method = method,
			      .path = path,
			      .type = CLIENT_FILE,
			      .body = body,
			      .len = n };
	return put_question(r, &q, ret, e);
}

bool
remote_maybe_done(const struct remote *r)
{
	return r->maybe_done;
}

void
remote_stop_on(struct remote *r, const atomic_bool *stop)
{
	r->stop = stop;
}
