/* SPDX-License-Identifier: Apache-2.0
 *
 * What users and teams have in common: names from one room, and that a share can be with either. Core thread of vaultd only.
 */
#pragma once

#include "vault/policy.h"

struct principal {
	struct uuid id;
	const char *name; /* in the arena */
	bool team;
};

/* A name that is to be: in the form that names have, and no id. *name is in the arena then. ERR_BAD_FIELD. */
int principal_take_name(struct call *c, const char **name, struct err *e) NONNULL MUST_USE;
/* but: whose name it may be, or NULL. ERR_CONFLICT: a user or a team has it. */
int principal_check_free(struct call *c, const char *name, const struct uuid *but,
			 struct err *e) MUST_USE;

/* How something is looked up by a person's word: the statements that read it by id and by name, which have the same columns, that of the id, and what it is
 * called in errors ("user"). */
struct principal_look {
	enum stmt by_id, by_name;
	int col_id;
	const char *noun;
};
/* One row, for a name, with a suffix if others have it too, or the text of an id. ERR_NOT_FOUND; ERR_CONFLICT: several have the name. The caller frees *ret. */
int principal_look_up(struct call *c, const struct principal_look *look, const char *text,
		      struct rows **ret, struct err *e) NONNULL MUST_USE;
/* A user or a team. As above. */
int principal_find(struct call *c, const char *text, struct principal *ret,
		   struct err *e) NONNULL MUST_USE;
