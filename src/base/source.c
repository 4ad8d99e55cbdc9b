/* SPDX-License-Identifier: Apache-2.0 */
#include "base/source.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

void
source_map_ipv4(const uint8_t four[static 4], uint8_t ret[static SOURCE_BYTES])
{
	memcpy(ret, mapped, sizeof(mapped));
	memcpy(ret + sizeof(mapped), four, 4);
}

bool
source_parse(const char *text, uint8_t ret[static SOURCE_BYTES])
{
	uint8_t four[4];

	if (inet_pton(AF_INET6, text, ret) == 1)
		return true;
	if (inet_pton(AF_INET, text, four) != 1)
		return false;
	source_map_ipv4(four, ret);
	return true;
}

static bool
is_ipv4(const uint8_t address[static SOURCE_BYTES])
{
	return memcmp(address, mapped, sizeof(mapped)) == 0;
}

void
source_of(const uint8_t address[static SOURCE_BYTES], uint8_t ret[static SOURCE_BYTES])
{
	memcpy(ret, address, SOURCE_BYTES);
	if (!is_ipv4(address))
		memset(ret + SOURCE_BYTES / 2, 0, SOURCE_BYTES / 2);
}

bool
source_network(const char *address, char ret[static SOURCE_TEXT_LEN])
{
	uint8_t a[SOURCE_BYTES], of[SOURCE_BYTES];
	char text[INET6_ADDRSTRLEN];
	bool four;

	if (!source_parse(address, a))
		return false;
	source_of(a, of);
	four = is_ipv4(of);
	inet_ntop(four ? AF_INET : AF_INET6, four ? of + sizeof(mapped) : of, text, sizeof(text));
	snprintf(ret, SOURCE_TEXT_LEN, "%s/%d", text, four ? 32 : 64);
	return true;
}
