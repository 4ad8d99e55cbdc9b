/* SPDX-License-Identifier: Apache-2.0
 *
 * The ports by which a node is reached: those it listens on, those the others were last told, and
 * hence what is news to them. If one port has moved, they find the node by the other: a primary's
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
/* What the others were last told and have followed; false: not known. */
bool ports_told(const struct home *h, struct ports *ret) NONNULL;
/* Nobody is left who was told. */
void ports_forget_told(const struct home *h) NONNULL;
int ports_write_told(const struct home *h, const struct ports *p, struct err *e) NONNULL MUST_USE;

/* ret: what the node table should say; false: it says so already. A port that differs there but did not move is translated
 * by something in between, and stays. told NULL: not known; then only what the node is not reached by has moved. */
bool ports_moved(const struct ports *own, const struct ports *told, const struct ports *table,
		 bool reached, struct ports *ret);

/* Call before anything starts. ERR_PRECONDITION: both have moved, so nobody could follow. */
int ports_check(const struct home *h, const struct settings *s, struct err *e) NONNULL MUST_USE;
