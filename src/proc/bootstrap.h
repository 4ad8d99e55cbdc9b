/* SPDX-License-Identifier: Apache-2.0
 *
 * The first events of a new vault, written by `holdfast init` while the cluster runs and a keyd serves: the node, the
 * first data key, the first administrator. Blocking; runs a loop of its own.
 */
#pragma once

#include "base/home.h"
#include "base/settings.h"
#include "crypto/token.h"

#define BOOTSTRAP_ADMIN "admin"
#define BOOTSTRAP_SETUP_HOURS 24

/* keyd_fd: a connection to keyd, taken over. ret_setup_token: the administrator's one-time token; only its keyed hash is
 * stored: show it once and wipe it. */
int vaultd_bootstrap(const struct home *h, const struct settings *s, int keyd_fd,
		     const struct home_node *n, char ret_setup_token[static TOKEN_STR_LEN],
		     struct err *e) MUST_USE;
