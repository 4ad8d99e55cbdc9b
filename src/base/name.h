/* SPDX-License-Identifier: Apache-2.0
 *
 * Names as people write and compare them: what looks the same has one form (Unicode's NFC), and
 * invisible characters are not allowed. Pure functions over UTF-8; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"

#define NAME_BYTES_MAX 200 /* of a user, resource, login, field */

/* Appends s in NFC. Invalid UTF-8 stays as it is. */
void name_nfc(const char *s, struct buf *out) NONNULL;

/* Whether people read both as the same name, ignoring case and composition. */
bool name_same(const char *a, const char *b) NONNULL;

/* Decodes the character at s, which is not the end of the text, and returns its length in bytes.
 * *ret_unseen: people cannot see it, or it steers what shows it: controls (C0, C1), direction and
 * zero-width marks, line separators. *ret_char of a byte that is not UTF-8 is that byte, unseen. */
size_t name_char(const char *s, uint32_t *ret_char, bool *ret_unseen) NONNULL;

/* Whether the text has an unseen character; *ret_char is the first. */
bool name_unseen(const char *s, uint32_t *ret_char) NONNULL;

/* Checks the name of a user, resource, login …: not empty, no unseen character, no blank at either
 * end. what: "name". Its length is bounded where it is read. ERR_BAD_FIELD. */
int name_check(const char *text, const char *what, struct err *e) NONNULL MUST_USE;

/* Holders of one name are told apart by a suffix: "~" and how the holder's id ends. */
#define NAME_SUFFIX_LEN 6 /* with the NUL */
void name_suffix(const struct uuid *id, char ret[static NAME_SUFFIX_LEN]) NONNULL;

/* Where a suffix begins that the text ends with: "~" behind something, and 4 to 12 hexadecimal digits, so that a
 * longer one may be written where two ids end alike. NULL: there is none. */
const char *name_find_suffix(const char *text) NONNULL;

/* Whether `word` means the holder `id` of `name`: it is the same name, or that with a suffix of the id. */
bool name_means(const char *word, const char *name, const char *id) NONNULL;
