/* SPDX-License-Identifier: Apache-2.0
 *
 * The console: the page at / and its files (web/), embedded in the program. It uses the API like any
 * other client; its headers keep it from loading anything from elsewhere and other pages from framing it.
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
