/* SPDX-License-Identifier: Apache-2.0 */
#include "http/wipe_libs.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <curl/curl.h>
#include <gnutls/gnutls.h>
#include "base/secret.h"

/* No size of our own in front of the block: what the library allocated before must be freed here too. */
static void
wiping_free(void *p)
{
	if (p)
		secret_wipe(p, malloc_usable_size(p));
	free(p);
}

/* Not realloc: it would leave the old bytes behind. */
static void *
wiping_realloc(void *p, size_t n)
{
	size_t old = p ? malloc_usable_size(p) : 0;
	void *q = malloc(n);

	if (!q)
		return NULL;
	if (p)
		memcpy(q, p, old < n ? old : n);
	wiping_free(p);
	return q;
}

void
wipe_libs_tls(void)
{
	gnutls_free = wiping_free;
	gnutls_realloc = wiping_realloc;
}

int
wipe_libs_start_curl(void)
{
	return (int)curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiping_free, wiping_realloc,
					 strdup, calloc);
}
