/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/frame/waiting.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/worker.h"
#include "cli/frame/term.h"

struct waiting {
	struct worker worker;
	int64_t due_ms; /* monotonic */
	bool said;
	char text[400];
};

/* Once the time has come and there is something to say, it is said, once. */
static int64_t
watch(void *arg)
{
	struct waiting *w = arg;

	if (clock_mono_ms() < w->due_ms)
		return w->due_ms;
	if (w->text[0] && !w->said) {
		term_write_text(w->text, false, stderr);
		fputc('\n', stderr);
		fflush(stderr);
		w->said = true;
	}
	return WORKER_WHEN_WOKEN;
}

struct waiting *
waiting_begin(void)
{
	struct waiting *w = mem_new(sizeof(*w));
	sigset_t all, old;

	w->due_ms = clock_mono_ms() + WAITING_AFTER_MS;
	worker_init(&w->worker);
	sigfillset(&all); /* signals are the verb's */
	pthread_sigmask(SIG_BLOCK, &all, &old);
	worker_start(&w->worker, "waiting", watch, NULL, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return w;
}

void
waiting_for(struct waiting *w, const char *fmt, ...)
{
	va_list ap;

	worker_lock(&w->worker);
	va_start(ap, fmt);
	text_fitv(w->text, sizeof(w->text), fmt, ap);
	va_end(ap);
	worker_wake(&w->worker);
	worker_unlock(&w->worker);
}

void
waiting_progress(void *w, const char *text, int percent)
{
	waiting_for(w, "%s", text);
}

void
waiting_steps(void *steps, const char *text, int percent)
{
	struct waiting_steps *s = steps;

	waiting_for(s->waiting, "%s", "");
	term_step(&s->step, text, percent);
}

void
waiting_end(struct waiting *w)
{
	if (!w)
		return;
	worker_done(&w->worker);
	free(w);
}
