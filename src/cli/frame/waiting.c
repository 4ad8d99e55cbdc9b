/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/frame/waiting.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/buf.h"
#include "base/mem.h"
#include "cli/frame/term.h"

struct waiting {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct timespec due; /* monotonic */
	bool ended;
	char text[400];
};

/* Once the time has come and there is something to say, it is said, once. */
static void *
watch(void *arg)
{
	struct waiting *w = arg;
	bool due = false;

	pthread_mutex_lock(&w->lock);
	while (!w->ended && !(due && w->text[0])) {
		if (due)
			pthread_cond_wait(&w->changed, &w->lock);
		else if (pthread_cond_timedwait(&w->changed, &w->lock, &w->due))
			due = true;
	}
	if (!w->ended) {
		term_write_text(w->text, false, stderr);
		fputc('\n', stderr);
		fflush(stderr);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

struct waiting *
waiting_begin(void)
{
	struct waiting *w = mem_new(sizeof(*w));
	pthread_condattr_t a;
	sigset_t all, old;

	clock_gettime(CLOCK_MONOTONIC, &w->due);
	w->due.tv_sec += WAITING_AFTER_MS / 1000;
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, &a);
	pthread_condattr_destroy(&a);
	sigfillset(&all); /* signals are the verb's */
	pthread_sigmask(SIG_BLOCK, &all, &old);
	mem_check(!pthread_create(&w->thread, NULL, watch, w));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return w;
}

void
waiting_for(struct waiting *w, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&w->lock);
	va_start(ap, fmt);
	text_fitv(w->text, sizeof(w->text), fmt, ap);
	va_end(ap);
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

void
waiting_progress(void *w, const char *text, int percent)
{
	waiting_for(w, "%s", text);
}

void
waiting_end(struct waiting *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->ended = true;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
