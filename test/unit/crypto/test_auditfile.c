/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>
#include "crypto/auditfile.h"

#define A "01890000-0000-7000-8000-00000000000a"
#define B "01890000-0000-7000-8000-00000000000b"
#define HEX(n) (2 * (n) + 1)

/* ---- a writer of its own, so that reader and writer are not wrong together ---- */

struct maker {
	uint8_t secret[crypto_sign_SECRETKEYBYTES], key[crypto_sign_PUBLICKEYBYTES];
	struct buf file;
	unsigned salt; /* another log has other hashes */
};

static void
maker_init(struct maker *m, uint8_t seed, unsigned salt)
{
	uint8_t seeds[crypto_sign_SEEDBYTES];
	memset(seeds, seed, sizeof(seeds));
	*m = (struct maker){ .salt = salt };
	crypto_sign_seed_keypair(m->key, m->secret, seeds);
}

static void
add_hex(struct buf *b, const void *p, size_t n)
{
	char hex[HEX(64)];
	buf_adds(b, sodium_bin2hex(hex, sizeof(hex), p, n));
}

static void
add_sig(const struct maker *m, struct buf *to, const char *text, size_t n)
{
	auto_buf t = BUF_INIT;
	uint8_t sig[crypto_sign_BYTES];
	buf_adds(&t, "holdfast audit export 1\n");
	buf_add(&t, text, n);
	crypto_sign_detached(sig, NULL, (const uint8_t *)t.data, t.len, m->secret);
	add_hex(to, sig, sizeof(sig));
	buf_addc(to, '\n');
}

static void
hash_of(const struct maker *m, const char *node, int seq, struct buf *to)
{
	uint8_t hash[KEYS_HASH_BYTES] = { 0 };
	auto_buf t = BUF_INIT;
	buf_addf(&t, "%s %d %u", node, seq, m->salt);
	if (seq)
		crypto_generichash(hash, sizeof(hash), (const uint8_t *)t.data, t.len, NULL, 0);
	add_hex(to, hash, sizeof(hash));
}

static void
make_head(struct maker *m, int a, int b)
{
	struct buf *f = &m->file;
	buf_adds(f, "holdfast-audit-export 1\nkey ");
	add_hex(f, m->key, sizeof(m->key));
	buf_adds(f, "\nat 2026-01-31T12:00:00.000000Z\n");
	for (int i = 0; i < 2; i++)
		if (i ? b : a) {
			buf_addf(f, "head %s %d ", i ? B : A, i ? b : a);
			hash_of(m, i ? B : A, i ? b : a, f);
			buf_addc(f, '\n');
		}
	size_t n = f->len;
	auto_buf text = BUF_INIT;
	buf_add(&text, f->data, n);
	buf_adds(f, "sign ");
	add_sig(m, f, text.data, n);
}

static void
make_part(struct maker *m, const char *node, int from, int to)
{
	uint8_t digest[32];
	auto_buf events = BUF_INIT, line = BUF_INIT;
	for (int i = from + 1; i <= to; i++) {
		buf_addf(&events, "event %s %d ", node, i);
		hash_of(m, node, i, &events);
		buf_addf(&events, " {\"kind\":\"login\",\"n\":%d}\n", i);
	}
	crypto_generichash(digest, sizeof(digest), (const uint8_t *)events.data, events.len, NULL,
			   0);
	buf_addf(&line, "checkpoint %s %d ", node, from);
	hash_of(m, node, from, &line);
	buf_addf(&line, " %d ", to);
	hash_of(m, node, to, &line);
	buf_addc(&line, ' ');
	add_hex(&line, digest, sizeof(digest));
	buf_add(&m->file, events.data, events.len);
	buf_add(&m->file, line.data, line.len);
	buf_addc(&m->file, ' ');
	add_sig(m, &m->file, line.data, line.len);
}

/* The events behind `after` up to `upto` are lost, accepted by event `by` of node A; the file goes on behind `last`. */
static void
make_accepted(struct maker *m, const char *node, int after, int upto, int last, bool hash_known,
	      int by)
{
	auto_buf line = BUF_INIT;
	buf_addf(&line, "accepted %s %d ", node, after);
	hash_of(m, node, after, &line);
	buf_addf(&line, " %d %d ", upto, last);
	hash_of(m, node, hash_known ? last : 0, &line);
	buf_addf(&line, " %s %d", A, by);
	buf_add(&m->file, line.data, line.len);
	buf_addc(&m->file, ' ');
	add_sig(m, &m->file, line.data, line.len);
}

/* A part whose first event follows nothing that is known. */
static void
make_bare_part(struct maker *m, const char *node, int from, int to)
{
	uint8_t digest[32];
	auto_buf events = BUF_INIT, line = BUF_INIT;
	for (int i = from + 1; i <= to; i++) {
		buf_addf(&events, "event %s %d ", node, i);
		hash_of(m, node, i, &events);
		buf_adds(&events, " {}\n");
	}
	crypto_generichash(digest, sizeof(digest), (const uint8_t *)events.data, events.len, NULL,
			   0);
	buf_addf(&line, "checkpoint %s %d ", node, from);
	hash_of(m, node, 0, &line);
	buf_addf(&line, " %d ", to);
	hash_of(m, node, to, &line);
	buf_addc(&line, ' ');
	add_hex(&line, digest, sizeof(digest));
	buf_add(&m->file, events.data, events.len);
	buf_add(&m->file, line.data, line.len);
	buf_addc(&m->file, ' ');
	add_sig(m, &m->file, line.data, line.len);
}

/* Two nodes with parts of two events. */
static void
make(struct maker *m, int a, int b)
{
	make_head(m, a, b);
	for (int i = 0; i < a; i += 2)
		make_part(m, A, i, i + 2 < a ? i + 2 : a);
	for (int i = 0; i < b; i += 2)
		make_part(m, B, i, i + 2 < b ? i + 2 : b);
	buf_adds(&m->file, "end\n");
}

static struct auditfile_result found;

static int
verify(const struct buf *now, const struct buf *old, int64_t *events, struct err *e)
{
	FILE *f = fmemopen(now->data, now->len, "r"), *g = NULL;
	auto_auditfile a = NULL;
	auto_auditfile b = NULL;
	assert_non_null(f);
	found = (struct auditfile_result){ 0 };
	int rc = auditfile_open(f, "now", &a, e);
	if (!rc && old) {
		g = fmemopen(old->data, old->len, "r");
		rc = auditfile_open(g, "old", &b, e);
	}
	if (!rc)
		rc = auditfile_verify(a, b, &found, e);
	if (!rc)
		*events = found.events;
	fclose(f);
	if (g)
		fclose(g);
	return rc;
}

static void
is_broken(const struct buf *now, const struct buf *old, const char *why)
{
	struct err e = { 0 };
	int64_t events = -1;
	assert_int_equal(verify(now, old, &events, &e), ERR_CHAIN_BROKEN);
	assert_int_equal(events, -1);
	if (!strstr(e.text, why))
		fail_msg("'%s' does not say '%s'", e.text, why);
}

/* ---- tests ---- */

static void
good_ones_are_good(void **state)
{
	static const int sizes[][2] = { { 1, 0 }, { 5, 0 }, { 4, 3 }, { 0, 1 } };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct maker m;
		struct err e = { 0 };
		int64_t events;
		maker_init(&m, 1, 0);
		make(&m, sizes[i][0], sizes[i][1]);
		assert_int_equal(verify(&m.file, NULL, &events, &e), 0);
		assert_int_equal(events, sizes[i][0] + sizes[i][1]);
		assert_int_equal(verify(&m.file, &m.file, &events, &e), 0);
		buf_done(&m.file);
	}
}

/* A hole in A's chain, and the end of B's chain is lost: both accepted. */
static void
make_broken(struct maker *m, int b_end)
{
	maker_init(m, 1, 0);
	make_head(m, 9, b_end);
	make_part(m, A, 0, 3);
	make_accepted(m, A, 3, 6, 5, false, 9); /* 4 and 5 are lost, 6 stands */
	make_bare_part(m, A, 5, 9);
	make_part(m, B, 0, 2);
	make_accepted(m, B, 2, 4, 4, true, 9); /* 3 and 4 are lost */
	if (b_end > 4)
		make_part(m, B, 4, b_end);
	buf_adds(&m->file, "end\n");
}

/* No byte can be another one, be missing or be there twice. */
static void
every_byte_counts(void **state)
{
	struct maker m;
	make_broken(&m, 4);
	for (size_t i = 0; i < m.file.len; i++) {
		for (int how = 0; how < 4; how++) {
			auto_buf t = BUF_INIT;
			struct err e = { 0 };
			int64_t events;
			buf_add(&t, m.file.data, i + (how == 2 ? 1 : 0));
			if (how == 0)
				buf_addc(&t, (char)(m.file.data[i] ^ 1));
			if (how != 3)
				buf_add(&t, m.file.data + i + (how != 2),
					m.file.len - i - (how != 2));
			if (!t.len)
				continue;
			if (verify(&t, NULL, &events, &e) != ERR_CHAIN_BROKEN)
				fail_msg("change %d of byte %zu was not noticed", how, i);
		}
	}
	buf_done(&m.file);
}

static void
parts_of_a_signed_log_prove_nothing_apart(void **state)
{
	struct maker m;
	maker_init(&m, 1, 0);
	make_head(&m, 4, 0);
	make_part(&m, A, 0, 2);
	buf_adds(&m.file, "end\n");
	is_broken(&m.file, NULL, "event 3 of node " A);
	buf_done(&m.file);

	maker_init(&m, 1, 0);
	make_head(&m, 4, 0);
	make_part(&m, A, 2, 4);
	buf_adds(&m.file, "end\n");
	is_broken(&m.file, NULL, "event 1 of node " A " is expected");
	buf_done(&m.file);

	/* The second part is one of another log. */
	maker_init(&m, 1, 0);
	make_head(&m, 4, 0);
	make_part(&m, A, 0, 2);
	m.salt = 1;
	make_part(&m, A, 2, 4);
	buf_adds(&m.file, "end\n");
	is_broken(&m.file, NULL, "event 3 of node " A " does not follow");
	buf_done(&m.file);
}

static void
continued_or_not(void **state)
{
	struct maker old, now, other, forked;
	struct err e = { 0 };
	int64_t events;
	maker_init(&old, 1, 0);
	make(&old, 3, 2);
	maker_init(&now, 1, 0);
	make(&now, 7, 5);
	maker_init(&other, 2, 0);
	make(&other, 7, 5);
	maker_init(&forked, 1, 1);
	make(&forked, 7, 5);
	assert_int_equal(verify(&now.file, &old.file, &events, &e), 0);
	assert_int_equal(events, 12);
	is_broken(&old.file, &now.file, "event 4 of node " A " is in the earlier export");
	is_broken(&other.file, &old.file, "different keys");
	is_broken(&forked.file, &old.file, "event 1 of node " A " is another one");
	buf_done(&now.file);
	maker_init(&now, 1, 0);
	make(&now, 7, 0);
	is_broken(&now.file, &old.file, "event 1 of node " B " is in the earlier export");
	buf_done(&old.file);
	buf_done(&now.file);
	buf_done(&other.file);
	buf_done(&forked.file);
}

static void
accepted_breaks_are_followed(void **state)
{
	struct maker old, now;
	struct err e = { 0 };
	int64_t events;
	for (int b_end = 4; b_end <= 6; b_end += 2) {
		make_broken(&now, b_end);
		if (verify(&now.file, NULL, &events, &e))
			fail_msg("%s", e.text);
		assert_int_equal(events, 9 + b_end - 4);
		maker_init(&old, 1, 0);
		make(&old, 6, 4);
		if (verify(&now.file, &old.file, &events, &e))
			fail_msg("%s", e.text);
		assert_int_equal(found.lost, 4);
		assert_int_equal(events, 9 + b_end - 4);
		assert_int_equal(verify(&now.file, &now.file, &events, &e), 0);
		assert_int_equal(found.lost, 0);
		is_broken(&old.file, &now.file, "not in now");
		buf_done(&old.file);
		/* More than that is not accepted. */
		maker_init(&old, 1, 1);
		make(&old, 2, 0);
		is_broken(&now.file, &old.file, "event 1 of node " A " is another one");
		buf_done(&old.file);
		maker_init(&old, 1, 0);
		make(&old, 9, 7);
		is_broken(&now.file, &old.file,
			  b_end == 4 ? "event 5 of node " B : "event 7 of node " B);
		buf_done(&old.file);
		buf_done(&now.file);
	}
}

static void
is_misplaced(struct maker *m, const char *why)
{
	make_part(m, A, 5, 9);
	buf_adds(&m->file, "end\n");
	is_broken(&m->file, NULL, why);
	buf_done(&m->file);
}

static void
accepted_breaks_have_their_place(void **state)
{
	static const struct {
		int after, upto, last, by;
	} bad[] = { { 2, 5, 5, 9 },  { 3, 3, 5, 9 },  { 3, 5, 2, 9 },
		    { 3, 5, 10, 9 }, { 3, 5, 5, 10 }, { 3, 5, 5, 0 } };
	struct maker m;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		maker_init(&m, 1, 0);
		make_head(&m, 9, 0);
		make_part(&m, A, 0, 3);
		make_accepted(&m, A, bad[i].after, bad[i].upto, bad[i].last, true, bad[i].by);
		is_misplaced(&m, "not one of the place where it stands");
	}
	/* One of another log, one that nobody signed, one of another node, and one within a part. */
	maker_init(&m, 1, 0);
	make_head(&m, 9, 0);
	make_part(&m, A, 0, 3);
	m.salt = 1;
	make_accepted(&m, A, 3, 5, 5, true, 9);
	m.salt = 0;
	is_misplaced(&m, "not one of the place where it stands");
	maker_init(&m, 1, 0);
	make_head(&m, 9, 0);
	make_part(&m, A, 0, 3);
	m.secret[0] ^= 1;
	make_accepted(&m, A, 3, 5, 5, true, 9);
	m.secret[0] ^= 1;
	is_misplaced(&m, "signature of the accepted break");
	maker_init(&m, 1, 0);
	make_head(&m, 9, 0);
	make_part(&m, A, 0, 3);
	make_accepted(&m, B, 3, 5, 5, true, 9);
	is_misplaced(&m, "not one of the place where it stands");
	maker_init(&m, 1, 0);
	make_head(&m, 9, 0);
	buf_addf(&m.file, "event %s 1 ", A);
	hash_of(&m, A, 1, &m.file);
	buf_adds(&m.file, " {}\n");
	make_accepted(&m, A, 1, 5, 5, true, 9);
	is_misplaced(&m, "not one of the place where it stands");
	/* The part behind it follows something else. */
	maker_init(&m, 1, 0);
	make_head(&m, 9, 0);
	make_part(&m, A, 0, 3);
	make_accepted(&m, A, 3, 5, 5, false, 9);
	is_misplaced(&m, "event 6 of node " A " does not follow");
}

static void
a_line_has_a_bound(void **state)
{
	auto_buf t = BUF_INIT;
	for (size_t i = 0; i < AUDITFILE_LINE_MAX + 10; i++)
		buf_addc(&t, 'x');
	is_broken(&t, NULL, "not an export");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones_are_good),
		cmocka_unit_test(every_byte_counts),
		cmocka_unit_test(parts_of_a_signed_log_prove_nothing_apart),
		cmocka_unit_test(continued_or_not),
		cmocka_unit_test(accepted_breaks_are_followed),
		cmocka_unit_test(accepted_breaks_have_their_place),
		cmocka_unit_test(a_line_has_a_bound),
	};
	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
