/* SPDX-License-Identifier: Apache-2.0 */
#include "api/forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define VERSION "1"
#define CONTEXT "holdfast forward 1"

bool
forward_is_for(const struct route *r)
{
	return !(r->flags & ROUTE_ANY_MODE);
}

/* ---- text ---- */

bool
forward_name_fits(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < FORWARD_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:") ==
		       n;
}

static bool
address_fits(const char *address)
{
	uint8_t ip[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, address, ip) == 1 || inet_pton(AF_INET6, address, ip) == 1;
}

/* All but the MAC. */
static void
write_head(const struct forward_mark *m, struct buf *out)
{
	char node[UUID_STR_LEN];

	uuid_str(&m->node, node);
	buf_addf(out, VERSION " %s %016" PRIx64 " %" PRIu64 " %" PRId64 " %s %s", node, m->run,
		 m->number, m->at_us, m->address, m->name);
}

void
forward_write(const struct forward_mark *m, struct buf *out)
{
	char mac[2 * FORWARD_MAC_BYTES + 1];

	write_head(m, out);
	sodium_bin2hex(mac, sizeof(mac), m->mac, sizeof(m->mac));
	buf_addc(out, ' ');
	buf_adds(out, mac);
}

/* The next word of the text, into ret; "" when there is none or it does not fit. */
static void
next_word(const char **p, char *ret, size_t room)
{
	size_t n = strcspn(*p, " ");

	ret[0] = '\0';
	if (n < room) {
		memcpy(ret, *p, n);
		ret[n] = '\0';
	}
	*p += n + ((*p)[n] == ' ');
}

static bool
parse_number(const char *s, int base, uint64_t *ret)
{
	const char *digits = base == 16 ? "0123456789abcdef" : "0123456789";
	size_t n = strlen(s);

	if (n == 0 || n > 19 || strspn(s, digits) != n)
		return false;
	*ret = strtoull(s, NULL, base);
	return true;
}

static bool
parse_words(const char *p, struct forward_mark *m)
{
	char word[FORWARD_NAME_MAX];
	uint64_t at;

	next_word(&p, word, sizeof(word));
	if (strcmp(word, VERSION) != 0)
		return false;
	next_word(&p, word, sizeof(word));
	if (uuid_parse(word, &m->node) < 0)
		return false;
	next_word(&p, word, sizeof(word));
	if (!parse_number(word, 16, &m->run))
		return false;
	next_word(&p, word, sizeof(word));
	if (!parse_number(word, 10, &m->number))
		return false;
	next_word(&p, word, sizeof(word));
	if (!parse_number(word, 10, &at) || at > INT64_MAX)
		return false;
	m->at_us = (int64_t)at;
	next_word(&p, m->address, sizeof(m->address));
	next_word(&p, m->name, sizeof(m->name));
	next_word(&p, word, sizeof(word));
	return address_fits(m->address) && forward_name_fits(m->name) && *p == '\0' &&
	       sodium_hex2bin(m->mac, sizeof(m->mac), word, strlen(word), NULL, NULL, NULL) == 0 &&
	       strlen(word) == 2 * sizeof(m->mac);
}

/* What was read is written again: so one mark has one form only. */
int
forward_parse(const char *text, struct forward_mark *ret, struct err *e)
{
	struct forward_mark m = { 0 };
	auto_buf again = BUF_INIT;

	if (strlen(text) <= REQUEST_FORWARDED_MAX && parse_words(text, &m) && m.number > 0) {
		forward_write(&m, &again);
		if (strcmp(buf_str(&again), text) == 0) {
			*ret = m;
			return 0;
		}
	}
	return err_set(e, ERR_NOT_PROVEN, "the header " FORWARD_HEADER " is malformed");
}

/* ---- what is proven ---- */

static void
add_part(struct buf *out, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	buf_add_be32(out, (uint32_t)n);
	buf_add(out, s ? s : "", n);
}

enum http_method
forward_method(const struct request *rq)
{
	return rq->method == HTTP_HEAD ? HTTP_GET : rq->method;
}

void
forward_message(const struct request *rq, const struct forward_mark *m, struct buf *out)
{
	uint8_t hash[crypto_generichash_BYTES];
	auto_buf head = BUF_INIT, target = BUF_INIT;

	write_head(m, &head);
	request_write_target(rq, &target);
	crypto_generichash(hash, sizeof(hash), (const uint8_t *)buf_str(&rq->body), rq->body.len,
			   NULL, 0);
	buf_reserve(out, head.len + target.len + 1024);
	add_part(out, CONTEXT);
	add_part(out, buf_str(&head));
	add_part(out, request_method_name(forward_method(rq)));
	add_part(out, buf_str(&target));
	add_part(out, rq->bearer);
	add_part(out, rq->cookie);
	add_part(out, rq->content_type);
	add_part(out, rq->if_none_match);
	buf_add(out, hash, sizeof(hash));
}

/* ---- no mark counts twice ---- */

static struct forward_run *
find_run(struct forward_memory *mem, const struct forward_mark *m, int64_t now_us)
{
	struct forward_run *spare = NULL;

	for (size_t i = 0; i < ARRAY_LEN(mem->runs); i++) {
		struct forward_run *r = &mem->runs[i];

		if (r->used_us && uuid_eq(&r->node, &m->node) && r->run == m->run)
			return r;
		/* All marks of a run so long unused are too old by now. */
		if (!r->used_us || now_us - r->used_us > 3 * FORWARD_FRESH_US)
			spare = r;
	}
	if (spare)
		*spare = (struct forward_run){ .node = m->node, .run = m->run };
	return spare;
}

static void
move_window(struct forward_run *r, uint64_t newest)
{
	for (uint64_t n = r->newest + 1, i = 0; n <= newest && i < FORWARD_WINDOW; n++, i++)
		r->taken[n % FORWARD_WINDOW / 64] &= ~(UINT64_C(1) << (n % 64));
	if (newest - r->newest >= FORWARD_WINDOW)
		memset(r->taken, 0, sizeof(r->taken));
	r->newest = newest;
}

static bool
take_number(struct forward_run *r, uint64_t number)
{
	uint64_t *word = &r->taken[number % FORWARD_WINDOW / 64];
	uint64_t bit = UINT64_C(1) << (number % 64);

	if (number + FORWARD_WINDOW <= r->newest)
		return false;
	if (number > r->newest)
		move_window(r, number);
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}

int
forward_take(struct forward_memory *mem, const struct forward_mark *m, int64_t now_us,
	     int64_t since_us, struct err *e)
{
	int64_t age_us = now_us - m->at_us;
	struct forward_run *r;

	if (age_us > FORWARD_FRESH_US || age_us < -FORWARD_FRESH_US)
		return err_set(e, ERR_NOT_PROVEN,
			       "the header " FORWARD_HEADER
			       " is %lld s away from this node's clock: set both nodes' clocks",
			       (long long)(age_us / 1000000));
	if (m->at_us < since_us)
		return err_set(e, ERR_NOT_PROVEN,
			       "the header " FORWARD_HEADER " is older than this node's service");
	r = find_run(mem, m, now_us);
	if (!r)
		return err_set(e, ERR_NOT_PROVEN, "too many services hand requests on");
	r->used_us = now_us;
	if (!take_number(r, m->number))
		return err_set(e, ERR_NOT_PROVEN, "the header " FORWARD_HEADER " was used before");
	return 0;
}
