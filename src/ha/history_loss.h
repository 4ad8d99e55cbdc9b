/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known to be lost of a primary's own log, and by whom it is known; on disk (data/behind) for as long as the primary does not
 * serve for it, so that a node that begins anew with nobody to ask stays so and says the same.
 *
 * Four lines: `by NODE`, `there SEQ`, `here SEQ`, `parted yes|no`. A file that is damaged is as good as none, and says so: the others are
 * asked, and the node's own mark.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/home.h"
#include "base/uuid.h"

struct history_loss {
	struct uuid by; /* who has more of it; the node itself: it remembers it, and that is all */
	int64_t there;	/* up to this event; 0: nothing is known to be lost */
	int64_t here;	/* where the own log ends */
	bool parted;	/* what is here is not even the beginning of what is there */
};

/* Nothing when there is no file. ERR_IO: there is one, and it cannot be read; *ret is nothing then. */
int history_loss_read(const struct home *h, struct history_loss *ret,
		      struct err *e) NONNULL MUST_USE;
/* On disk when it returns 0; nothing lost: no file. */
int history_loss_write(const struct home *h, const struct history_loss *l,
		       struct err *e) NONNULL MUST_USE;
bool history_loss_eq(const struct history_loss *a, const struct history_loss *b) NONNULL;

/* One sentence for the status. by_name: of l->by; NULL: it is the node itself. */
void history_loss_say(const struct history_loss *l, const char *by_name, char *ret, size_t room);
