#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The generator of the statements: what it makes, and that it names file and line of what is wrong."""
import os
import subprocess
import sys
import tempfile
import unittest

SQLGEN = sys.argv.pop(1)
GOOD_MIGRATION = {"0001_begin.sql": "CREATE TABLE t ();\n"}


class Generator(unittest.TestCase):
    def generate(self, queries, steps=None):
        with tempfile.TemporaryDirectory() as d:
            for folder, files in (("query", queries), ("migration", steps or GOOD_MIGRATION), ("out", {})):
                os.mkdir(os.path.join(d, folder))
                for name, text in files.items():
                    with open(os.path.join(d, folder, name), "w", encoding="utf-8") as f:
                        f.write(text)
            r = subprocess.run([sys.executable, SQLGEN, "--query", f"{d}/query", "--migration", f"{d}/migration",
                                "--out", f"{d}/out", "--depfile", f"{d}/out/d"], capture_output=True, text=True)
            made = {}
            for name in os.listdir(f"{d}/out"):
                with open(f"{d}/out/{name}", encoding="utf-8") as f:
                    made[name] = f.read()
            return r.returncode, r.stderr, made

    def good(self, sql):
        code, text, made = self.generate({"a.sql": sql})
        self.assertEqual((code, text), (0, ""))
        return made["stmt_gen.c"]

    def bad(self, sql, line, words):
        code, text, made = self.generate({"a.sql": sql})
        self.assertEqual(code, 1)
        self.assertIn(f"a.sql:{line}: ", text)
        self.assertIn(words, text)
        self.assertNotIn("stmt_gen.c", made)

    def test_a_statement_becomes_a_row(self):
        c = self.good("-- name: x(a uuid, b text[]) -> c int\nSELECT 1 -- why?\nWHERE $1 IS NULL AND $2 IS NULL;\n")
        self.assertIn("[STMT_X] = {", c)
        self.assertIn(".param_types = { STMT_UUID, STMT_TEXT | STMT_ARRAY }", c)
        self.assertIn('.col_names = { "c" }', c)
        self.assertIn(".reads = true", c)
        self.assertNotIn("IS NULL;", c)

    def test_a_head_line_may_go_on(self):
        c = self.good("-- name: x(\n--   a int,\n--   b int) ->\n--   c int\nSELECT $1 + $2;\n")
        self.assertIn(".nparams = 2", c)
        self.assertIn(".ncols = 1", c)

    def test_text_is_escaped(self):
        self.assertIn('\\\\ \\"q\\" \\303\\244', self.good('-- name: x() -> c text\nSELECT \'\\ "q" ä\';\n'))

    def test_what_writes_is_no_read(self):
        for sql in ("INSERT INTO t VALUES (1)", "WITH x AS (DELETE FROM t RETURNING a) SELECT a FROM x",
                    "SELECT a FROM t FOR UPDATE", "SELECT pg_advisory_lock(1)", "SELECT set_config('a', 'b', true)",
                    "SELECT pg_create_physical_replication_slot('x')", "SELECT nextval('s')"):
            self.assertIn(".reads = false", self.good(f"-- name: x()\n{sql};\n"), sql)

    def test_words_in_quotes_do_not_write(self):
        self.assertIn(".reads = true", self.good("-- name: x() -> a text\nSELECT 'UPDATE; -- $9' AS \"DELETE\";\n"))

    def test_role(self):
        c = self.good("-- role: holdfast\n-- name: x() -> a int\nSELECT 1;\n")
        self.assertIn('.role = "holdfast"', c)
        self.bad("-- role: root\n", 1, "role")

    def test_head_lines_that_are_wrong(self):
        for head, words in (("x", "head line"), ("x(a)", "not `name type`"), ("x(a varchar)", "type `varchar`"),
                            ("x(a int, a int)", "twice"), ("X()", "no name"), ("uuid()", "taken"),
                            ("x() -> a", "not `name type`"), ("x(A int)", "lower case"),
                            ("x(" + ", ".join(f"a{n} int" for n in range(25)) + ")", "more than 24")):
            self.bad(f"\n-- name: {head}\nSELECT 1;\n", 2, words)

    def test_texts_that_are_wrong(self):
        self.bad("-- name: x()\n-- nothing\n", 1, "no text")
        self.bad("-- name: x()\nSELECT 1; SELECT 2;\n", 1, "more than one")
        self.bad("-- name: x()\nSELECT $1;\n", 1, "lacks")
        self.bad("-- name: x(a int)\nSELECT 1;\n", 1, "never uses")
        self.bad("SELECT 1;\n", 1, "before the first")
        self.bad("\n\n-- name x()\nSELECT 1;\n", 3, "colon")

    def test_a_name_is_there_once_in_all_files(self):
        code, text, _ = self.generate({"a.sql": "-- name: x()\nSELECT 1;\n", "b.sql": "\n-- name: x()\nSELECT 1;\n"})
        self.assertEqual(code, 1)
        self.assertIn("b.sql:2: `x` is already in", text)

    def test_migrations(self):
        code, _, made = self.generate({}, {"0001_a.sql": "SELECT 1;\n", "0002_b.sql": "SELECT 2;\n"})
        self.assertEqual(code, 0)
        self.assertIn("0002_b.sql", made["d"])
        self.assertIn("/query ", made["d"])
        for files, words in (({"0002_b.sql": ""}, "0001"), ({"1_b.sql": ""}, "NNNN"),
                             ({"0001_a.sql": "SELECT 1;\nCOMMIT;\n"}, "0001_a.sql:2")):
            code, text, _ = self.generate({}, files)
            self.assertEqual(code, 1)
            self.assertIn(words, text)


unittest.main()
