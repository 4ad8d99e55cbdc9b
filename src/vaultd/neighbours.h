/* SPDX-License-Identifier: Apache-2.0
 *
 * The addresses of the pair's nodes, for the places that their connections have (http/door.h): the
 * node table's names, resolved; and their web addresses, for the console. Core thread of vaultd; a slow name server delays nothing else.
 */
#pragma once

#include "vault/vault.h"

#define NEIGHBOURS_MAX 9
#define NEIGHBOURS_TEXT_MAX 1024
#define NEIGHBOURS_PER_NAME 160

struct neighbours {
	struct {
		char name[256];
		char addresses[NEIGHBOURS_PER_NAME]; /* with blanks between; "" never resolved */
	} rows[NEIGHBOURS_MAX];
	unsigned n;
	char all[NEIGHBOURS_TEXT_MAX];
	char origins[NEIGHBOURS_MAX *
		     280]; /* their web addresses as browsers spell them, with blanks between */
};

/* Zero-initialise. Looks again: whatever cannot be read or resolved now stays as it was. True if n->all has changed. */
bool neighbours_look(struct neighbours *n, struct vault *v, struct fiber *f) NONNULL;
