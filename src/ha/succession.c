/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/succession.h"

#include <assert.h>
#include <string.h>
#include "base/mem.h"

static uint32_t
first_bits(unsigned n)
{
	return n >= 32 ? UINT32_MAX : (1u << n) - 1;
}

/* S1, S3 */
static int
choose(const struct succession_view *v)
{
	int oldest = -1;

	for (unsigned i = 0; i < v->authorities_n; i++) {
		bool by_all = true;

		if (v->ended & 1u << i)
			continue;
		for (unsigned k = 0; k < v->nodes_n; k++)
			by_all &= (v->nodes[k].trusts & 1u << i) != 0;
		if (by_all)
			return (int)i;
		oldest = (int)i;
	}
	return oldest;
}

/* S2, S3, S4 */
static uint32_t
kept(const struct succession_view *v, int sign)
{
	uint32_t all = first_bits(v->authorities_n), keep = 0;

	if (sign < 0)
		return all & 1u;
	keep = first_bits((unsigned)sign + 1);
	for (unsigned k = 0; k < v->nodes_n; k++)
		keep |= v->nodes[k].trusts ? v->nodes[k].shows : all;
	return keep & all & ~v->ended;
}

void
succession_begin(struct succession_view *v, const struct succession_log *log, int64_t now_us)
{
	*v = (struct succession_view){ .authorities_n = log->n };
	for (unsigned i = 0; i < log->n; i++)
		if (log->ends_us[i] <= now_us)
			v->ended |= 1u << i;
}

void
succession_add(struct succession_view *v, const struct succession_log *log,
	       const struct succession_said *node)
{
	assert(v->nodes_n < SUCCESSION_NODES_MAX);
	v->nodes[v->nodes_n++] = (struct succession_node){
		.trusts = succession_bits(log, node->trusts),
		.shows =
			succession_bits(log, node->channel_by) | succession_bits(log, node->web_by),
	};
}

void
succession_decide(const struct succession_view *v, struct succession *ret)
{
	*ret = (struct succession){ .sign = choose(v) };
	ret->keep = kept(v, ret->sign);
	for (unsigned k = 0; k < v->nodes_n; k++) {
		const struct succession_node *n = &v->nodes[k];

		if (v->authorities_n > 1 && !(n->trusts & 1u))
			ret->not_trust |= 1u << k;
		if (ret->sign >= 0 && (n->shows & ~v->ended & ~first_bits((unsigned)ret->sign + 1)))
			ret->shows_old |= 1u << k;
	}
}

bool
succession_is_stale(const struct succession *s, const struct succession_log *log,
		    const char *channel_by)
{
	uint32_t good = s->sign < 0 ? 0 : first_bits((unsigned)s->sign + 1);

	return good && !(succession_bits(log, channel_by) & good);
}

uint32_t
succession_bits(const struct succession_log *log, const char *pins)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < log->n; i++)
		if (log->pins[i][0] && strstr(pins, log->pins[i]))
			bits |= 1u << i;
	return bits;
}

void
succession_pins(const struct succession_log *log, uint32_t bits,
		char ret[static SUCCESSION_PINS_MAX])
{
	size_t at = 0;

	for (unsigned i = 0; i < log->n; i++) {
		if (!(bits & 1u << i))
			continue;
		if (at)
			ret[at++] = ',';
		memcpy(ret + at, log->pins[i], X509_PIN_LEN - 1);
		at += X509_PIN_LEN - 1;
	}
	ret[at] = '\0';
}
