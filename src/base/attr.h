/* SPDX-License-Identifier: Apache-2.0
 *
 * Short names for the compiler attributes the project uses, and the cleanup guards.
 */
#pragma once

#include <stdint.h>

#include <stddef.h>

#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define NONNULL __attribute__((nonnull))
#define MUST_USE __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))

/* Declares a guard: FREE_WITH(buf_done) struct buf b = BUF_INIT; */
#define FREE_WITH(fn) __attribute__((cleanup(fn)))

/* Defines `name`, a guard function for a pointer variable of `type *`, from its _free function. */
#define DEFINE_GUARD(name, type, free_fn)                                                          \
	static inline void name(type **p)                                                          \
	{                                                                                          \
		free_fn(*p);                                                                       \
	}

/* Hands over an owning pointer and sets the guarded variable to NULL. */
#define TAKE(p)                                                                                    \
	({                                                                                         \
		__typeof__(p) take_tmp_ = (p);                                                     \
		(p) = NULL;                                                                        \
		take_tmp_;                                                                         \
	})

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Casts const away, for libraries that take a non-const pointer but only read: nobody may write through it. */
#define UNCONST(type, p) ((type)(uintptr_t)(p))
