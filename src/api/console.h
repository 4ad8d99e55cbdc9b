/* SPDX-License-Identifier: Apache-2.0
 *
 * The console: the page at / and its assets (web/), embedded in the program. It uses the API like any
 * other client; its headers keep it from loading anything from elsewhere and other pages from framing it.
 *
 * The page is asked for each time and names its assets; an asset's name changes with its content, so browsers
 * keep it for ever. Assets are compressed at build, never here: no answer that holds a secret is.
 */
#pragma once

#include <stddef.h>
#include "base/attr.h"

struct console_form {
	const unsigned char *data;
	size_t len;
};

struct console_file {
	const char *name;		 /* "console-0123456789abcdef.js"; of the page: "" */
	const char *type;		 /* its media type */
	struct console_form plain, gzip; /* the page has no gzip form */
};
/* Written at build from web/, the page first. */
const struct console_file *console_files(size_t *ret_n) NONNULL;
