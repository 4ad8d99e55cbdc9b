/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a fuzz target over the files of a corpus without a fuzzer: each file as it is, then cut short at every length and
 * with single bits flipped, as far as the time goes. The same at every run. 77 (skipped) when there is no corpus.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/home.h"

#define FILE_MAX (1024 * 1024)
#define CHANGES_MS 1500 /* for all files together */
#define EXIT_SKIPPED 77

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

/* A block of exactly n bytes, so that a sanitizer sees what is read behind it. */
static void
run(const void *data, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		abort();
	memcpy(copy, data, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static void
run_changes(struct buf *b, int64_t until_ms)
{
	size_t step = b->len / 256 + 1;

	for (size_t n = 0; n < b->len && clock_mono_ms() < until_ms; n += step)
		run(b->data, n);
	for (size_t bit = 0; bit < b->len * 8 && clock_mono_ms() < until_ms; bit += step) {
		b->data[bit / 8] ^= (char)(1 << bit % 8);
		run(b->data, b->len);
		b->data[bit / 8] ^= (char)(1 << bit % 8);
	}
}

static void
replay_file(const char *path, bool changed, int64_t until_ms)
{
	auto_buf b = BUF_INIT;
	struct err e;

	if (home_read_file(path, FILE_MAX, &b, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		exit(1);
	}
	if (changed)
		run_changes(&b, until_ms);
	else
		run(buf_str(&b), b.len);
}

static int
visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* Each file gets the same share of the time. */
static int
replay(const char *dir, bool changed)
{
	struct dirent **files;
	int n = scandir(dir, &files, visible, alphasort);
	char path[4096];

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]->d_name);
		replay_file(path, changed, clock_mono_ms() + CHANGES_MS / n);
		free(files[i]);
	}
	if (n >= 0)
		free(files);
	return n;
}

int
main(int argc, char **argv)
{
	int n;

	if (argc != 2) {
		fprintf(stderr, "usage: %s <folder of the corpus>\n", argv[0]);
		return 2;
	}
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	run("", 0);
	n = replay(argv[1], false);
	if (n <= 0) {
		fprintf(stderr, "no corpus in %s\n", argv[1]);
		return EXIT_SKIPPED;
	}
	replay(argv[1], true);
	printf("%d files of the corpus replayed\n", n);
	return 0;
}
