/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom connections and attempts of strangers are counted for: an IPv4 address; of IPv6 the /64, since whoever has one address there has all of them
 * (RFC 6177). An IPv4 address is the same as itself inside IPv6 (RFC 4291, 2.5.5.2).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SOURCE_BYTES 16

/* four: the bytes of an IPv4 address, in network order. */
void source_map_ipv4(const uint8_t four[static 4], uint8_t ret[static SOURCE_BYTES]);
/* An address as text, as 16 bytes. false: it is none, and nothing is set. */
bool source_parse(const char *text, uint8_t ret[static SOURCE_BYTES]);
/* What an address is counted as. */
void source_of(const uint8_t address[static SOURCE_BYTES], uint8_t ret[static SOURCE_BYTES]);

#define SOURCE_TEXT_LEN 64
/* The network that the address counts for: "192.0.2.1/32", "2001:db8::/64". false: it is no address, and nothing is set. */
bool source_network(const char *address, char ret[static SOURCE_TEXT_LEN]);
