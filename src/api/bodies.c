/* SPDX-License-Identifier: Apache-2.0 */
#include "api/bodies.h"

#include <stddef.h>
#include "base/name.h"
#include "vault/account.h"
#include "vault/session.h"

/* Longest texts, bytes. vault/import holds lines of a file to the same bounds. */
enum {
	MAX_NAME = NAME_BYTES_MAX,
	MAX_TYPE = 100,
	MAX_ADDRESS = 255,
	MAX_URL = 2000,
	MAX_DESCRIPTION = 4000,
	MAX_CODE = 16,
	MAX_REASON = 500,
	MAX_TOKEN = 100,
	MAX_PENDING = 400,
	MAX_VERSION = 1000000000,
};

#define BODY(body) const struct jfield body_##body[] = {
#define FIELD(body, name, kind, flags, bound)                                                      \
	{ #name, J##kind, flags, offsetof(struct body_##body, name), bound },
#define END(body)                                                                                  \
	{                                                                                          \
		0                                                                                  \
	}                                                                                          \
	}                                                                                          \
	;
#include "api/bodies.def"
