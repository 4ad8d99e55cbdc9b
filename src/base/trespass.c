/* SPDX-License-Identifier: Apache-2.0 */
#include "base/trespass.h"

#ifdef HF_FAULTS

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/homefile.h"

/* 0, or the errno of the call that was just made. */
static int
outcome(long result)
{
	return result < 0 ? errno : 0;
}

static int
close_outcome(int fd)
{
	int code = outcome(fd);

	if (fd >= 0)
		close(fd);
	return code;
}

/* In a process of its own, which is what an attacker would make; this one is to go on. */
static int
try_program(const char *path)
{
	char *const argv[] = { (char *)(uintptr_t)path, NULL };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execv(path, argv);
		_exit(errno);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static int
try_memory(pid_t pid)
{
	char here[8];
	const struct iovec to = { here, sizeof(here) }, from = { &stdout, sizeof(here) };

	return outcome(process_vm_readv(pid, &to, 1, &from, 1, 0));
}

static int
try_rename(const char *path)
{
	char to[FAULT_PATH_LEN + 16];

	snprintf(to, sizeof(to), "%.*s/journal.db", (int)(strrchr(path, '/') - path), path);
	return outcome(rename(path, to));
}

static int
try_it(enum trespass what, const char *path, pid_t pid)
{
	switch (what) {
	case TRESPASS_READ:
		return close_outcome(open(path, O_RDONLY | O_CLOEXEC));
	case TRESPASS_WRITE:
		return close_outcome(open(path, O_WRONLY | O_CLOEXEC));
	case TRESPASS_MAKE:
		return close_outcome(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	case TRESPASS_REMOVE:
		return outcome(unlink(path));
	case TRESPASS_RENAME:
		return try_rename(path);
	case TRESPASS_OPEN_UP:
		return outcome(chmod(path, 0644));
	case TRESPASS_ASK_TO_READ:
		return close_outcome(homefile_open(path, O_RDONLY | O_CLOEXEC, 0));
	case TRESPASS_ASK_TO_WRITE:
		return close_outcome(homefile_open(path, O_RDWR | O_CLOEXEC, 0));
	case TRESPASS_ASK_TO_REMOVE:
		return outcome(homefile_unlink(path));
	case TRESPASS_EXECUTE:
		return try_program(path);
	case TRESPASS_TRACE:
		return outcome(ptrace(PTRACE_SEIZE, pid, NULL, NULL));
	case TRESPASS_MEMORY:
		return try_memory(pid);
	case TRESPASS_SIGNAL:
		return outcome(kill(pid, 0));
	case TRESPASS_VIEW:
		return outcome(unshare(CLONE_NEWUSER));
	case TRESPASS_DUMPABLE:
		return outcome(prctl(PR_SET_DUMPABLE, 1));
	case TRESPASS_COUNT:
		break;
	}
	return ENOSYS;
}

void
trespass_as_ordered(void)
{
	struct fault_trespass *t = fault_trespass();
	uint32_t wanted = atomic_load(&t->wanted);

	if (!wanted)
		return;
	atomic_store(&t->got, try_it((enum trespass)(wanted - 1), t->path, t->pid));
	atomic_store(&t->wanted, 0);
}

#endif
