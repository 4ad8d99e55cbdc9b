/* SPDX-License-Identifier: Apache-2.0 */
#include "base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/log.h"

/* ---- files ---- */

/* What the headers of the oldest system that this is built on do not know yet; the kernel says what it has. */
#define RIGHT_TRUNCATE (1ULL << 14)	  /* third version */
#define SCOPE_ABSTRACT_SOCKET (1ULL << 0) /* sixth version */
#define SCOPE_SIGNAL (1ULL << 1)

#define RIGHTS_OF_FILES                                                                            \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |                              \
	 LANDLOCK_ACCESS_FS_READ_FILE | RIGHT_TRUNCATE)

#define RIGHTS_OF_CHANGE                                                                           \
	(LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |                               \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_SYM |                              \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                          \
	 LANDLOCK_ACCESS_FS_REFER)

struct ruleset {
	uint64_t files, net, scoped;
};

static uint64_t
all_rights(int version)
{
	uint64_t all = LANDLOCK_ACCESS_FS_MAKE_SYM;

	all = (all << 1) - 1; /* the first version's: all up to this one */
	if (version >= 2)
		all |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		all |= RIGHT_TRUNCATE;
	return all;
}

static int
allow(int rules, const struct confine_path *p, uint64_t all, struct err *e)
{
	struct landlock_path_beneath_attr a = { .parent_fd = -1 };
	struct stat st;
	int fd = open(p->path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (p->rights & CONFINE_LIST)
		a.allowed_access |= LANDLOCK_ACCESS_FS_READ_DIR;
	if (p->rights & CONFINE_READ)
		a.allowed_access |= LANDLOCK_ACCESS_FS_READ_FILE;
	if (p->rights & CONFINE_WRITE)
		a.allowed_access |= LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE;
	if (p->rights & CONFINE_CHANGE)
		a.allowed_access |= RIGHTS_OF_CHANGE;
	if (p->rights & CONFINE_EXECUTE)
		a.allowed_access |= LANDLOCK_ACCESS_FS_EXECUTE;
	a.allowed_access &= all;
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		a.allowed_access &= RIGHTS_OF_FILES;
	a.parent_fd = fd;
	long r = a.allowed_access
			 ? syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &a, 0)
			 : 0;
	int rc = r ? err_errno(e, ERR_INTERNAL, "cannot confine this process to %s", p->path) : 0;
	close(fd);
	return rc;
}

int
confine_files(const struct confine_path *paths, size_t n, bool silent, bool *ret_held,
	      struct err *e)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int rc = 0;

	*ret_held = version >= 1;
	if (version < 1)
		return 0;
	struct ruleset r = { .files = all_rights((int)version) };
	if (version >= 6)
		r.scoped = SCOPE_ABSTRACT_SOCKET | (silent ? SCOPE_SIGNAL : 0);
	/* An older kernel knows the first field alone. */
	int rules = (int)syscall(SYS_landlock_create_ruleset, &r,
				 version >= 6 ? sizeof(r) : sizeof(r.files), 0);
	if (rules < 0)
		return err_errno(e, ERR_INTERNAL, "cannot confine this process to its files");
	for (size_t i = 0; !rc && i < n; i++)
		rc = allow(rules, &paths[i], r.files, e);
	if (!rc && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    syscall(SYS_landlock_restrict_self, rules, 0)))
		rc = err_errno(e, ERR_INTERNAL, "cannot confine this process to its files");
	close(rules);
	return rc;
}

void
confine_check_key(const char *file, const char *what)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	close(fd);
	log_warning("%s can read the master key file %s, so whoever takes it over has the key: "
		    "put the file elsewhere, outside of the system's own folders, and write its "
		    "new path into conf/manage_key.conf",
		    what, file);
}

/* ---- calls ---- */

/* Those that this C library or libseccomp may not name yet have their numbers from the kernel's own header, or are left out:
 * what a library does not know it cannot refuse. */
static const int refused[] = {
	/* Another program. */
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	/* Another process. */
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(kcmp),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(kill),
	SCMP_SYS(tkill),
	SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo),
	/* Other views of the system. */
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount),
	SCMP_SYS(fspick),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(open_by_handle_at),
	/* The kernel. */
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(acct),
	SCMP_SYS(quotactl),
	SCMP_SYS(syslog),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(modify_ldt),
	SCMP_SYS(personality),
	SCMP_SYS(vhangup),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
	/* What Landlock leaves open: the modes, owners and attributes of files, and, where it is old, their length. */
	SCMP_SYS(chmod),
	SCMP_SYS(fchmodat),
	SCMP_SYS(chown),
	SCMP_SYS(lchown),
	SCMP_SYS(fchownat),
	SCMP_SYS(truncate),
	SCMP_SYS(utime),
	SCMP_SYS(utimes),
	SCMP_SYS(futimesat),
	SCMP_SYS(setxattr),
	SCMP_SYS(lsetxattr),
	SCMP_SYS(removexattr),
	SCMP_SYS(lremovexattr),
};

/* Flags of clone that begin another view of the system. */
static const unsigned long long new_views[] = { CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,
						CLONE_NEWIPC, CLONE_NEWUSER,   CLONE_NEWPID,
						CLONE_NEWNET };

static int
refuse_calls(scmp_filter_ctx f)
{
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_LEN(refused); i++)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	for (size_t i = 0; !r && i < ARRAY_LEN(new_views); i++)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, new_views[i], new_views[i]));
	/* Its flags cannot be seen; without it the C library takes clone. */
	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r;
}

/* Signals to itself, limits of its own, and never open to a debugger again. */
static int
refuse_some(scmp_filter_ctx f)
{
	int r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1,
				 SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getpid()));

	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 1,
				     SCMP_A0(SCMP_CMP_NE, 0));
	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1,
				     SCMP_A0(SCMP_CMP_EQ, PR_SET_DUMPABLE));
	/* Sockets of the network, of this machine, and the resolver's questions about interfaces. */
	for (int family = 0; !r && family < AF_NETLINK; family++)
		if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
			r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
					     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_GT, AF_NETLINK));
	return r;
}

int
confine_calls(struct err *e)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int r = f ? refuse_calls(f) : -ENOMEM;

	if (!r)
		r = refuse_some(f);
	if (!r)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!r)
		r = seccomp_load(f);
	seccomp_release(f);
	if (!r)
		return 0;
	errno = -r;
	return err_errno(e, ERR_INTERNAL,
			 "cannot filter the system calls of this process (does this kernel have "
			 "seccomp?)");
}
