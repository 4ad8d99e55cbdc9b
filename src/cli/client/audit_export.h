/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of `holdfast audit verify` that reads an exported log instead of asking a node.
 */
#pragma once

#include "cli/frame/cli.h"

/* FILE [--against OLDER] [--key HEX]. As cli_fn. */
int audit_export_verify(const struct cli *c, struct err *e) NONNULL MUST_USE;
