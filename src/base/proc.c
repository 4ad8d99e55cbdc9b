/* SPDX-License-Identifier: Apache-2.0 */
#include "base/proc.h"

#include <inttypes.h>
#include <string.h>
#include "base/buf.h"

/* Of one boot of the machine no two runs begin at the same moment. */
void
proc_run(const struct proc_args *a, char ret[static PROC_RUN_MAX])
{
	auto_buf boot = BUF_INIT;
	struct err ignored;

	if (!a->began_ms || home_read_file("/proc/sys/kernel/random/boot_id", 64, &boot, &ignored))
		text_copy(ret, PROC_RUN_MAX, "");
	else
		text_fit(ret, PROC_RUN_MAX, "%.36s.%" PRId64, buf_str(&boot), a->began_ms);
}
