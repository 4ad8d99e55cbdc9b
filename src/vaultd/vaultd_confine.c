/* SPDX-License-Identifier: Apache-2.0
 *
 * What the process that parses the network leaves itself. Of the home: the names in data/, whose journals it looks for; its
 * own files it asks the supervisor for (base/homefile.h), and what it has open stays open. Of the system: libraries, what
 * resolves names, and what libraries ask of the kernel.
 */
#include "vaultd/vaultd_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/confine.h"
#include "base/homefile.h"
#include "base/log.h"
#include "store/journal.h"

#define RESOLVER "/etc/resolv.conf"

/* Whoever changes one of these may put a new file in its place, which the rules do not know. */
static const char *const resolver_files[] = { RESOLVER, "/etc/hosts", "/etc/nsswitch.conf",
					      "/etc/gai.conf", "/etc/host.conf" };

static const struct confine_path system_paths[] = {
	{ "/dev/null", CONFINE_READ | CONFINE_WRITE },
	{ "/dev/random", CONFINE_READ },
	{ "/dev/urandom", CONFINE_READ },
	{ "/etc/crypto-policies", CONFINE_READ | CONFINE_LIST },
	{ "/etc/gnutls/config", CONFINE_READ },
	{ "/etc/group", CONFINE_READ },
	{ "/etc/ld.so.cache", CONFINE_READ },
	{ "/etc/ld.so.preload", CONFINE_READ },
	{ "/etc/localtime", CONFINE_READ },
	{ "/etc/passwd", CONFINE_READ },
	{ "/etc/protocols", CONFINE_READ },
	{ "/etc/services", CONFINE_READ },
	{ "/lib", CONFINE_READ | CONFINE_LIST },
	{ "/lib64", CONFINE_READ | CONFINE_LIST },
	{ "/proc", CONFINE_READ | CONFINE_LIST },
	{ "/proc/self/exe", CONFINE_READ },
	{ "/sys/devices/system", CONFINE_READ | CONFINE_LIST },
	{ "/sys/fs/cgroup", CONFINE_READ | CONFINE_LIST },
	{ "/sys/kernel/mm", CONFINE_READ | CONFINE_LIST },
	{ "/usr/lib", CONFINE_READ | CONFINE_LIST },
	{ "/usr/lib64", CONFINE_READ | CONFINE_LIST },
	{ "/usr/local/lib", CONFINE_READ | CONFINE_LIST },
	{ "/usr/share/locale", CONFINE_READ | CONFINE_LIST },
	{ "/usr/share/zoneinfo", CONFINE_READ | CONFINE_LIST },
};

/* The folder that a resolver of the system keeps its file in; "" for /etc itself. */
static void
find_resolvers_folder(char ret[static PATH_MAX])
{
	char *slash;

	if (!realpath(RESOLVER, ret) || !(slash = strrchr(ret, '/'))) {
		ret[0] = '\0';
		return;
	}
	*slash = '\0';
	if (strcmp(ret, "/etc") == 0)
		ret[0] = '\0';
}

static int
confine_to_files(struct vaultd *d, struct err *e)
{
	struct confine_path paths[ARRAY_LEN(system_paths) + ARRAY_LEN(resolver_files) + 2];
	char data[HOME_PATH_MAX], folder[PATH_MAX];
	size_t n = ARRAY_LEN(system_paths);

	memcpy(paths, system_paths, sizeof(system_paths));
	for (size_t i = 0; i < ARRAY_LEN(resolver_files); i++)
		paths[n++] = (struct confine_path){ resolver_files[i], CONFINE_READ };
	find_resolvers_folder(folder);
	if (folder[0])
		paths[n++] = (struct confine_path){ folder, CONFINE_READ | CONFINE_LIST };
	home_path(&d->args->home, HOME_DATA, data);
	paths[n++] = (struct confine_path){ data, CONFINE_LIST };
	return confine_files(paths, n, true, &d->confined, e);
}

int
vaultd_confine(struct vaultd *d, struct err *e)
{
	char key[HOME_PATH_MAX];
	struct err unsaid = { 0 };
	bool has_key = home_key_path(&d->args->home, key, &unsaid) == 0;
	int rc = confine_to_files(d, e);

	if (!rc)
		rc = confine_calls(e);
	if (rc)
		return rc;
	if (!d->confined) {
		log_notice("this kernel has no Landlock, or it is not switched on: whoever takes "
			   "this process over can open every file of its user");
		return 0;
	}
	if (has_key)
		confine_check_key(key, "vaultd");
	homefile_ask(&d->args->home, PROC_FD_FILES);
	journal_ask_for_files();
	return 0;
}

bool
vaultd_is_shut_out(const struct vaultd *d)
{
	for (size_t i = 0; d->confined && i < ARRAY_LEN(resolver_files); i++) {
		int fd = open(resolver_files[i], O_RDONLY | O_CLOEXEC);

		if (fd >= 0)
			close(fd);
		else if (errno == EACCES && access(resolver_files[i], R_OK) == 0)
			return true;
	}
	return false;
}
