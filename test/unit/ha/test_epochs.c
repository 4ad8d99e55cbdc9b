/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ha/epochs.h"

#define A "01900000-0000-7000-8000-00000000000a"
#define B "01900000-0000-7000-8000-00000000000b"

#define P1 "0101010101010101010101010101010101010101010101010101010101010101"
#define P2 "0202020202020202020202020202020202020202020202020202020202020202"

static struct epoch_claim
proved(const char *epoch, const char *proof)
{
	struct epoch_claim c = { 0 };
	struct err e = { 0 };

	assert_int_equal(epoch_claim_parse(epoch, proof, &c, &e), 0);
	return c;
}

static struct epoch_claim
of(const char *epoch)
{
	return proved(epoch, "");
}

static struct uuid
node(const char *text)
{
	struct uuid u;

	assert_int_equal(uuid_parse(text, &u), 0);
	return u;
}

static struct home
new_home(void)
{
	char dir[] = "/tmp/hf-epochs-XXXXXX", path[HOME_PATH_MAX];
	struct home h = { 0 };
	struct err e = { 0 };

	assert_non_null(mkdtemp(dir));
	assert_int_equal(home_open(&h, dir, &e), 0);
	home_path(&h, HOME_DATA, path);
	assert_int_equal(mkdir(path, 0700), 0);
	return h;
}

static void
end_home(const struct home *h)
{
	char path[HOME_PATH_MAX];

	home_path(h, HOME_EPOCH, path);
	assert_true(unlink(path) == 0 || errno == ENOENT);
	home_path(h, HOME_DATA, path);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(h->dir), 0);
}

static void
outlives_the_node(void **state)
{
	struct home h = new_home();
	struct epochs x = { .known = proved("3." B, P1), .next = proved("2." A, P2) }, got;
	struct err e = { 0 };

	assert_int_equal(epochs_read(&h, &got, &e), 0);
	assert_int_equal(got.known.epoch.counter, 0);
	assert_int_equal(got.next.epoch.counter, 0);
	assert_int_equal(epochs_write(&h, &x, &e), 0);
	assert_int_equal(epochs_read(&h, &got, &e), 0);
	assert_memory_equal(&got, &x, sizeof(x));
	x.known = of("3." B);
	x.next = (struct epoch_claim){ 0 };
	assert_int_equal(epochs_write(&h, &x, &e), 0);
	assert_int_equal(epochs_read(&h, &got, &e), 0);
	assert_memory_equal(&got, &x, sizeof(x));
	end_home(&h);
}

static void
write_file(const struct home *h, const char *text)
{
	char path[HOME_PATH_MAX];
	struct err e = { 0 };

	home_path(h, HOME_EPOCH, path);
	assert_int_equal(home_write_file(path, text, strlen(text), 0600, &e), 0);
}

/* What it says counts on: a fence outlives the upgrade. */
static void
a_file_of_before_has_no_proofs(void **state)
{
	struct home h = new_home();
	struct epochs got;
	struct epoch_claim known = of("3." B), next = of("2." A);
	struct err e = { 0 };

	write_file(&h, "known 3." B "\nnext 2." A "\n");
	assert_int_equal(epochs_read(&h, &got, &e), 0);
	assert_memory_equal(&got.known, &known, sizeof(known));
	assert_memory_equal(&got.next, &next, sizeof(next));
	write_file(&h, "known -\nnext -\n");
	assert_int_equal(epochs_read(&h, &got, &e), 0);
	assert_int_equal(got.known.epoch.counter, 0);
	end_home(&h);
}

/* It is as good as none, and says so. */
static void
a_damaged_file_is_none(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"known -\n",
		"next -\nknown -\n",
		"known -\nnext -",
		"known -\nnext -\n\n",
		"known 0." A "\nnext -\n",
		"known 1." A "\nnext 2." A " \n",
		"known\nnext\n",
		"known 1." A "\nnext x\n",
		"known 1." A " " P1 "\nnext - -\n",
		"version 3\nknown - -\nnext - -\n",
		"version 2\nknown -\nnext -\n",
		"version 2\nknown - -\nnext - -",
		"version 2\nknown - -\nnext - - \n",
		"version 2\nknown 1." A " \nnext - -\n",
		"version 2\nknown 1." A " 01\nnext - -\n",
		"version 2\nknown - " P1 "\nnext - -\n",
		"version 2\nknown 1." A " " P1 "0\nnext - -\n",
	};
	struct home h = new_home();
	char path[HOME_PATH_MAX];

	home_path(&h, HOME_EPOCH, path);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct epochs got = { .known = of("9." A) };
		struct err e = { 0 };

		write_file(&h, bad[i]);
		if (epochs_read(&h, &got, &e) != ERR_IO)
			fail_msg("taken: %s", bad[i]);
		assert_non_null(strstr(e.text, path));
		assert_int_equal(got.known.epoch.counter, 0);
	}
	end_home(&h);
}

/* H10: what is begun is above everything that is known, and once. */
static void
what_is_begun_is_above_all(void **state)
{
	struct uuid a = node(A);
	struct epoch_claim one = of("1." A), two = of("2." B), far = of("6." B);
	struct epochs x = { 0 };

	epochs_prepare(&x, &a, 0);
	assert_int_equal(x.next.epoch.counter, 1);
	assert_true(epochs_hear(&x, &one));
	assert_false(epochs_hear(&x, &one));
	epochs_prepare(&x, &a, 0x51);
	assert_int_equal(x.next.epoch.counter, 2);
	assert_true(epoch_is_of(&x.next.epoch, &a));
	assert_int_equal(x.next.epoch.incarnation, 0x51);
	x.next = proved("2." A, P2);
	epochs_prepare(&x, &a, 0x52); /* a promotion that is tried again goes on with it */
	assert_int_equal(x.next.epoch.counter, 2);
	assert_true(epoch_has_proof(&x.next));
	assert_true(epochs_hear(&x, &two)); /* meanwhile another node took the number */
	epochs_prepare(&x, &a, 0x53);
	assert_int_equal(x.next.epoch.counter, 3);
	assert_int_equal(x.next.epoch.incarnation, 0x53);
	assert_false(epoch_has_proof(&x.next)); /* the proof of another epoch is none of this */
	assert_true(epochs_hear(&x, &far));
	assert_false(epochs_hear(&x, &two));
	epochs_prepare(&x, &a, 0x54);
	assert_int_equal(x.next.epoch.counter, 7);
	struct epoch_claim twin = x.next; /* the other program of this node took it too */
	twin.epoch.incarnation++;
	assert_true(epochs_hear(&x, &x.next));
	assert_true(epochs_hear(&x, &twin));
	assert_false(epochs_hear(&x, &x.next));
}

static void
a_proof_is_taken_and_kept(void **state)
{
	struct epoch_claim bare = of("2." B), whole = proved("2." B, P1);
	struct epochs x = { 0 };

	assert_true(epochs_hear(&x, &bare));
	assert_false(epochs_hear(&x, &whole)); /* no news, but now it can be handed on */
	assert_memory_equal(&x.known, &whole, sizeof(whole));
	assert_false(epochs_hear(&x, &bare));
	assert_memory_equal(&x.known, &whole, sizeof(whole));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outlives_the_node),
		cmocka_unit_test(a_file_of_before_has_no_proofs),
		cmocka_unit_test(a_damaged_file_is_none),
		cmocka_unit_test(a_proof_is_taken_and_kept),
		cmocka_unit_test(what_is_begun_is_above_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
