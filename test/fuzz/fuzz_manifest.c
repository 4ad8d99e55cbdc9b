/* SPDX-License-Identifier: Apache-2.0
 *
 * The manifests of packs and backups, and the other texts of src/ha that come from outside: a health answer and a line for the agent.
 */
#include <assert.h>
#include <string.h>
#include "base/arena.h"
#include "ha/probe.h"
#include "pack/backup.h"
#include "pack/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
try_manifest(const char *text, size_t n)
{
	auto_arena a = arena_new();
	auto_buf written = BUF_INIT, first = BUF_INIT, second = BUF_INIT;
	struct pack_manifest m, back;
	struct err e = { 0 };
	uint8_t stream[16];

	if (pack_manifest_parse(text, n, &m, a, &e)) {
		assert(e.code == ERR_BAD_PACK && e.text[0]);
		return;
	}
	/* What was taken can be written, and read back as the same. */
	assert(pack_stream_id(m.node_stream, stream) == 0 &&
	       pack_stream_id(m.base_stream, stream) == 0);
	assert(!strpbrk(m.primary_name, "/'\"\\\n") && !strpbrk(m.secondary_name, "/'\"\\\n") &&
	       !strpbrk(m.slot, "'\n"));
	pack_manifest_write(&m, &written);
	assert(pack_manifest_parse(buf_str(&written), written.len, &back, a, &e) == 0);
	pack_manifest_canonical(&m, &first);
	pack_manifest_canonical(&back, &second);
	assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
}

static void
try_backup(const char *text, size_t n)
{
	auto_arena a = arena_new();
	auto_buf first = BUF_INIT, second = BUF_INIT;
	struct backup_manifest m, back;
	struct err e = { 0 };

	if (backup_parse(text, n, &m, a, &e)) {
		assert(e.code == ERR_BAD_PACK && e.text[0]);
		return;
	}
	assert(!strpbrk(m.node_name, "/'\"\\\n"));
	backup_write(&m, &first);
	assert(backup_parse(buf_str(&first), first.len, &back, a, &e) == 0);
	backup_write(&back, &second);
	assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct probe_reply r;
	struct err e = { 0 };

	try_manifest((const char *)data, n);
	try_backup((const char *)data, n);
	if (probe_parse((const char *)data, n, &r, &e))
		assert(e.code && e.text[0]);
	return 0;
}
