/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of the private cluster. holdfast.conf, pg_hba.conf and pg_ident.conf are ours
 * and rewritten whenever they differ; postgresql.auto.conf is PostgreSQL's (ALTER SYSTEM) and
 * wins.
 */
#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "pg/cluster.h"
#include "pg/quote.h"

#define FILE_MAX 65536
#define SSL_ON "ssl = on\n"

/* What never depends on a setting. What a standby must have at least as much of as its primary is
 * the same on every node, so that any can follow any. */
static const char fixed_conf[] =
	"max_connections = 40\n"
	"superuser_reserved_connections = 4\n"
	"max_wal_senders = 8\n"
	"max_replication_slots = 8\n"
	"max_worker_processes = 2\n"
	"max_parallel_workers = 0\n"
	"max_parallel_workers_per_gather = 0\n"
	"max_parallel_maintenance_workers = 0\n"
	"max_logical_replication_workers = 0\n"
	"max_prepared_transactions = 0\n"
	"max_locks_per_transaction = 64\n"
	"max_files_per_process = 200\n"
	/* Small memory. */
	"huge_pages = off\n"
	"work_mem = 4MB\n"
	"maintenance_work_mem = 16MB\n"
	"temp_buffers = 1MB\n"
	"wal_buffers = 4MB\n"
	"effective_cache_size = 256MB\n"
	"dynamic_shared_memory_type = posix\n"
	"jit = off\n"
	/* Durability, and a log from which any node can be rewound. */
	"fsync = on\n"
	"full_page_writes = on\n"
	"synchronous_commit = on\n"
	"wal_level = replica\n"
	"wal_log_hints = on\n"
	"archive_mode = off\n"
	/* What a secondary lacks when it follows another primary than before. */
	"wal_keep_size = 64MB\n"
	"min_wal_size = 80MB\n"
	"max_wal_size = 512MB\n"
	"checkpoint_timeout = 5min\n"
	/* The pair. A dead line is noticed in seconds. */
	"hot_standby = on\n"
	"hot_standby_feedback = on\n"
	"max_standby_streaming_delay = 1s\n"
	"wal_sender_timeout = 6s\n"
	"holdfast.follows = ''\n" /* whom a standby followed last */
	"wal_receiver_timeout = 6s\n"
	"wal_receiver_status_interval = 1s\n"
	"wal_retrieve_retry_interval = 500ms\n"
	"tcp_keepalives_idle = 5\n"
	"tcp_keepalives_interval = 2\n"
	"tcp_keepalives_count = 3\n"
	"tcp_user_timeout = 6s\n"
	"authentication_timeout = 10s\n"
	"restart_after_crash = on\n"
	"idle_in_transaction_session_timeout = 60s\n"
	/* Autovacuum, modest. */
	"autovacuum = on\n"
	"autovacuum_max_workers = 2\n"
	"autovacuum_naptime = 60s\n"
	/* The log goes to standard error, where the supervisor reads it. No value of a statement
	 * may get into it: no statements, no parameters, no DETAIL (which quotes rows). */
	"log_destination = 'stderr'\n"
	"logging_collector = off\n"
	"log_line_prefix = '%p %q%u '\n"
	"log_min_messages = warning\n"
	"log_min_error_statement = panic\n"
	"log_error_verbosity = terse\n"
	"log_statement = 'none'\n"
	"log_min_duration_statement = -1\n"
	"log_parameter_max_length = 0\n"
	"log_parameter_max_length_on_error = 0\n"
	"log_checkpoints = off\n"
	"log_autovacuum_min_duration = -1\n"
	"log_timezone = 'UTC'\n"
	"timezone = 'UTC'\n"
	"lc_messages = 'C'\n"
	"update_process_title = off\n"
	"unix_socket_permissions = 0700\n"
	"bonjour = off\n";

/* host:port or [v6]:port; the settings' own check has passed it. */
static int
split_address(const char *address, char *host, size_t room)
{
	const char *colon = strrchr(address, ':');
	if (!colon)
		return 0;
	size_t n = (size_t)(colon - address);
	if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
		address++;
		n -= 2;
	}
	if (host)
		snprintf(host, room, "%.*s", (int)n, address);
	return (int)strtol(colon + 1, NULL, 10);
}

int
cluster_port(const struct settings *s)
{
	return split_address(s->pair_listen, NULL, 0);
}

static void
add_pair(const struct home *h, const struct settings *s, struct buf *out)
{
	static const struct {
		const char *name;
		enum home_path path;
	} files[] = { { "ssl_cert_file", HOME_PAIR_CERT },
		      { "ssl_key_file", HOME_PAIR_KEY },
		      { "ssl_ca_file", HOME_PAIR_CA } };
	char host[SETTINGS_TEXT_MAX], path[HOME_PATH_MAX];
	split_address(s->pair_listen, host, sizeof(host));
	quote_setting(out, "listen_addresses", *host ? host : "*");
	buf_adds(out, SSL_ON "ssl_min_protocol_version = 'TLSv1.3'\n");
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		home_path(h, files[i].path, path);
		quote_setting(out, files[i].name, path);
	}
}

static void
write_conf(const struct home *h, const struct settings *s, bool pair, int major, struct buf *out)
{
	char run[HOME_PATH_MAX];
	home_path(h, HOME_RUN, run);
	buf_adds(out, "# Written by holdfast at every start; changes here are lost.\n");
	buf_addf(out, "port = %d\n", cluster_port(s));
	quote_setting(out, "unix_socket_directories", run);
	buf_addf(out, "shared_buffers = %lldMB\n", (long long)s->shared_buffers_mb);
	buf_addf(out, "max_slot_wal_keep_size = %lldMB\n", (long long)s->slot_limit_mb);
	buf_adds(out, fixed_conf);
	if (major >= 18)
		buf_adds(out, "io_method = 'sync'\n"); /* no workers beside a small cluster */
	if (pair)
		add_pair(h, s, out);
	else
		buf_adds(out, "listen_addresses = ''\nssl = off\n");
}

/* What the others may be here. */
static const char *const pair_roles[] = { "hf_replicate", "hf_deposit", "hf_rewind" };

static void
write_hba(bool pair, struct buf *out)
{
	buf_adds(out, "# Written by holdfast at every start; changes here are lost.\n"
		      "local all all peer map=hf\n"
		      "local replication holdfast peer map=hf\n");
	if (pair)
		buf_adds(out, "hostssl replication hf_replicate all cert map=pair\n"
			      "hostssl holdfast hf_deposit all cert map=pair\n"
			      "hostssl holdfast hf_rewind all cert map=pair\n");
	buf_adds(out, "host all all all reject\nhost replication all all reject\n");
}

/* One name of a certificate, whatever its case (PostgreSQL, "User Name Maps": a regular expression). */
static void
add_mapping(struct buf *out, const char *name, const char *role)
{
	buf_adds(out, "pair /(?i)^");
	for (; *name; name++) {
		if (!isalnum((unsigned char)*name))
			buf_addc(out, '\\');
		buf_addc(out, *name);
	}
	buf_addf(out, "$ %s\n", role);
}

/* What is in the file already; before anybody said who the nodes are, any name that the pair's authority signed. */
static void
keep_pairs(const char *pg, struct buf *out)
{
	static const char head[] = "pair ";
	char path[HOME_PATH_MAX + 32];
	auto_buf old = BUF_INIT;
	struct err ignored;

	snprintf(path, sizeof(path), "%s/pg_ident.conf", pg);
	if (home_read_file(path, FILE_MAX, &old, &ignored) == 0) {
		const char *line = buf_str(&old), *end;

		for (; (end = strchr(line, '\n')); line = end + 1)
			if (strncmp(line, head, strlen(head)) == 0)
				buf_add(out, line, (size_t)(end - line) + 1);
	}
	if (out->len)
		return;
	for (size_t i = 0; i < ARRAY_LEN(pair_roles); i++)
		buf_addf(out, "pair /^.*$ %s\n", pair_roles[i]);
}

/* The maps name one operating system user: whoever owns the data folder. */
static int
write_ident(const char *pg, const struct buf *pairs, struct buf *out, struct err *e)
{
	struct stat st;
	if (stat(pg, &st) < 0)
		return err_errno(e, ERR_IO, "cannot look at %s", pg);
	const struct passwd *pw = getpwuid(st.st_uid);
	if (!pw)
		return err_set(
			e, ERR_PRECONDITION,
			"the user %lu who owns %s has no name on this machine; PostgreSQL needs "
			"one to know its own user: add it (useradd), or give the home folder to a "
			"user that has one",
			(unsigned long)st.st_uid, pg);
	buf_adds(out, "# Written by holdfast; changes here are lost.\n");
	buf_addf(out, "hf \"%s\" holdfast\nhf \"%s\" hf_vault\n", pw->pw_name, pw->pw_name);
	buf_add(out, pairs->data, pairs->len);
	return 0;
}

/* *ret_changed may be NULL. */
static int
put_file(const char *pg, const char *name, const struct buf *text, bool *ret_changed, struct err *e)
{
	char path[HOME_PATH_MAX + 32];
	auto_buf old = BUF_INIT;
	struct err ignored;
	snprintf(path, sizeof(path), "%s/%s", pg, name);
	bool same = home_read_file(path, FILE_MAX, &old, &ignored) == 0 && old.len == text->len &&
		    memcmp(old.data, text->data, text->len) == 0;
	if (ret_changed)
		*ret_changed = !same;
	return same ? 0 : home_write_file(path, text->data, text->len, 0600, e);
}

int
cluster_map_pair(const struct home *h, const char *const *names, size_t n, bool *ret_changed,
		 struct err *e)
{
	char pg[HOME_PATH_MAX];
	auto_buf pairs = BUF_INIT, ident = BUF_INIT;

	home_path(h, HOME_PG, pg);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ARRAY_LEN(pair_roles); k++)
			add_mapping(&pairs, names[i], pair_roles[k]);
	int r = write_ident(pg, &pairs, &ident, e);
	return r ? r : put_file(pg, "pg_ident.conf", &ident, ret_changed, e);
}

bool
cluster_has_channel(const struct home *h)
{
	char pg[HOME_PATH_MAX], path[HOME_PATH_MAX + 32];
	auto_buf text = BUF_INIT;
	struct err ignored;

	home_path(h, HOME_PG, pg);
	snprintf(path, sizeof(path), "%s/holdfast.conf", pg);
	return home_read_file(path, FILE_MAX, &text, &ignored) == 0 &&
	       strstr(buf_str(&text), "\n" SSL_ON);
}

int
cluster_configure(const struct home *h, const struct settings *s, bool pair, struct err *e)
{
	char pg[HOME_PATH_MAX];
	auto_buf conf = BUF_INIT, hba = BUF_INIT, ident = BUF_INIT, main_conf = BUF_INIT;
	auto_buf pairs = BUF_INIT;
	int major = 0, r = cluster_major(h, &major, e);
	home_path(h, HOME_PG, pg);
	if (!r && !major)
		r = err_set(e, ERR_NOT_FOUND, "there is no PostgreSQL data in %s", pg);
	if (!r)
		r = cluster_socket_check(h, s, e);
	if (r)
		return r;
	keep_pairs(pg, &pairs);
	r = write_ident(pg, &pairs, &ident, e);
	if (r)
		return r;
	write_conf(h, s, pair, major, &conf);
	write_hba(pair, &hba);
	buf_adds(&main_conf, "# Written by holdfast at every start; changes here are lost.\n"
			     "include 'holdfast.conf'\n");
	r = put_file(pg, "holdfast.conf", &conf, NULL, e);
	if (!r)
		r = put_file(pg, "pg_hba.conf", &hba, NULL, e);
	if (!r)
		r = put_file(pg, "pg_ident.conf", &ident, NULL, e);
	return r ? r : put_file(pg, "postgresql.conf", &main_conf, NULL, e);
}
