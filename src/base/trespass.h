/* SPDX-License-Identifier: Apache-2.0
 *
 * A process that was taken over, for the tests: in a build with the option `faults` vaultd tries what the page of faults
 * orders (base/fault.h, struct fault_trespass), by itself, as code of an attacker's in it would. In any other build there
 * is nothing of it.
 */
#pragma once

#ifdef HF_FAULTS

enum trespass {
#define TRESPASS(name, text) TRESPASS_##name,
#include "base/trespass.def"
#undef TRESPASS
	TRESPASS_COUNT
};

/* Tries what is ordered, if anything is, and says on the page how it went. */
void trespass_as_ordered(void);

#define TRESPASS_AS_ORDERED() trespass_as_ordered()

#else

#define TRESPASS_AS_ORDERED() ((void)0)

#endif
