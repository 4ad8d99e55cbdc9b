/* SPDX-License-Identifier: Apache-2.0
 *
 * The console: the page at / and what belongs to it (web/), built in. It asks the API like any other client; the headers
 * let it load nothing from elsewhere and be put into no other page.
 */
#pragma once

#include <stddef.h>
#include "base/attr.h"

struct console_file {
	const char *path, *type; /* "/console.js", its media type */
	const unsigned char *data;
	size_t len;
};
/* Written at build from web/. */
const struct console_file *console_files(size_t *ret_n) NONNULL;
