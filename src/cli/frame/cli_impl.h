/* SPDX-License-Identifier: Apache-2.0
 *
 * What cli.c and cli_help.c share.
 */
#pragma once

#include "cli/frame/cli.h"

/* Every verb's, ended by a row without name. */
extern const struct cli_opt cli_common_opts[];
/* "ha setup" is in the group "ha". */
bool cli_is_in_group(const struct cli_verb *v, const char *group) NONNULL;
/* The verbs of a group. */
void cli_help_group(const struct cli_verb *const *table, const char *group, FILE *out) NONNULL;
