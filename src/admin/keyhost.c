/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/keyhost.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "base/passfd.h"
#include "crypto/keyproto.h"
#include "keyd/keyd.h"

#define READY_S 5 /* also until it has ended */

static int
connect_client(int control, int *ret_fd, struct err *e)
{
	int client[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client) < 0)
		return err_errno(e, ERR_IO, "cannot make a pair of sockets");
	bool sent = passfd_send(control, KEYPROTO_INIT, client[1]);
	close(client[1]);
	if (sent) {
		*ret_fd = client[0];
		return 0;
	}
	close(client[0]);
	return err_errno(e, ERR_KEYS_UNAVAILABLE, "cannot reach keyd");
}

int
keyhost_start(const struct home *h, const char *key_file, int *ret_control, int *ret_fd,
	      struct err *e)
{
	int control[2];
	struct proc_args a = { .home = *h };
	settings_defaults(&a.settings);
	snprintf(a.key_file, sizeof(a.key_file), "%s", key_file);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) < 0)
		return err_errno(e, ERR_IO, "cannot make a pair of sockets");
	pid_t pid = fork();
	if (pid == 0) {
		if (dup2(control[1], PROC_FD_KEYS) < 0)
			_exit(1);
		_exit(keyd_main(&a));
	}
	close(control[1]);
	struct timeval tv = { .tv_sec = READY_S };
	setsockopt(control[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	char byte = 0;
	int r;
	if (pid < 0 || recv(control[0], &byte, 1, 0) != 1 || byte != 'K')
		r = err_set(e, ERR_KEYS_UNAVAILABLE, "keyd did not start; the lines above say why");
	else
		r = connect_client(control[0], ret_fd, e);
	if (r)
		keyhost_stop(control[0]);
	else
		*ret_control = control[0];
	return r;
}

void
keyhost_stop(int control)
{
	char byte;

	if (control < 0)
		return;
	shutdown(control, SHUT_WR);
	while (recv(control, &byte, 1, 0) > 0)
		;
	close(control);
}
