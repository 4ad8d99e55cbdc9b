/* SPDX-License-Identifier: Apache-2.0
 *
 * Freed memory of GnuTLS and libcurl holds what they last decrypted or sent: passwords and tokens.
 * This gives both libraries a free and a realloc that wipe first. Once per process, before any
 * thread and any session.
 */
#pragma once

void wipe_libs_tls(void);
int wipe_libs_start_curl(void); /* curl_global_init; a CURLcode */
