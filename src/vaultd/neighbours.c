/* SPDX-License-Identifier: Apache-2.0 */
#include "vaultd/neighbours.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "base/buf.h"

struct question {
	uv_getaddrinfo_t uv;
	struct fiber *f;
	struct addrinfo *answer; /* NULL: none */
	bool over;
};

static void
on_resolved(uv_getaddrinfo_t *uv, int status, struct addrinfo *answer)
{
	struct question *q = uv->data;

	q->answer = status == 0 ? answer : NULL;
	q->over = true;
	fiber_wake(q->f);
}

static void
add_address(const struct addrinfo *ai, char *text, size_t room)
{
	size_t at = strlen(text);
	char one[64];

	if (getnameinfo(ai->ai_addr, ai->ai_addrlen, one, sizeof(one), NULL, 0, NI_NUMERICHOST) !=
		    0 ||
	    at + strlen(one) + 2 > room)
		return;
	if (at)
		text[at++] = ' ';
	text_copy(text + at, room - at, one);
}

/* The name's addresses take the place of the old ones, if there are any. */
static void
resolve(struct vault *v, struct fiber *f, const char *name, char *addresses, size_t room)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct question q = { .uv = { .data = &q }, .f = f };

	if (uv_getaddrinfo(v->loop, &q.uv, on_resolved, name, NULL, &hints))
		return;
	while (!q.over)
		fiber_sleep(f);
	if (q.answer)
		addresses[0] = '\0';
	for (const struct addrinfo *ai = q.answer; ai; ai = ai->ai_next)
		add_address(ai, addresses, room);
	uv_freeaddrinfo(q.answer);
}

static const char *
known_addresses(const struct neighbours *n, const char *name)
{
	for (unsigned i = 0; i < n->n; i++)
		if (strcmp(n->rows[i].name, name) == 0)
			return n->rows[i].addresses;
	return "";
}

static void
join(struct neighbours *n)
{
	auto_buf all = BUF_INIT;

	for (unsigned i = 0; i < n->n; i++)
		buf_addf(&all, "%s%s", all.len && n->rows[i].addresses[0] ? " " : "",
			 n->rows[i].addresses);
	text_copy(n->all, sizeof(n->all), buf_str(&all));
}

/* A name goes into a header of the console as it is: what could end the list there is left out. */
static void
add_origin(char *text, size_t room, const char *name, int port)
{
	size_t at = strlen(text);
	char one[300];

	if (!name[0] ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")])
		return;
	if (port == 443)
		snprintf(one, sizeof(one), "https://%s", name);
	else
		snprintf(one, sizeof(one), "https://%s:%d", name, port);
	if (at + strlen(one) + 2 > room)
		return;
	if (at)
		text[at++] = ' ';
	text_copy(text + at, room - at, one);
}

bool
neighbours_look(struct neighbours *n, struct vault *v, struct fiber *f)
{
	struct neighbours fresh = { 0 };
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	struct err ignored = { 0 };
	bool news;

	if (db_exec(vault_reader(v), f, STMT_USER_NODES, &b, &rows, &ignored))
		return false;
	for (int i = 0; i < rows_count(rows) && fresh.n < NEIGHBOURS_MAX; i++) {
		const char *name = row_text(rows, i, COL_USER_NODES_NAME);

		text_copy(fresh.rows[fresh.n].name, sizeof(fresh.rows[0].name), name);
		text_copy(fresh.rows[fresh.n].addresses, NEIGHBOURS_PER_NAME,
			  known_addresses(n, name));
		add_origin(fresh.origins, sizeof(fresh.origins), name,
			   row_int(rows, i, COL_USER_NODES_HTTPS_PORT));
		fresh.n++;
	}
	for (unsigned i = 0; i < fresh.n; i++)
		resolve(v, f, fresh.rows[i].name, fresh.rows[i].addresses, NEIGHBOURS_PER_NAME);
	join(&fresh);
	news = strcmp(fresh.all, n->all) != 0;
	*n = fresh;
	return news;
}
