/* SPDX-License-Identifier: Apache-2.0 */
#include "base/url.h"

#include <stdio.h>
#include <string.h>

void
url_write(const char *host, int port, char *ret, size_t room)
{
	snprintf(ret, room, strchr(host, ':') ? "https://[%s]:%d" : "https://%s:%d", host, port);
}
