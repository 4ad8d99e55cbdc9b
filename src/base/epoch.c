/* SPDX-License-Identifier: Apache-2.0 */
#include "base/epoch.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 18

int
epoch_cmp(const struct epoch *a, const struct epoch *b)
{
	if (a->counter != b->counter)
		return a->counter < b->counter ? -1 : 1;
	return memcmp(a->node.b, b->node.b, sizeof(a->node.b));
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
epoch_text(const struct epoch *e, char ret[static EPOCH_TEXT_MAX])
{
	char node[UUID_STR_LEN];

	ret[0] = '\0';
	if (e->counter <= 0)
		return;
	uuid_str(&e->node, node);
	snprintf(ret, EPOCH_TEXT_MAX, "%" PRId64 ".%s", e->counter, node);
}

int
epoch_parse(const char *text, struct epoch *ret, struct err *e)
{
	size_t digits = strspn(text, "0123456789");
	struct epoch p = { 0 };

	if (digits < 1 || digits > DIGITS_MAX || text[0] == '0' || text[digits] != '.' ||
	    uuid_parse(text + digits + 1, &p.node))
		return err_set(e, ERR_BAD_FIELD, "an epoch is a number, a dot and a node's id");
	p.counter = strtoll(text, NULL, 10);
	*ret = p;
	return 0;
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
