/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of the home for a process that may open none itself (base/confine.h): it asks the supervisor, which opens what
 * base/home.def says that this process writes, and the few that it reads. The kernel's rules go by folders, and the files
 * of several processes lie in one; names are what tells them apart.
 *
 * One datagram each way over a socketpair: a question (a path below the home, and what for), and the errno with, if it is
 * 0, the descriptor. Which process asks is known by its socket.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include "base/home.h"

/* As open(2) and unlink(2); any thread. What the kernel denies to a confined process is asked of the supervisor. */
int homefile_open(const char *path, int flags, mode_t mode) NONNULL;
int homefile_unlink(const char *path) NONNULL;

/* From now on this process has the supervisor at fd; before it has threads, once. h is borrowed for ever. */
void homefile_ask(const struct home *h, int fd) NONNULL;

/* Whether `who` may have the file at a path below the home: to write (make, remove) or only to read it. */
bool homefile_allowed(enum home_writer who, const char *below, bool writes) NONNULL;

/* The supervisor's side: answers what waits at fd, without waiting. false: the other side is gone. */
bool homefile_answer(const struct home *h, enum home_writer who, int fd) NONNULL;
