/* SPDX-License-Identifier: Apache-2.0
 *
 * Freed memory of GnuTLS holds what was decrypted last: passwords and tokens. This gives the library a free and a realloc
 * that wipe first. Once per process, before any thread and any session.
 */
#pragma once

void residue_wipe_tls(void);
