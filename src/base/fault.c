/* SPDX-License-Identifier: Apache-2.0
 *
 * The page is the program's only mutable global, and exists only in test builds: points are in
 * functions that get no context, and a fault counts for all processes of a node.
 */
#include "base/fault.h"

#ifdef HF_FAULTS

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct fault_page alone;
static struct fault_page *page = &alone;

static const struct {
	const char *name;
	int sys;
} points[] = {
#define POINT(name, sys, text) { #name, sys },
#include "base/fault.def"
#undef POINT
};

/* Before main: keyd may open nothing once it is at work. */
__attribute__((constructor)) static void
map_page(void)
{
	const char *path = getenv("HOLDFAST_FAULTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, sizeof(struct fault_page)) == 0)
		p = mmap(NULL, sizeof(struct fault_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 0);
	if (fd >= 0)
		close(fd);
	if (p != MAP_FAILED)
		page = p;
	else if (path) {
		fprintf(stderr, "HOLDFAST_FAULTS: cannot use %s\n", path);
		_exit(1);
	}
}

/* "../../src/pack/pack.c" to "pack/pack.c". */
static const char *
short_file(const char *file)
{
	int slashes = 0;
	const char *p = file + strlen(file);

	for (; p > file; p--)
		if (p[-1] == '/' && ++slashes == 2)
			break;
	return p;
}

/* The row of this name, made when it is the first to ask; the table is never full. */
static uint32_t
find_place(const char *name)
{
	uint32_t i = 0;

	for (const char *p = name; *p; p++)
		i = i * 31 + (unsigned char)*p;
	for (unsigned tries = 0; tries < FAULT_PLACES; tries++, i++) {
		struct fault_place *row = &page->places[i & (FAULT_PLACES - 1)];
		uint32_t nobody = 0;

		if (atomic_compare_exchange_strong(&row->taken, &nobody, 1)) {
			memcpy(row->name, name, strlen(name) + 1);
			atomic_store(&row->taken, 2);
		}
		while (atomic_load(&row->taken) == 1)
			; /* another one is writing the name: some instructions */
		if (strcmp(row->name, name) == 0)
			return i & (FAULT_PLACES - 1);
	}
	abort();
}

static bool
is_armed(enum fault f, uint32_t place)
{
	uint32_t armed = atomic_load(&page->armed) & ~(uint32_t)FAULT_KILLS;

	return armed == (uint32_t)f + 1 || armed == FAULT_AT_PLACE + place;
}

bool
fault_reach(enum fault f, const char *file, const char *function)
{
	char name[FAULT_PLACE_LEN];
	int keep = errno;

	snprintf(name, sizeof(name), "%s %s %s", short_file(file), function, points[f].name);
	uint32_t at = find_place(name);
	atomic_fetch_add(&page->reached[f], 1);
	atomic_fetch_add(&page->places[at].reached, 1);
	errno = keep;
	if (!is_armed(f, at) || atomic_fetch_sub(&page->left, 1) != 1)
		return false;
	bool kills = atomic_exchange(&page->armed, 0) & FAULT_KILLS;
	atomic_fetch_add(&page->places[at].failed, 1);
	atomic_store(&page->fired_place, at);
	atomic_store(&page->fired_pid, (uint32_t)getpid());
	atomic_store(&page->fired, 1);
	if (kills)
		raise(SIGKILL);
	errno = points[f].sys;
	return true;
}

void
fault_arm(enum fault f, int64_t nth)
{
	atomic_store(&page->armed, 0);
	atomic_store(&page->fired, 0);
	atomic_store(&page->left, nth);
	atomic_store(&page->armed, (uint32_t)f + 1);
}

void
fault_disarm(void)
{
	atomic_store(&page->armed, 0);
}

bool
fault_fired(void)
{
	return atomic_load(&page->fired) != 0;
}

const char *
fault_where(void)
{
	return atomic_load(&page->fired_pid) ? page->places[atomic_load(&page->fired_place)].name
					     : "";
}

int64_t
fault_clock_ahead_us(void)
{
	return atomic_load(&page->clock_ahead_us);
}

struct fault_trespass *
fault_trespass(void)
{
	return &page->trespass;
}

const char *
fault_name(enum fault f)
{
	return points[f].name;
}

#endif
