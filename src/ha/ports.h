/* SPDX-License-Identifier: Apache-2.0
 *
 * By which ports a node is reached: what it listens on, what the others were last told, and hence
 * what is news to them. When one port has moved, they find the node by the other: a primary's
 * service through its stream, its stream through what its service says.
 */
#pragma once

#include <stdbool.h>
#include "base/home.h"
#include "base/settings.h"

struct ports {
	int https, pair;
};

void ports_of(const struct settings *s, struct ports *ret) NONNULL;
/* What the others were last told and have followed; false: it is not known. */
bool ports_told(const struct home *h, struct ports *ret) NONNULL;
/* There is nobody any more who was told. */
void ports_forget_told(const struct home *h) NONNULL;
int ports_write_told(const struct home *h, const struct ports *p, struct err *e) NONNULL MUST_USE;

/* What the node table is to say, into ret; false: it says so already. What differs there and did not move is translated by something in
 * between, and stays. told NULL: not known; then only what the node is not reached by has moved. */
bool ports_moved(const struct ports *own, const struct ports *told, const struct ports *table,
		 bool reached, struct ports *ret);

/* Before anything starts. ERR_PRECONDITION: nobody could follow, since both have moved. */
int ports_check(const struct home *h, const struct settings *s, struct err *e) NONNULL MUST_USE;
