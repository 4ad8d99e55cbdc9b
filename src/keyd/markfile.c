/* SPDX-License-Identifier: Apache-2.0 */
#include "keyd/markfile.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/worker.h"

#define PAUSE_MS 200  /* from one write to the next */
#define RETRY_MS 1000 /* after one that failed */
/* The thread needs little, and in a process whose memory is locked all of its stack would be. */
#define STACK_BYTES (256u << 10)

/* The worker's lock guards what is below it. */
struct markfile {
	int fd;
	sem_t begun;
	struct worker worker;
	struct endmark mark;
	bool running, due; /* the thread is at work; the mark is not on the disk */
	bool resting;	   /* between two writes: who puts a mark need not wake anybody */
	bool failed;
};

/* Without the lock. */
static bool
write_one(struct markfile *f, const struct endmark *m)
{
	if (endmark_write(f->fd, m) < 0 || FAULT(FILE_SYNC, -1, fdatasync(f->fd)) < 0) {
		if (!f->failed)
			log_warning("cannot write the anchor of the log (data/anchor): %s; tried "
				    "again until it can be written",
				    strerror(errno));
		f->failed = true;
		return false;
	}
	if (f->failed)
		log_notice("the anchor of the log can be written again");
	f->failed = false;
	return true;
}

/* With the lock. */
static void
write_due(struct markfile *f)
{
	struct endmark m = f->mark;

	f->due = false;
	worker_unlock(&f->worker);
	bool good = write_one(f, &m);
	worker_lock(&f->worker);
	f->due |= !good;
}

static int64_t
write_round(void *arg)
{
	struct markfile *f = arg;

	if (!f->running) {
		f->running = true;
		sem_post(&f->begun);
	}
	f->resting = f->due;
	if (!f->due)
		return WORKER_WHEN_WOKEN;
	write_due(f);
	return clock_mono_ms() + (f->due && f->failed ? RETRY_MS : PAUSE_MS);
}

static void
start_thread(struct markfile *f)
{
	pthread_attr_t was, small;

	mem_check(!pthread_getattr_default_np(&was) && !pthread_attr_init(&small) &&
		  !pthread_attr_setstacksize(&small, STACK_BYTES) &&
		  !pthread_setattr_default_np(&small));
	worker_start(&f->worker, "mark", write_round, NULL, f);
	mem_check(!pthread_setattr_default_np(&was));
	pthread_attr_destroy(&small);
	pthread_attr_destroy(&was);
	while (sem_wait(&f->begun) < 0)
		; /* a signal */
}

int
markfile_open(const struct home *h, struct markfile **ret, struct endmark *ret_mark, struct err *e)
{
	char path[HOME_PATH_MAX];
	struct endmark m = { 0 };

	home_path(h, HOME_ANCHOR, path);
	int fd = FAULT(FILE_OPEN, -1, open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	if (fd < 0)
		return err_errno(e, ERR_IO, "cannot open %s", path);
	if (!endmark_read(fd, &m))
		m.seq = 0;
	struct markfile *f = mem_new(sizeof(*f));
	f->fd = fd;
	sem_init(&f->begun, 0, 0);
	worker_init(&f->worker);
	start_thread(f);
	*ret = f;
	*ret_mark = m;
	return 0;
}

void
markfile_put(struct markfile *f, const struct endmark *m)
{
	worker_lock(&f->worker);
	f->mark = *m;
	f->due = true;
	if (!f->resting)
		worker_wake(&f->worker);
	worker_unlock(&f->worker);
}

void
markfile_close(struct markfile *f)
{
	if (!f)
		return;
	worker_stop(&f->worker);
	if (f->due)
		(void)write_one(f, &f->mark);
	worker_done(&f->worker);
	sem_destroy(&f->begun);
	close(f->fd);
	free(f);
}
