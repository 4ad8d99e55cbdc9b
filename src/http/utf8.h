/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing over U+10FFFF.
 */
#pragma once

#include <stdbool.h>
#include "base/attr.h"

/* Length (1..4) of the valid sequence at p, of which n bytes may be read; 0 when it is not valid.
 */
size_t utf8_sequence(const char *p, size_t n) MUST_USE;
bool utf8_valid(const char *p, size_t n) MUST_USE;
