/* SPDX-License-Identifier: Apache-2.0
 *
 * The bodies of requests as handlers read them: one struct and one table each, all from api/bodies.def. Texts live in the
 * request's arena.
 */
#pragma once

#include "http/json.h"

#define BODY_TEXT const char *
#define BODY_INT int64_t
#define BODY_BOOL bool
#define BODY_MAP struct jmap
#define BODY_TEXTS struct jtexts

/* struct body_<body> */
#define BODY(body) struct body_##body {
#define FIELD(body, name, kind, flags, bound) BODY_##kind name;
#define END(body)                                                                                  \
	}                                                                                          \
	;
#include "api/bodies.def"
#undef BODY
#undef FIELD
#undef END

/* body_<body>_has_<field>: the number of its row */
#define BODY(body) enum {
#define FIELD(body, name, kind, flags, bound) body_##body##_has_##name,
#define END(body)                                                                                  \
	}                                                                                          \
	;
#include "api/bodies.def"
#undef BODY
#undef FIELD
#undef END

#define BODY(body) extern const struct jfield body_##body[];
#define FIELD(body, name, kind, flags, bound)
#define END(body)
#include "api/bodies.def"
#undef BODY
#undef FIELD
#undef END

/* Was the field in the body? seen: of json_parse_body. */
#define BODY_HAS(seen, body, name) (((seen) >> body_##body##_has_##name & 1) != 0)
