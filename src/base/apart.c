/* SPDX-License-Identifier: Apache-2.0 */
#include "base/apart.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct apart_outcome {
	int code;
	bool ended;
	struct err e;
	_Alignas(max_align_t) char work[];
};

static void
run_child(struct apart_outcome *o, apart_fn *fn, const void *ctx, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	o->code = fn(o->work, ctx, &o->e);
	o->ended = true;
	fflush(NULL);
	_exit(0);
}

int
apart_begin(struct apart *ret, apart_fn *fn, void *work, size_t n, const void *ctx, struct err *e)
{
	pid_t parent = getpid();
	struct apart a = { .work = work, .n = n };

	a.outcome = mmap(NULL, sizeof(*a.outcome) + n, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (a.outcome == MAP_FAILED)
		return err_errno(e, ERR_INTERNAL, "cannot get memory");
	memcpy(a.outcome->work, work, n);
	fflush(NULL);
	a.pid = fork();
	if (a.pid == 0)
		run_child(a.outcome, fn, ctx, parent);
	if (a.pid < 0) {
		munmap(a.outcome, sizeof(*a.outcome) + n);
		return err_errno(e, ERR_INTERNAL, "cannot start a process");
	}
	*ret = a;
	return 0;
}

int
apart_end(struct apart *a, struct err *e)
{
	int status = 0, rc;

	while (waitpid(a->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (a->outcome->ended) {
		rc = a->outcome->code;
		if (rc)
			*e = a->outcome->e;
		memcpy(a->work, a->outcome->work, a->n);
	} else {
		rc = err_set(e, ERR_INTERNAL, "the process that does this fell (status %d)",
			     status);
	}
	munmap(a->outcome, sizeof(*a->outcome) + a->n);
	return rc;
}
