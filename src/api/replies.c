/* SPDX-License-Identifier: Apache-2.0 */
#include "api/replies.h"

#define MAYBE SHAPE_OPTIONAL
#define NIL SHAPE_NULL

#define REPLY(name) static const struct shape_field fields_##name[] = {
#define FIELD(name, kind, flags) { #name, SHAPE_##kind, flags, NULL },
#define ONE(name, shape, flags) { #name, SHAPE_ONE, flags, #shape },
#define LIST(name, shape, flags) { #name, SHAPE_LIST, flags, #shape },
#define END                                                                                        \
	{                                                                                          \
		0                                                                                  \
	}                                                                                          \
	}                                                                                          \
	;
#include "api/replies.def"
#undef REPLY
#undef FIELD
#undef ONE
#undef LIST
#undef END

const struct shape replies[] = {
#define REPLY(name) { #name, fields_##name },
#define FIELD(name, kind, flags)
#define ONE(name, shape, flags)
#define LIST(name, shape, flags)
#define END
#include "api/replies.def"
	{ 0 },
};
