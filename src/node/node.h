/* SPDX-License-Identifier: Apache-2.0
 *
 * The supervisor, and the steps of a start, which it runs one after the other, each as a process
 * (base/proc.h says how). Each returns the exit code.
 */
#pragma once

#include "base/proc.h"

int supervisor_main(const struct proc_args *a) NONNULL;
/* Turns an unpacked pack into the node's data. */
int unpack_main(const struct proc_args *a) NONNULL;
/* Makes the stopped database follow another primary (ha/rejoin.h). */
int rejoin_main(const struct proc_args *a) NONNULL;
/* Becomes the postmaster; ends with its parent. */
int postgres_main(const struct proc_args *a) NONNULL;
/* Waits for PostgreSQL, migrates on a primary, checks key and versions. */
int prepare_main(const struct proc_args *a) NONNULL;
