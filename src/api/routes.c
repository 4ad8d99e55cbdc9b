/* SPDX-License-Identifier: Apache-2.0 */
#include "api/noun.h"

#define NOUN(noun)                                                                                 \
	extern const struct route routes_##noun[];                                                 \
	extern const struct shape replies_##noun[];
#include "api/nouns.def"
#undef NOUN

const struct route *const route_tables[] = {
#define NOUN(noun) routes_##noun,
#include "api/nouns.def"
#undef NOUN
	NULL,
};

/* clang-format off */
/* What is inside the replies of several nouns. */
static const struct shape replies_shared[] = {
	REPLY(Error, ONE(error, ErrorText)),
	REPLY(ErrorText, FIELD(code, TEXT), FIELD(message, TEXT), FIELD(detail, TEXT, NIL)),
	REPLY(Named, FIELD(id, ID), FIELD(name, TEXT)),
	REPLY(NamedAccount, FIELD(id, ID), FIELD(login, TEXT)),
	REPLY(Suffixed, FIELD(id, ID), FIELD(name, TEXT), FIELD(suffix, TEXT, NIL)),
	REPLY(SuffixedAccount, FIELD(id, ID), FIELD(login, TEXT), FIELD(suffix, TEXT, NIL)),
	{ 0 },
};
/* clang-format on */

const struct shape *const reply_tables[] = {
	replies_shared,
#define NOUN(noun) replies_##noun,
#include "api/nouns.def"
#undef NOUN
	NULL,
};
