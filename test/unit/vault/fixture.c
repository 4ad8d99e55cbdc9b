/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/home.h"
#include "base/log.h"
#include "crypto/endmark.h"
#include "crypto/keyproto.h"
#include "crypto/keyfile.h"
#include "crypto/keyring.h"
#include "store/journal.h"
#include "vault/record_lock.h"
#include "vault/retrieve_batch.h"
#include "vault/journal_overlay.h"
#include "vault/hold.h"
#include "vault/refusals.h"
#include "vault/withdrawn.h"

static void
must(int rc, const struct err *e)
{
	if (!rc)
		return;
	fprintf(stderr, "fixture: %d: %s\n", rc, e->text);
	abort();
}

/* ---- keyd ---- */

static bool
read_all(int fd, void *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t got = read(fd, (char *)p + at, n - at);

		if (got <= 0)
			return false;
		at += (size_t)got;
	}
	return true;
}

static void
write_all(int fd, const void *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t put = write(fd, (const char *)p + at, n - at);

		if (put <= 0)
			_exit(1);
		at += (size_t)put;
	}
}

/* As keyd, but at once. */
static void
keep_mark(struct keyring *k, int anchor)
{
	struct endmark m, lost;

	if (keyring_take_mark(k, &m, &lost) && endmark_write(anchor, &m))
		_exit(1);
}

static void
serve_keys(int fd, const struct fixture *x)
{
	struct err e = { 0 };
	struct keyring *k = keyring_open(x->keyfile, &e);
	int anchor = open(x->anchor, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	uint8_t *frame = malloc(KEYPROTO_MAX), head[4];
	struct endmark m;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!k)
		must(e.code, &e);
	keyring_set_node(k, &x->v.node);
	if (endmark_read(anchor, &m))
		keyring_set_mark(k, &m);
	while (read_all(fd, head, sizeof(head))) {
		struct buf answer = BUF_INIT;
		size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 |
			   head[3];

		if (n > KEYPROTO_MAX || !read_all(fd, frame, n) ||
		    keyring_serve(k, x->role ? x->role : KEYPROTO_VAULTD, frame, n, &answer, &e))
			_exit(1);
		keep_mark(k, anchor);
		write_all(fd, answer.data, answer.len);
		buf_done(&answer);
	}
	_exit(0);
}

int
fixture_keyd(struct fixture *x, pid_t *ret)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		abort();
	*ret = fork();
	if (*ret < 0)
		abort();
	if (!*ret) {
		close(fd[0]);
		serve_keys(fd[1], x);
	}
	close(fd[1]);
	return fd[0];
}

/* ---- life ---- */

static void
on_durable(void *ctx, const struct event *ev)
{
	struct fixture *x = ctx;

	if (x->seen.n < ARRAY_LEN(x->seen.kinds))
		x->seen.kinds[x->seen.n++] = ev->kind;
	vault_on_durable(&x->v, ev);
}

static struct db *
connect_db(struct fixture *x, const char *name, const char *session)
{
	struct db_options o = { .conninfo = pgtemp_conninfo(x->pg, "hf_vault"),
				.application = name,
				.session = session,
				.wait_ms = 3000 };

	return db_new(&x->loop, &o);
}

static void
load_keys(struct fixture *x, struct fiber *f, void *arg)
{
	struct err e = { 0 };

	must(vault_load_keys(&x->v, f, &e), &e);
	(void)!journal_overlay_reload(x->v.journal_overlay, x->v.ledger, f, &e);
	(void)!withdrawn_reload(x->v.withdrawn, x->v.ledger, f, &e);
	(void)!sessions_reload(x->v.sessions, f,
			       &e); /* a damaged journal is for the tests to find */
}

void
fixture_open(struct fixture *x, const char *node)
{
	struct ledger_options o = { 0 };
	struct vault *v = &x->v;
	struct err e = { 0 };

	memset(v, 0, sizeof(*v));
	must(uuid_parse(node, &v->node), &e);
	uv_loop_init(&x->loop);
	v->loop = &x->loop;
	v->fibers = fiber_pool_new(128 << 10, 4096);
	v->settings = &x->settings;
	v->keys = keys_new(&x->loop, fixture_keyd(x, &x->keyd));
	for (int i = 0; i < VAULT_READERS; i++)
		v->reader[i] = connect_db(x, "reader", NULL);
	x->writer = connect_db(x, "writer", NULL);
	for (unsigned i = 0; i < lists_connections(); i++)
		x->list[i] = connect_db(
			x, "list",
			"-c plan_cache_mode=force_custom_plan -c statement_timeout=5000");
	v->lists = lists_new(&x->loop, x->list);
	if (x->statepage_writer)
		must(statepage_open(x->state, &v->statepage, &e), &e);
	o.loop = &x->loop;
	o.fibers = v->fibers;
	o.keys = v->keys;
	o.writer = x->writer;
	o.journal_path = x->journal;
	o.node = v->node;
	o.statepage = v->statepage;
	o.run = x->run;
	o.on_durable = on_durable;
	o.ctx = x;
	v->ledger = ledger_new(&o);
	v->record_locks = record_locks_new();
	v->retrieve_batch = retrieve_batch_new(v);
	v->sessions = sessions_new(v);
	v->journal_overlay = journal_overlay_new();
	v->withdrawn = withdrawn_new();
	v->hold = hold_new();
	v->refusals = refusals_new();
	fixture_run(x, load_keys, NULL);
}

void
fixture_close(struct fixture *x)
{
	struct vault *v = &x->v;

	ledger_free(v->ledger);
	for (int i = 0; i < VAULT_READERS; i++)
		db_free(v->reader[i]);
	lists_free(v->lists);
	for (unsigned i = 0; i < lists_connections(); i++)
		db_free(x->list[i]);
	db_free(x->writer);
	keys_free(v->keys);
	sessions_free(v->sessions);
	journal_overlay_free(v->journal_overlay);
	withdrawn_free(v->withdrawn);
	hold_free(v->hold);
	refusals_free(v->refusals);
	record_locks_free(v->record_locks);
	retrieve_batch_free(v->retrieve_batch);
	uv_run(&x->loop, UV_RUN_DEFAULT);
	fiber_pool_free(v->fibers);
	statepage_free(v->statepage);
	if (uv_loop_close(&x->loop))
		abort();
	waitpid(x->keyd, NULL, 0);
}

/* One server for all tests of a program: starting one takes longer than most of them. */
static struct pgtemp *server;

static void
stop_server(void)
{
	pgtemp_free(server);
}

static struct pgtemp *
clean_server(void)
{
	if (!server) {
		server = pgtemp_new();
		pgtemp_migrate(server);
		atexit(stop_server);
		return server;
	}
	pgtemp_settle(server);
	pgtemp_sql(server, "TRUNCATE event, chain, node, data_key, principal, ending, word, "
			   "member, reach, folder, session, "
			   "resource, account, "
			   "version, emptied, share, acceptance, "
			   "ha_inbox, ha_set_aside, ha_request, emergency_policy, audit_accepted");
	return server;
}

struct fixture *
fixture_new(void)
{
	struct fixture *x = calloc(1, sizeof(*x));
	struct err e = { 0 };

	assert(x && sodium_init() >= 0);
	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_LEVEL_ERROR);
	x->pg = clean_server();
	snprintf(x->dir, sizeof(x->dir), "/tmp/hf-vault-XXXXXX");
	if (!mkdtemp(x->dir))
		abort();
	snprintf(x->keyfile, sizeof(x->keyfile), "%s/key", x->dir);
	snprintf(x->journal, sizeof(x->journal), "%s/journal.db", x->dir);
	snprintf(x->anchor, sizeof(x->anchor), "%s/anchor", x->dir);
	snprintf(x->state, sizeof(x->state), "%s/state", x->dir);
	must(keyfile_create(x->keyfile, &e), &e);
	settings_defaults(&x->settings);
	fixture_open(x, FIXTURE_NODE_A);
	return x;
}

void
fixture_free(struct fixture *x)
{
	struct err e = { 0 };

	fixture_close(x);
	statepage_free(x->statepage_writer);
	must(home_remove_tree(x->dir, &e), &e);
	free(x);
}

void
fixture_state(struct fixture *x, enum ha_state s, bool both)
{
	static struct statepage_view v;
	struct err e = { 0 };

	if (!x->statepage_writer) {
		must(statepage_create(x->state, &x->statepage_writer, &e), &e);
		statepage_set_chain_end(x->statepage_writer, CHAIN_END_PROVED);
		memset(&v, 0, sizeof(v));
	}
	v.state = s;
	v.state_seq++;
	statepage_write(x->statepage_writer, &v);
	statepage_set_both(x->statepage_writer, both);
	statepage_beat(x->statepage_writer);
}

/* ---- running ---- */

struct running {
	struct fixture *x;
	fixture_fn *fn;
	void *arg;
	unsigned left;
};

static void
run_one(struct fiber *f, void *arg)
{
	struct running *r = arg;

	r->fn(r->x, f, r->arg);
	r->left--;
}

/* Something must be in the loop while fibers wait for it. */
static void
nothing(uv_timer_t *t)
{
}

void
fixture_run_many(struct fixture *x, fixture_fn *fn, void *arg, unsigned n)
{
	struct running r = { x, fn, arg, n };
	uv_timer_t tick;

	uv_timer_init(&x->loop, &tick);
	uv_timer_start(&tick, nothing, 5, 5);
	for (unsigned i = 0; i < n; i++)
		if (!fiber_start(x->v.fibers, run_one, &r))
			abort();
	while (r.left)
		uv_run(&x->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&x->loop, UV_RUN_NOWAIT);
}

void
fixture_run(struct fixture *x, fixture_fn *fn, void *arg)
{
	fixture_run_many(x, fn, arg, 1);
}

void
fixture_append(struct fixture *x, struct fiber *f, enum event_kind kind, const struct uuid *object,
	       const char *body)
{
	struct event ev = { .kind = kind, .object = *object, .address = "", .body = body };
	struct err e = { 0 };

	must(ledger_append(x->v.ledger, f, &ev, 1, NULL, &e), &e);
}

void
fixture_change(struct fixture *x, struct fiber *f, void *unused)
{
	static unsigned n;
	struct uuid user;
	char body[64];

	uuid_new(&user);
	snprintf(body, sizeof(body), "{\"name\":\"user %u\",\"role\":\"user\"}", ++n);
	fixture_append(x, f, EVENT_USER_CREATED, &user, body);
}

struct pausing {
	struct fiber *f;
	bool over;
};

static void
on_closed(uv_handle_t *h)
{
	struct pausing *p = h->data;

	p->over = true;
	fiber_wake(p->f);
}

static void
on_timer(uv_timer_t *t)
{
	uv_close((uv_handle_t *)t, on_closed);
}

void
fixture_pause(struct fixture *x, struct fiber *f, unsigned ms)
{
	struct pausing p = { f, false };
	uv_timer_t t;

	uv_timer_init(&x->loop, &t);
	t.data = &p;
	uv_timer_start(&t, on_timer, ms, 0);
	while (!p.over)
		fiber_sleep(f);
}

static int
number_of(const char *name, size_t len)
{
	static const struct {
		const char *name;
		int number;
	} names[] = {
#define KIND(NAME, name, number, apply, text) { #NAME, number },
#include "ledger/event.def"
#undef KIND
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strlen(names[i].name) == len && memcmp(names[i].name, name, len) == 0)
			return names[i].number;
	return 0;
}

/* :RETRIEVED becomes 54; what is no event's name stays as it is. */
static void
put_events(struct buf *out, const char *sql)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";

	for (const char *at = sql; *at;) {
		size_t len = *at == ':' ? strspn(at + 1, letters) : 0;
		int number = len > 0 ? number_of(at + 1, len) : 0;

		if (number > 0)
			buf_addf(out, "%d", number);
		else
			buf_add(out, at, len + 1);
		at += len + 1;
	}
}

void
fixture_sql(struct fixture *x, const char *sql)
{
	auto_buf text = BUF_INIT;

	put_events(&text, sql);
	pgtemp_sql(x->pg, buf_str(&text));
}

void
fixture_people(struct fixture *x)
{
	fixture_sql(x, "INSERT INTO principal (id, name, role, made_as, created_at) VALUES "
		       "('" FIXTURE_ANN "', 'ann', 'user', 'user', now()), "
		       "('" FIXTURE_BEN "', 'ben', 'user', 'user', now())");
}

int64_t
fixture_count(struct fixture *x, const char *sql)
{
	auto_buf text = BUF_INIT;
	PGconn *c = PQconnectdb(pgtemp_conninfo(x->pg, "holdfast"));
	PGresult *r;
	int64_t n;

	put_events(&text, sql);
	r = PQexec(c, buf_str(&text));

	if (PQresultStatus(r) != PGRES_TUPLES_OK) {
		fprintf(stderr, "fixture: %s: %s\n", sql, PQerrorMessage(c));
		abort();
	}
	n = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	PQfinish(c);
	return n;
}

/* ---- what another node deposits ---- */

struct depositing {
	struct fixture *x;
	const char *node;
};

static int
deposit_row(void *ctx, const struct journal_row *row)
{
	struct depositing *d = ctx;
	auto_buf sql = BUF_INIT;

	buf_addf(&sql, "INSERT INTO ha_inbox VALUES ('%s', %lld, '\\x", d->node,
		 (long long)row->seq);
	for (size_t i = 0; i < sizeof(row->hash); i++)
		buf_addf(&sql, "%02x", row->hash[i]);
	buf_adds(&sql, "', '\\x");
	for (size_t i = 0; i < row->len; i++)
		buf_addf(&sql, "%02x", ((const uint8_t *)row->event)[i]);
	buf_adds(&sql, "') ON CONFLICT DO NOTHING");
	pgtemp_sql(d->x->pg, buf_str(&sql));
	return 0;
}

void
fixture_deposit(struct fixture *x, const char *journal, const char *node, int64_t after, size_t max)
{
	struct depositing d = { x, node };
	struct journal *j;
	struct uuid id;
	struct err e = { 0 };

	must(uuid_parse(node, &id), &e);
	must(journal_open(journal, &id, &j, &e), &e);
	must(journal_each(j, after, max, deposit_row, &d, &e), &e);
	journal_free(j);
}
