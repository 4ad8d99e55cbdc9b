/* SPDX-License-Identifier: Apache-2.0
 *
 * Names as people write and compare them: one form for what looks the same (Unicode's NFC), and
 * nothing in them that cannot be seen. Pure functions over UTF-8; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"

#define NAME_BYTES_MAX 200 /* of a user, resource, login, field */

/* Appends s in NFC. What is no UTF-8 stays as it is. */
void name_nfc(const char *s, struct buf *out) NONNULL;

/* The same name to people: composed or not, whatever the case. */
bool name_same(const char *a, const char *b) NONNULL;

/* The character at s, which is not the end of the text: its length in bytes, what it is, and
 * whether a person does not see it or it steers what shows it: controls (C0, C1), marks of direction
 * and of no width, separators of lines. A byte that is no UTF-8 is one of those. */
size_t name_char(const char *s, uint32_t *ret_char, bool *ret_unseen) NONNULL;

/* Whether the text has such a character; *ret_char is the first of them. */
bool name_unseen(const char *s, uint32_t *ret_char) NONNULL;

/* A name of a user, resource, login …: not empty, nothing in it that cannot be seen, no blanks at its ends.
 * what: "name". Its length is bounded where it is read. ERR_BAD_FIELD. */
int name_check(const char *text, const char *what, struct err *e) NONNULL MUST_USE;
