/* SPDX-License-Identifier: Apache-2.0
 *
 * Fault points, for the tests: in a build with the option `faults` an outside call written as
 *	FAULT(FILE_SYNC, -1, fsync(fd))
 * is skipped the Nth time that its point is reached and gives -1 instead (and the errno of fault.def).
 * It fails once. In any other build it compiles to the call itself.
 *
 * Processes that map the file named by HOLDFAST_FAULTS share counts and failures; without it each process counts
 * alone. The file starts as all zeros, laid out as struct fault_page, which test/lib/faultpage.py mirrors.
 */
#pragma once

#ifdef HF_FAULTS

#include <stdbool.h>
#include <stdint.h>

enum fault {
#define POINT(name, sys, text) FAULT_##name,
#include "base/fault.def"
#undef POINT
	FAULT_COUNT
};

#define FAULT_PLACES 256 /* a power of two; more than there are in the sources */
#define FAULT_PLACE_LEN 64
#define FAULT_AT_PLACE 0x10000
#define FAULT_KILLS                                                                                \
	0x20000 /* or-ed to either of these: kills the process that reaches it, before the call */

/* Where a point is in the sources: "pack/pack.c put ARCHIVE_WRITE". */
struct fault_place {
	_Atomic uint32_t taken; /* 0 free, 1 being named, 2 named */
	_Atomic uint32_t failed;
	_Atomic uint64_t reached;
	char name[FAULT_PLACE_LEN];
};

#define FAULT_PATH_LEN 512

/* What a process is to try as if it were taken over (base/trespass.h). */
struct fault_trespass {
	_Atomic uint32_t wanted; /* enum trespass + 1; 0: nothing, or it is done */
	_Atomic int32_t got;	 /* 0: it could; else the errno */
	int32_t pid;
	char path[FAULT_PATH_LEN];
};

struct fault_page {
	_Atomic uint32_t armed; /* enum fault + 1, or FAULT_AT_PLACE + a row of places; 0: none */
	_Atomic uint32_t fired;
	_Atomic int64_t left;			 /* reaches until it fails */
	_Atomic uint64_t reached[64];		 /* of each point, since the file was made */
	_Atomic uint32_t fired_place, fired_pid; /* index of the place; 0 while nothing fired */
	struct fault_place places[FAULT_PLACES];
	_Atomic int64_t clock_ahead_us; /* base/clock.h adds it to the wall clock */
	struct fault_trespass trespass;
};

#define FAULT(name, bad, call) (fault_reach(FAULT_##name, __FILE__, __func__) ? (bad) : (call))

/* Counts a reach; true if it must fail, with errno set. Any thread, any process. */
bool fault_reach(enum fault f, const char *file, const char *function);

/* Makes the nth reach from now on fail (n from 1), instead of what was armed. */
void fault_arm(enum fault f, int64_t nth);
void fault_disarm(void);
bool fault_fired(void);	       /* since it was armed */
const char *fault_where(void); /* the place that failed last, or ""; valid for ever */
const char *fault_name(enum fault f);
struct fault_trespass *fault_trespass(void);
int64_t fault_clock_ahead_us(void); /* how far a test has put the clock forward */

#else

#define FAULT(name, bad, call) (call)

#endif
