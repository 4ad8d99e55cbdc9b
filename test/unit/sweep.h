/* SPDX-License-Identifier: Apache-2.0
 *
 * The Nth-failure sweep of a unit: `once` is run again and again; each time one outside call more goes well before one
 * fails, for each kind of call by itself, until a run is through without meeting the fault. Everything that must hold
 * whatever fails is asserted by `once`. Needs a build with fault points and cmocka.
 */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/fault.h"

#define SWEEP_MAX 20000 /* more reaches than any unit has: something goes round in circles */

/* What fails once is done again and then goes well. Only the fault may have made it fail. */
#define SWEEP_AGAIN(call)                                                                          \
	do {                                                                                       \
		int sweep_rc = (call);                                                             \
		if (sweep_rc != 0 && fault_fired())                                                \
			sweep_rc = (call);                                                         \
		assert_int_equal(sweep_rc, 0);                                                     \
	} while (0)

static inline int
sweep_open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Returns how many calls failed. */
static inline int64_t
sweep(void (*once)(void *), void *arg)
{
	bool tell = getenv("SWEEP_TELL") != NULL;
	int64_t all = 0;

	once(arg);
	for (int f = 0; f < FAULT_COUNT; f++) {
		int64_t n = 0;
		bool fired;

		do {
			int files = sweep_open_files();

			assert_true(++n < SWEEP_MAX);
			if (tell)
				fprintf(stderr, "%s %lld\n", fault_name((enum fault)f),
					(long long)n);
			fault_arm((enum fault)f, n);
			once(arg);
			fired = fault_fired();
			fault_disarm();
			if (sweep_open_files() != files)
				fail_msg("%s left a file open", fault_where());
		} while (fired);
		if (n > 1)
			print_message("%s failed at %lld reaches\n", fault_name((enum fault)f),
				      (long long)n - 1);
		all += n - 1;
	}
	return all;
}
