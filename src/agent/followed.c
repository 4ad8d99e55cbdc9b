/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/followed.h"

#include <stddef.h>
#include "base/arena.h"
#include "base/json_out.h"
#include "http/json.h"

struct words {
	const char *wanted, *trusted, *sign;
};

static const struct jfield fields[] = {
	{ "wanted", JTEXT, JREQUIRED | JEMPTY, offsetof(struct words, wanted),
	  SUCCESSION_PINS_MAX - 1 },
	{ "trusted", JTEXT, JREQUIRED | JEMPTY, offsetof(struct words, trusted),
	  SUCCESSION_PINS_MAX - 1 },
	{ "sign", JTEXT, JREQUIRED | JEMPTY, offsetof(struct words, sign), X509_PIN_LEN - 1 },
	{ 0 },
};

void
followed_write(const struct authority_followed *f, struct buf *out)
{
	struct json_out w;

	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "wanted", f->wanted);
	json_out_text(&w, "trusted", f->trusted);
	json_out_text(&w, "sign", f->sign);
	json_out_end_object(&w);
}

int
followed_read(const struct buf *text, struct authority_followed *ret, struct err *e)
{
	struct words w = { 0 };
	auto_arena a = arena_new();
	uint64_t seen;

	int rc = json_parse_body(buf_str(text), text->len, fields, &w, &seen, a, e);
	if (rc)
		return err_prefix(e, "the agent's answer is not understood: ");
	text_copy(ret->wanted, sizeof(ret->wanted), w.wanted);
	text_copy(ret->trusted, sizeof(ret->trusted), w.trusted);
	text_copy(ret->sign, sizeof(ret->sign), w.sign);
	return 0;
}
