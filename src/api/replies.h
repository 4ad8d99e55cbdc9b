/* SPDX-License-Identifier: Apache-2.0
 *
 * The shapes of all replies (api/replies.def), as one table.
 */
#pragma once

#include "http/shape.h"

extern const struct shape replies[];
