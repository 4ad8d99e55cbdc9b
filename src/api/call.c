/* SPDX-License-Identifier: Apache-2.0 */
#include "api/call.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>
#include "api/api_impl.h"
#include "base/clock.h"
#include "base/home.h"

#define BEAT_MAX_MS 1500
#define AUTHORITY_MAX 65536
#define CHECK_EVERY_MS 250 /* epochs that one address may have checked in the long run, */
#define CHECKS_AT_ONCE 8   /* and before that */

enum ha_state
call_state(const struct api_call *c)
{
	const struct statepage *page = c->api->v->statepage;
	return statepage_state(page);
}

struct statepage_view *
call_view(const struct api_call *c, struct arena *arena)
{
	struct statepage_view *v = arena_new_of(arena, struct statepage_view);
	v->state = HA_SINGLE;
	if (c->api->v->statepage)
		statepage_read(c->api->v->statepage, v);
	return v;
}

const char *
call_node_name(const struct api_call *c)
{
	return c->api->node_name;
}

/* Read each time: the agent makes it and exchanges it while the node serves, and who is told of it goes by what lies there then. */
const char *
call_authority(const struct api_call *c)
{
	auto_buf pem = BUF_INIT;
	struct err ignored;

	if (!c->api->authority_path || access(c->api->authority_path, F_OK) < 0 ||
	    home_read_file(c->api->authority_path, AUTHORITY_MAX, &pem, &ignored))
		return NULL;
	return arena_strdup(c->call.a, buf_str(&pem));
}

void
call_count_retrieval(struct api_call *c)
{
	c->api->retrievals++;
}

const struct uuid *
call_id(const struct api_call *c)
{
	assert(c->match.params[0].is_id);
	return &c->match.params[0].id;
}

void
call_health(const struct api_call *c, struct call_health *ret)
{
	struct api *a = c->api;
	int64_t age = clock_mono_ms() - atomic_load(&a->beat_ms);
	ret->alive = age <= BEAT_MAX_MS;
	ret->node = a->v->node;
	pthread_mutex_lock(&a->health_lock);
	ret->serving = a->health.serving;
	memcpy(ret->why, a->health.why, sizeof(ret->why));
	ret->told = a->told;
	pthread_mutex_unlock(&a->health_lock);
}

const char *
call_nodes(const struct api_call *c)
{
	struct api *a = c->api;
	pthread_mutex_lock(&a->health_lock);
	const char *copy = arena_strdup(c->rq->arena, a->nodes);
	pthread_mutex_unlock(&a->health_lock);
	return copy;
}

/* Whoever tells much uses up the checks of their own address, and of those few that share its place. */
static bool
may_check(struct api *a, const char *address)
{
	uint32_t h = 2166136261u;
	int64_t now = clock_mono_ms();

	for (const char *p = address; *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	int64_t *due = &a->checks_due_ms[h % API_CHECKS];
	if (*due - now >= CHECKS_AT_ONCE * CHECK_EVERY_MS)
		return false;
	*due = (*due > now ? *due : now) + CHECK_EVERY_MS;
	return true;
}

static bool
is_news(const struct api *a, const struct epoch_claim *known, const struct epoch_claim *claim)
{
	return epoch_is_later(&claim->epoch, &known->epoch) &&
	       memcmp(claim, &a->told, sizeof(*claim)) != 0;
}

int
call_hear_epoch(struct api_call *c, const struct epoch_claim *claim, bool *ret_news, struct err *e)
{
	struct api *a = c->api;

	*ret_news = is_news(a, &call_view(c, c->rq->arena)->epoch, claim);
	if (!*ret_news)
		return 0;
	if (!may_check(a, c->rq->address))
		return err_set(e, ERR_BUSY, "too many epochs are told from this address at once");
	int rc = keys_epoch_check(a->v->keys, c->call.f, claim, e);
	if (rc == ERR_CRYPTO)
		return err_set(e, ERR_NOT_PROVEN, "the proof is none of this epoch");
	if (rc)
		return rc;
	pthread_mutex_lock(&a->health_lock);
	a->told = *claim;
	pthread_mutex_unlock(&a->health_lock);
	return 0;
}
