/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/event.h"

#include <assert.h>
#include <string.h>
#include "store/stmt.h"

#define EVENT_FORMAT 1
#define STMT_NONE (-1)

struct kind_info {
	int kind;
	int apply; /* enum stmt or STMT_NONE */
	const char *name;
	const char *text;
};

static const struct kind_info kinds[] = {
#define KIND(NAME, name, number, apply, text) { number, STMT_##apply, #name, text },
#include "ledger/event.def"
#undef KIND
};

static const struct kind_info *
find(int kind)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].kind == kind)
			return &kinds[i];
	return NULL;
}

const char *
event_name(int kind)
{
	const struct kind_info *k = find(kind);

	return k ? k->name : NULL;
}

const char *
event_text(int kind)
{
	const struct kind_info *k = find(kind);

	return k ? k->text : NULL;
}

int
event_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return kinds[i].kind;
	return 0;
}

int
event_apply_stmt(int kind)
{
	const struct kind_info *k = find(kind);

	return k ? k->apply : STMT_NONE;
}

int
event_kind_at(size_t i)
{
	return i < ARRAY_LEN(kinds) ? kinds[i].kind : 0;
}

void
event_encode(const struct event *ev, struct buf *out)
{
	size_t address_len = strlen(ev->address), body_len = strlen(ev->body);

	assert(address_len <= EVENT_ADDRESS_MAX && body_len <= EVENT_BODY_MAX);
	buf_reserve(out, 1 + 16 + 8 + 8 + 2 + 16 + 16 + 2 + address_len + 4 + body_len);
	buf_add_u8(out, EVENT_FORMAT);
	buf_add(out, ev->node.b, sizeof(ev->node.b));
	buf_add_be64(out, (uint64_t)ev->seq);
	buf_add_be64(out, (uint64_t)ev->at_us);
	buf_add_be16(out, (uint16_t)ev->kind);
	buf_add(out, ev->actor.b, sizeof(ev->actor.b));
	buf_add(out, ev->object.b, sizeof(ev->object.b));
	buf_add_be16(out, (uint16_t)address_len);
	buf_add(out, ev->address, address_len);
	buf_add_be32(out, (uint32_t)body_len);
	buf_add(out, ev->body, body_len);
}

static void
take_uuid(struct cursor *c, struct uuid *ret)
{
	const uint8_t *p = cursor_bytes(c, sizeof(ret->b));

	if (p)
		memcpy(ret->b, p, sizeof(ret->b));
}

/* A text of n bytes; NULL when short or when it holds a NUL, which no text of ours has. */
static const char *
take_text(struct cursor *c, size_t n, size_t max)
{
	const uint8_t *p = n <= max ? cursor_bytes(c, n) : NULL;

	if (!p || memchr(p, 0, n)) {
		c->bad = true;
		return NULL;
	}
	return (const char *)p;
}

int
event_decode(const void *p, size_t n, struct event *ret, struct buf *texts, struct err *e)
{
	struct cursor c = { .p = p, .left = n };
	struct event ev = { 0 };
	const char *address, *body;
	size_t address_len, body_len, at;
	unsigned format = cursor_u8(&c);

	take_uuid(&c, &ev.node);
	ev.seq = (int64_t)cursor_be64(&c);
	ev.at_us = (int64_t)cursor_be64(&c);
	ev.kind = (enum event_kind)cursor_be16(&c);
	take_uuid(&c, &ev.actor);
	take_uuid(&c, &ev.object);
	address_len = cursor_be16(&c);
	address = take_text(&c, address_len, EVENT_ADDRESS_MAX);
	body_len = cursor_be32(&c);
	body = take_text(&c, body_len, EVENT_BODY_MAX);
	if (c.bad || c.left || format != EVENT_FORMAT || ev.seq < 1)
		return err_set(e, ERR_BAD_FIELD, "%zu bytes are not an event of this version", n);
	if (!event_name(ev.kind))
		return err_set(e, ERR_BAD_FIELD,
			       "event kind %d is unknown here: the other node runs a newer version",
			       (int)ev.kind);
	at = texts->len;
	buf_add(texts, address, address_len);
	buf_addc(texts, '\0');
	buf_add(texts, body, body_len);
	buf_addc(texts, '\0');
	ev.address = texts->data + at;
	ev.body = texts->data + at + address_len + 1;
	*ret = ev;
	return 0;
}
