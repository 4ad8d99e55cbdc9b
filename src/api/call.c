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

const char *
call_anchor_path(const struct api_call *c)
{
	return c->api->chain_head_path;
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
	pthread_mutex_unlock(&a->health_lock);
}
