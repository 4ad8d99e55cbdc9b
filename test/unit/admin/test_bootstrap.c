/* SPDX-License-Identifier: Apache-2.0
 *
 * A new vault is begun whole or not at all, and a restored one only from a log that holds what its
 * backup names (H13).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "admin/bootstrap.h"
#include "base/log.h"
#include "crypto/endmark.h"
#include "crypto/keyproto.h"
#include "crypto/keyfile.h"
#include "crypto/x509.h"
#include "fixture.h"

#define MADE_AT "2026-01-31T12:00:00Z"

static struct pgtemp *pg;

/* A home whose database runs, and the key file of its keyd. */
struct place {
	struct fixture keys; /* of which only the key file counts here */
	struct home home;
	struct settings settings;
	struct home_node node;
	char token[TOKEN_STR_LEN];
};

static void
write_file(const struct place *p, const char *name, const char *text)
{
	char path[HOME_PATH_MAX];
	struct err e = { 0 };
	snprintf(path, sizeof(path), "%s/%s", p->home.dir, name);
	assert_int_equal(home_write_file(path, text, strlen(text), 0600, &e), 0);
}

static int
set_up(void **state)
{
	static const char *const folders[] = { "conf/tls", "data/pg" };
	struct place *p = calloc(1, sizeof(*p));
	char path[2 * HOME_PATH_MAX], dir[] = "/tmp/hf-bootstrap.XXXXXX";
	struct err e = { 0 };
	assert_non_null(p);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(home_open(&p->home, dir, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, folders[i]);
		assert_int_equal(home_mkdirs(path, 0700, &e), 0);
	}
	write_file(p, "data/pg/holdfast.conf", "# of this test\nport = 5432\n");
	snprintf(path, sizeof(path), "%s/run", dir);
	assert_int_equal(symlink(pgtemp_dir(pg), path), 0);
	snprintf(p->keys.keyfile, sizeof(p->keys.keyfile), "%s/key", dir);
	assert_int_equal(keyfile_create(p->keys.keyfile, &e), 0);
	snprintf(p->keys.anchor, sizeof(p->keys.anchor), "%s/data/anchor", dir);
	p->keys.role = KEYPROTO_INIT;
	settings_defaults(&p->settings);
	uuid_new(&p->node.id);
	strcpy(p->node.name, "first.test");
	pgtemp_settle(pg);
	pgtemp_sql(pg, "TRUNCATE event, node, data_key, principal, ending, audit_accepted, "
		       "authority CASCADE;"
		       "UPDATE ha_term SET term = 1");
	*state = p;
	return 0;
}

static int
tear_down(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };
	int rc = home_remove_tree(p->home.dir, &e);
	free(p);
	return rc;
}

static int64_t
count(const char *sql)
{
	PGconn *c = PQconnectdb(pgtemp_conninfo(pg, "holdfast"));
	PGresult *r = PQexec(c, sql);
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(c));
	int64_t n = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	PQfinish(c);
	return n;
}

static void
put_text(const char *sql, char *ret, size_t size)
{
	PGconn *c = PQconnectdb(pgtemp_conninfo(pg, "holdfast"));
	PGresult *r = PQexec(c, sql);
	if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1)
		fail_msg("%s: %s", sql, PQerrorMessage(c));
	snprintf(ret, size, "%s", PQgetvalue(r, 0, 0));
	PQclear(r);
	PQfinish(c);
}

/* With the keyd behind that connection. */
static int
begin_by(struct place *p, int fd, struct err *e)
{
	struct bootstrap_names names = { 0 };
	assert_int_equal(authority_add_scope_of(&names.scopes, p->node.name, e), 0);
	assert_int_equal(authority_add(&names.web, p->node.name, e), 0);
	return vaultd_bootstrap(&p->home, &p->settings, fd, &p->node, &names, p->token, e);
}

/* A connection to a keyd of its own, which ends with it. */
static int
begin(struct place *p, struct err *e)
{
	pid_t keyd;
	int fd = fixture_keyd(&p->keys, &keyd);
	int rc = begin_by(p, fd, e);
	waitpid(keyd, NULL, 0);
	return rc;
}

static void
begin_surely(struct place *p)
{
	struct err e = { 0 };
	int rc = begin(p, &e);
	if (rc)
		fail_msg("%d: %s", rc, e.text);
}

/* ---- a new vault ---- */

static void
a_new_vault_has_a_node_a_key_and_an_administrator(void **state)
{
	static const enum event_kind kinds[] = { EVENT_NODE_CREATED, EVENT_NODE_JOINED,
						 EVENT_KEY_CREATED, EVENT_USER_CREATED,
						 EVENT_AUTHORITY_MADE };
	struct place *p = *state;
	char text[300], sql[300], id[UUID_STR_LEN];
	begin_surely(p);
	assert_int_equal(count("SELECT count(*) FROM event"), ARRAY_LEN(kinds));
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		snprintf(sql, sizeof(sql), "SELECT kind FROM event WHERE seq = %zu", i + 1);
		assert_int_equal(count(sql), kinds[i]);
	}
	uuid_str(&p->node.id, id);
	put_text("SELECT string_agg(DISTINCT node::text, ',') FROM event", text, sizeof(text));
	assert_string_equal(text, id);
	put_text("SELECT id || ' ' || name FROM node", text, sizeof(text));
	snprintf(sql, sizeof(sql), "%s first.test", id);
	assert_string_equal(text, sql);
	put_text("SELECT name || ' ' || role || ' ' || disabled FROM principal", text,
		 sizeof(text));
	assert_string_equal(text, "admin administrator false");
	assert_int_equal(count("SELECT count(*) FROM data_key"), 1);
	assert_int_equal(count("SELECT (body::jsonb->>'primary_since_term')::int FROM event "
			       "WHERE seq = 2"),
			 1);
}

static void
a_new_vault_has_its_end_mark(void **state)
{
	struct place *p = *state;
	struct endmark m;
	char hash[80], hex[80] = "";

	begin_surely(p);
	int fd = open(p->keys.anchor, O_RDONLY);
	assert_true(endmark_read(fd, &m));
	close(fd);
	assert_true(uuid_eq(&m.node, &p->node.id));
	assert_int_equal(m.seq, count("SELECT max(seq) FROM event"));
	put_text("SELECT encode(hash, 'hex') FROM event ORDER BY seq DESC LIMIT 1", hash,
		 sizeof(hash));
	for (size_t i = 0; i < sizeof(m.hash); i++)
		snprintf(hex + 2 * i, 3, "%02x", m.hash[i]);
	assert_string_equal(hex, hash);
}

static void
the_setup_token_is_stored_as_its_hash_and_ends(void **state)
{
	struct place *p = *state;
	uint8_t token[TOKEN_BYTES];
	char sql[400], first[TOKEN_STR_LEN];
	begin_surely(p);
	memcpy(first, p->token, sizeof(first));
	assert_int_equal(token_parse(first, token), 0);
	assert_int_equal(count("SELECT octet_length(setup_mac) FROM principal"), KEYS_HASH_BYTES);
	assert_int_equal(count("SELECT count(*) FROM principal WHERE password_hash IS NULL AND "
			       "setup_until BETWEEN now() + interval '23 hours' AND now() + "
			       "interval '24 hours'"),
			 1);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM event, principal WHERE position('%s' IN event::text || "
		 "principal::text) > 0",
		 first);
	assert_int_equal(count(sql), 0);
	auto_buf hex = BUF_INIT;
	for (size_t i = 0; i < sizeof(token); i++)
		buf_addf(&hex, "%02x", token[i]);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM event, principal WHERE position('%s' IN event::text || "
		 "principal::text) > 0",
		 buf_str(&hex));
	assert_int_equal(count(sql), 0);
}

/* The vault's authority signed it, and whoever shows it shows the authority behind it; the log names it alone. */
static void
clients_find_the_web_certificate(void **state)
{
	struct place *p = *state;
	struct x509_info shown, authority;
	struct err e = { 0 };
	auto_buf web = BUF_INIT, root = BUF_INIT, leaf = BUF_INIT;
	char text[4096], path[HOME_PATH_MAX];
	strcpy(p->settings.listen, "[::1]:8443");
	begin_surely(p);
	home_path(&p->home, HOME_WEB_CERT, path);
	assert_int_equal(home_read_file(path, 65536, &web, &e), 0);
	assert_int_equal(x509_leaf(buf_str(&web), &leaf, &e), 0);
	put_text("SELECT body::jsonb->>'web_cert' FROM event WHERE seq = 2", text, sizeof(text));
	assert_string_equal(text, buf_str(&leaf));
	assert_int_equal(count("SELECT (body::jsonb->>'https_port')::int FROM event WHERE seq = 2"),
			 8443);
	assert_true(x509_root(buf_str(&web), &root));
	assert_true(authority_signed_web(&p->home));
	assert_int_equal(x509_read(text, &shown, &e), 0);
	assert_int_equal(x509_read(buf_str(&root), &authority, &e), 0);
	assert_string_equal(shown.names, "first.test");
	assert_string_equal(shown.issuer, authority.subject);
}

/* The key is the last thing that can fail before the log is written. */
static void
without_a_key_nothing_is_begun(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	close(fd[1]);
	assert_true(begin_by(p, fd[0], &e) < 0);
	assert_int_equal(strncmp(e.text, "cannot write the first events: ", 31), 0);
	assert_true(strlen(e.text) > 31);
	assert_string_equal(p->token, "");
	assert_int_equal(count("SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM node) "
			       "+ (SELECT count(*) FROM principal) + (SELECT count(*) FROM "
			       "data_key)"),
			 0);
}

/* ---- a restored vault ---- */

struct restoring {
	struct place *p;
	struct backup_manifest m;
	struct bootstrap_restore r;
	struct home_node node;
	struct err e;
	char heads[300], id[UUID_STR_LEN];
};

/* A vault whose backup names the end of its chain as it is. */
static void
back_up(struct restoring *b, struct place *p)
{
	*b = (struct restoring){ .p = p };
	begin_surely(p);
	put_text("SELECT node || ':' || seq || ':' || encode(hash, 'hex') FROM event ORDER BY seq "
		 "DESC LIMIT 1",
		 b->heads, sizeof(b->heads));
	uuid_str(&p->node.id, b->id);
	b->m = (struct backup_manifest){ .node_id = b->id,
					 .node_name = p->node.name,
					 .term = 6,
					 .made_at = MADE_AT,
					 .heads = b->heads };
	uuid_new(&b->node.id);
	strcpy(b->node.name, p->node.name); /* the name of the one that is gone */
	char path[HOME_PATH_MAX];
	home_path(&p->home, HOME_ANCHOR, path);
	unlink(path); /* which is no part of a backup */
}

static int
restore(struct restoring *b, bool begin_term)
{
	pid_t keyd;
	int fd = fixture_keyd(&b->p->keys, &keyd);
	b->r = (struct bootstrap_restore){ .m = &b->m, .begin_term = begin_term };
	b->e = (struct err){ 0 };
	int rc = vaultd_restored(&b->p->home, &b->p->settings, fd, &b->node, &b->r, &b->e);
	waitpid(keyd, NULL, 0);
	return rc;
}

static void
a_restored_vault_begins_the_next_term(void **state)
{
	struct restoring b;
	char text[300], id[UUID_STR_LEN];
	back_up(&b, *state);
	int rc = restore(&b, true);
	if (rc)
		fail_msg("%d: %s", rc, b.e.text);
	assert_int_equal(b.r.term, 7);
	assert_true(b.r.result.good);
	assert_int_equal(b.r.result.events, 5); /* as it was verified: before what is written */
	assert_string_equal(b.r.names[0], "first.test");
	uuid_str(&b.node.id, id);
	char sql[300];
	snprintf(sql, sizeof(sql),
		 "SELECT string_agg(kind::text, ',' ORDER BY seq) FROM event WHERE node = '%s'",
		 id);
	put_text(sql, text, sizeof(text));
	char want[60];
	snprintf(want, sizeof(want), "%d,%d,%d,%d", EVENT_NODE_CREATED, EVENT_SEEN, EVENT_RESTORED,
		 EVENT_NODE_JOINED);
	assert_string_equal(text, want);
	snprintf(sql, sizeof(sql),
		 "SELECT body::jsonb->>'term' || ' ' || (body::jsonb->>'backup_of') || ' ' || "
		 "(body::jsonb->>'backup_made_at') FROM event WHERE kind = %d",
		 EVENT_RESTORED);
	put_text(sql, text, sizeof(text));
	assert_string_equal(text, "7 first.test " MADE_AT);
	/* The old node went with it, so that its name is free for the new one. */
	put_text("SELECT string_agg(id || ' ' || name, ',') FROM node", text, sizeof(text));
	snprintf(want, sizeof(want), "%s first.test", id);
	assert_string_equal(text, want);
}

static void
verifying_a_backup_writes_nothing(void **state)
{
	struct restoring b;
	back_up(&b, *state);
	int rc = restore(&b, false);
	if (rc)
		fail_msg("%d: %s", rc, b.e.text);
	assert_true(b.r.result.good);
	assert_int_equal(count("SELECT count(*) FROM event"), 5);
}

/* Whoever verifies is told; the data can be restored all the same. */
static void
tables_that_the_log_does_not_explain_are_named(void **state)
{
	struct restoring b;
	back_up(&b, *state);
	pgtemp_sql(pg, "UPDATE principal SET role = 'user'");
	int rc = restore(&b, false);
	if (rc != ERR_BAD_PACK || !strstr(b.e.text, " of principal differs (role)"))
		fail_msg("%d: %s", rc, b.e.text);
	assert_int_equal(restore(&b, true), 0);
}

static void
refused(struct restoring *b, int code, const char *why)
{
	int64_t before = count("SELECT count(*) FROM event");
	int rc = restore(b, true);
	if (rc != code || !strstr(b->e.text, why))
		fail_msg("%d: %s", rc, b->e.text);
	assert_int_equal(count("SELECT count(*) FROM event"), before);
	assert_int_equal(count("SELECT term FROM ha_term"), 1);
}

static void
heads_that_the_log_does_not_hold_are_refused(void **state)
{
	struct restoring b;
	char good[sizeof(b.heads)];
	back_up(&b, *state);
	memcpy(good, b.heads, sizeof(good));
	char *last = b.heads + strlen(b.heads) - 1;
	*last = *last == '0' ? '1' : '0';
	refused(&b, ERR_CHAIN_BROKEN,
		"the log of node first.test in the backup does not hold the event 5");
	snprintf(b.heads, sizeof(b.heads), "%.37s9%s", good, good + 38);
	refused(&b, ERR_CHAIN_BROKEN, "does not hold the event 9");
	/* Of a node that is in no list any more, its id. */
	snprintf(b.heads, sizeof(b.heads), FIXTURE_NODE_B "%s", good + 36);
	refused(&b, ERR_CHAIN_BROKEN, FIXTURE_NODE_B);
	/* The first is good, what follows is none. */
	snprintf(b.heads, sizeof(b.heads), "%s,nonsense", good);
	refused(&b, ERR_BAD_PACK, "list of chain ends is damaged");
}

static void
a_log_that_is_broken_is_refused(void **state)
{
	struct restoring b;
	back_up(&b, *state);
	pgtemp_sql(pg, "UPDATE event SET address = '192.0.2.1' WHERE seq = 3");
	refused(&b, ERR_CHAIN_BROKEN,
		"the log of node first.test in the backup is broken at event 3: ");
}

static int
begin_server(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_LEVEL_ERROR);
	pg = pgtemp_new();
	pgtemp_migrate(pg);
	return sodium_init() < 0;
}

static int
end_server(void **state)
{
	pgtemp_free(pg);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_vault_has_a_node_a_key_and_an_administrator),
		TEST(a_new_vault_has_its_end_mark),
		TEST(the_setup_token_is_stored_as_its_hash_and_ends),
		TEST(clients_find_the_web_certificate),
		TEST(without_a_key_nothing_is_begun),
		TEST(a_restored_vault_begins_the_next_term),
		TEST(verifying_a_backup_writes_nothing),
		TEST(tables_that_the_log_does_not_explain_are_named),
		TEST(heads_that_the_log_does_not_hold_are_refused),
		TEST(a_log_that_is_broken_is_refused),
	};
	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, begin_server, end_server);
}
