/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: how long this node's certificates live, and the renewal of what the vault's authority signed before that is over: by the agent's own socket, so that it
 * takes its turn like a command, and never in the loop. It needs no other node, so one that was off for years puts itself right at its start.
 */
#include "agent/agent_impl.h"

#include <signal.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "crypto/x509.h"
#include "pack/authority.h"

#define CERTS_MS 2000
#define PEM_MAX 65536
#define RENEW_AGAIN_MS 60000
#define SAY_US (86400ll * 1000000)

static void
read_life(const struct agent *a, enum home_path which, struct certlife *ret)
{
	auto_buf pem = BUF_INIT;
	char path[HOME_PATH_MAX];
	struct x509_info info;
	struct err ignored;

	*ret = (struct certlife){ 0 };
	home_path(&a->args->home, which, path);
	if (home_read_file(path, PEM_MAX, &pem, &ignored) < 0 ||
	    x509_read(buf_str(&pem), &info, &ignored) < 0)
		return;
	*ret = (struct certlife){ info.not_before_us, info.not_after_us };
}

/* Anew each day, and when it is put right in between. */
static void
tell_log(struct agent *a, enum certlife_kind k)
{
	const struct certlife *c = &a->shown.certs[k];
	int64_t now = clock_now_us();
	enum certlife_level l = certlife_level(c, now);
	char text[CERTLIFE_TEXT_MAX];

	if (l == CERTLIFE_GOOD) {
		a->cert_said_us[k] = 0;
		return;
	}
	if (a->cert_said_us[k] && now - a->cert_said_us[k] < SAY_US)
		return;
	a->cert_said_us[k] = now;
	certlife_say(k, c, now, text);
	if (l == CERTLIFE_SOON)
		log_warning("%s: %s. %s", a->self.name, text, certlife_todo(k));
	else
		log_error("%s: %s. %s", a->self.name, text, certlife_todo(k));
}

static bool
renew_one(const struct home *h, const char *what)
{
	auto_buf none = BUF_INIT, line = BUF_INIT;
	struct err e = { 0 };

	buf_addf(&line, "{\"verb\":\"renew\",\"what\":\"%s\"}", what);
	if (control_ask(h, buf_str(&line), NULL, NULL, &none, &e)) {
		log_err(LOG_LEVEL_WARNING, &e,
			"the %s certificate could not be renewed; it is tried again", what);
		return false;
	}
	log_notice("the %s certificate was renewed", what);
	return true;
}

static void *
renew_channel(void *arg)
{
	(void)renew_one(arg, "channel");
	return NULL;
}

static void *
renew_web(void *arg)
{
	/* The supervisor has it read again, as whoever runs the command does. */
	if (renew_one(arg, "web"))
		kill(getppid(), SIGHUP);
	return NULL;
}

/* Of the authority by which this node's certificates would be signed now. */
static int64_t
signer_ends_us(const struct agent *a)
{
	if (a->rv.authorities.n && a->succession.sign >= 0)
		return a->rv.authorities.ends_us[a->succession.sign];
	return a->shown.certs[CERTLIFE_AUTHORITY].to_us;
}

/* What the authority signs; an operator's own certificate is theirs to renew. */
static void
renew_in_time(struct agent *a, enum certlife_kind k)
{
	const struct certlife *own = &a->shown.certs[k];
	int64_t now = clock_now_us(), signer_to_us = signer_ends_us(a);
	pthread_t t;

	/* One that ends with its authority's cannot be made to live longer. */
	if (certlife_level(own, now) == CERTLIFE_GOOD || own->to_us >= signer_to_us ||
	    signer_to_us <= now || !agent_view_is_fresh(a) ||
	    (a->renewed_ms[k] && a->now_ms - a->renewed_ms[k] < RENEW_AGAIN_MS) ||
	    (k == CERTLIFE_WEB && !authority_signed_web(&a->args->home)))
		return;
	a->renewed_ms[k] = a->now_ms;
	if (pthread_create(&t, NULL, k == CERTLIFE_WEB ? renew_web : renew_channel,
			   UNCONST(void *, &a->args->home)) == 0)
		pthread_detach(t);
}

void
agent_look_at_certs(struct agent *a)
{
	static const enum home_path files[CERTLIFE_KINDS] = {
		[CERTLIFE_WEB] = HOME_WEB_CERT,
		[CERTLIFE_CHANNEL] = HOME_PAIR_CERT,
		[CERTLIFE_AUTHORITY] = HOME_PAIR_CA,
	};

	if (a->certs_ms && a->now_ms - a->certs_ms < CERTS_MS)
		return;
	a->certs_ms = a->now_ms;
	for (enum certlife_kind k = 0; k < CERTLIFE_KINDS; k++) {
		read_life(a, files[k], &a->shown.certs[k]);
		tell_log(a, k);
	}
	agent_follow_authority(a);
	renew_in_time(a, CERTLIFE_WEB);
	renew_in_time(a, CERTLIFE_CHANNEL);
}
