/* SPDX-License-Identifier: Apache-2.0 */
#include "base/epoch.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"

#define DIGITS_MAX 18

int
epoch_cmp(const struct epoch *a, const struct epoch *b)
{
	if (a->counter != b->counter)
		return a->counter < b->counter ? -1 : 1;
	int by_node = memcmp(a->node.b, b->node.b, sizeof(a->node.b));

	if (by_node || a->incarnation == b->incarnation)
		return by_node;
	return a->incarnation < b->incarnation ? -1 : 1;
}

bool
epoch_is_later(const struct epoch *a, const struct epoch *b)
{
	return epoch_cmp(a, b) > 0;
}

bool
epoch_is_of(const struct epoch *e, const struct uuid *node)
{
	return e->counter > 0 && uuid_eq(&e->node, node);
}

void
epoch_incarnation_text(uint64_t incarnation, char ret[static EPOCH_INCARNATION_TEXT_MAX])
{
	ret[0] = '\0';
	if (incarnation)
		snprintf(ret, EPOCH_INCARNATION_TEXT_MAX, "%016" PRIx64, incarnation);
}

int
epoch_incarnation_parse(const char *text, uint64_t *ret, struct err *e)
{
	uint64_t n = 0;

	if (text[0] &&
	    (strlen(text) != EPOCH_INCARNATION_TEXT_MAX - 1 ||
	     strspn(text, "0123456789abcdef") != strlen(text) || !(n = strtoull(text, NULL, 16))))
		return err_set(e, ERR_BAD_FIELD,
			       "what tells two programs of a node apart is %d hexadecimal digits, "
			       "not all 0",
			       EPOCH_INCARNATION_TEXT_MAX - 1);
	*ret = n;
	return 0;
}

void
epoch_text(const struct epoch *e, char ret[static EPOCH_TEXT_MAX])
{
	char node[UUID_STR_LEN], drawn[EPOCH_INCARNATION_TEXT_MAX];

	ret[0] = '\0';
	if (e->counter <= 0)
		return;
	uuid_str(&e->node, node);
	epoch_incarnation_text(e->incarnation, drawn);
	snprintf(ret, EPOCH_TEXT_MAX, "%" PRId64 ".%s%s%s", e->counter, node, drawn[0] ? "." : "",
		 drawn);
}

/* ".0123456789abcdef", or nothing. */
static int
parse_drawn(const char *text, uint64_t *ret, struct err *e)
{
	if (!text[0])
		return 0;
	return text[0] == '.' && text[1] ? epoch_incarnation_parse(text + 1, ret, e) : -1;
}

int
epoch_parse(const char *text, struct epoch *ret, struct err *e)
{
	size_t digits = strspn(text, "0123456789");
	char node[UUID_STR_LEN];
	struct epoch p = { 0 };

	if (digits >= 1 && digits <= DIGITS_MAX && text[0] != '0' && text[digits] == '.') {
		const char *id = text + digits + 1;

		text_copy(node, sizeof(node), id);
		if (!uuid_parse(node, &p.node) &&
		    !parse_drawn(id + strlen(node), &p.incarnation, e)) {
			p.counter = strtoll(text, NULL, 10);
			*ret = p;
			return 0;
		}
	}
	return err_set(e, ERR_BAD_FIELD,
		       "an epoch is a number, a dot and a node's id, and perhaps a dot and %d "
		       "hexadecimal digits, not all 0",
		       EPOCH_INCARNATION_TEXT_MAX - 1);
}

bool
epoch_has_proof(const struct epoch_claim *c)
{
	return !sodium_is_zero(c->proof, sizeof(c->proof));
}

void
epoch_proof_text(const struct epoch_claim *c, char ret[static EPOCH_PROOF_TEXT_MAX])
{
	ret[0] = '\0';
	if (epoch_has_proof(c))
		sodium_bin2hex(ret, EPOCH_PROOF_TEXT_MAX, c->proof, sizeof(c->proof));
}

int
epoch_claim_parse(const char *epoch, const char *proof, struct epoch_claim *ret, struct err *e)
{
	struct epoch_claim c = { 0 };
	size_t n = 0;
	int rc = epoch_parse(epoch, &c.epoch, e);

	if (rc)
		return rc;
	if (proof[0] &&
	    (strlen(proof) != EPOCH_PROOF_TEXT_MAX - 1 ||
	     sodium_hex2bin(c.proof, sizeof(c.proof), proof, strlen(proof), NULL, &n, NULL) ||
	     n != sizeof(c.proof)))
		return err_set(e, ERR_BAD_FIELD, "the proof of an epoch is %d hexadecimal digits",
			       EPOCH_PROOF_TEXT_MAX - 1);
	*ret = c;
	return 0;
}
