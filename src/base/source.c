/* SPDX-License-Identifier: Apache-2.0 */
#include "base/source.h"

#include <arpa/inet.h>
#include <netinet/in.h>
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

void
source_of(const uint8_t address[static SOURCE_BYTES], uint8_t ret[static SOURCE_BYTES])
{
	memcpy(ret, address, SOURCE_BYTES);
	if (memcmp(address, mapped, sizeof(mapped)) != 0)
		memset(ret + SOURCE_BYTES / 2, 0, SOURCE_BYTES / 2);
}
