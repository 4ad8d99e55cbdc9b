#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The generator of the statements: what it makes, and that it names file and line of what is wrong."""
import hashlib
import os
import subprocess
import sys
import tempfile
import unittest

SQLGEN = sys.argv.pop(1)
GOOD_MIGRATION = {"0001_begin.sql": "CREATE TABLE t ();\n"}
EVENTS = '/* … */\nKIND(LOGIN, login, 30, APPLY_LOGIN, "a user logged in")\nKIND(VERSION_ADDED, version_added, 53, NONE, "…")\n'


class Generator(unittest.TestCase):
    def generate(self, queries, steps=None, events=EVENTS, earlier=None):
        with tempfile.TemporaryDirectory() as d:
            for folder, files in (
                ("query", queries),
                ("migration", steps or GOOD_MIGRATION),
                ("earlier", earlier or {}),
                ("out", {}),
            ):
                os.mkdir(os.path.join(d, folder))
                for name, text in files.items():
                    with open(os.path.join(d, folder, name), "w", encoding="utf-8") as f:
                        f.write(text)
            with open(f"{d}/event.def", "w", encoding="utf-8") as f:
                f.write(events)
            r = subprocess.run(
                [
                    sys.executable,
                    SQLGEN,
                    "--query",
                    f"{d}/query",
                    "--migration",
                    f"{d}/migration",
                    "--events",
                    f"{d}/event.def",
                    "--earlier",
                    f"{d}/earlier",
                    "--out",
                    f"{d}/out",
                    "--depfile",
                    f"{d}/out/d",
                ],
                capture_output=True,
                text=True,
            )
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
        self.assertIn('\\\\ \\"q\\" \\303\\244', self.good("-- name: x() -> c text\nSELECT '\\ \"q\" ä';\n"))

    def test_what_writes_is_no_read(self):
        for sql in (
            "INSERT INTO t VALUES (1)",
            "WITH x AS (DELETE FROM t RETURNING a) SELECT a FROM x",
            "SELECT a FROM t FOR UPDATE",
            "SELECT pg_advisory_lock(1)",
            "SELECT set_config('a', 'b', true)",
            "SELECT pg_create_physical_replication_slot('x')",
            "SELECT nextval('s')",
        ):
            self.assertIn(".reads = false", self.good(f"-- name: x()\n{sql};\n"), sql)

    def test_words_in_quotes_do_not_write(self):
        self.assertIn(".reads = true", self.good("-- name: x() -> a text\nSELECT 'UPDATE; -- $9' AS \"DELETE\";\n"))

    def test_role(self):
        c = self.good("-- role: holdfast\n-- name: x() -> a int\nSELECT 1;\n")
        self.assertIn('.role = "holdfast"', c)
        self.bad("-- role: root\n", 1, "role")

    def test_head_lines_that_are_wrong(self):
        for head, words in (
            ("x", "head line"),
            ("x(a)", "not `name type`"),
            ("x(a varchar)", "type `varchar`"),
            ("x(a int, a int)", "twice"),
            ("X()", "no name"),
            ("uuid()", "taken"),
            ("x() -> a", "not `name type`"),
            ("x(A int)", "lower case"),
            ("x(" + ", ".join(f"a{n} int" for n in range(25)) + ")", "more than 24"),
        ):
            self.bad(f"\n-- name: {head}\nSELECT 1;\n", 2, words)

    def test_texts_that_are_wrong(self):
        self.bad("-- name: x()\n-- nothing\n", 1, "no text")
        self.bad("-- name: x()\nSELECT 1; SELECT 2;\n", 1, "more than one")
        self.bad("-- name: x()\nSELECT $1;\n", 1, "lacks")
        self.bad("-- name: x(a int)\nSELECT 1;\n", 1, "never uses")
        self.bad("SELECT 1;\n", 1, "before the first")
        self.bad("-- name: x()\nSELECT :nothing(1);\n", 2, "`:nothing` is no fragment")
        self.bad("\n\n-- name x()\nSELECT 1;\n", 3, "is neither")

    def test_a_name_is_there_once_in_all_files(self):
        code, text, _ = self.generate({"a.sql": "-- name: x()\nSELECT 1;\n", "b.sql": "\n-- name: x()\nSELECT 1;\n"})
        self.assertEqual(code, 1)
        self.assertIn("b.sql:2: `x` is already in", text)

    def test_an_event_goes_by_its_name(self):
        c = self.good(
            "-- name: x(a int)\nSELECT ':LOGIN', a::LOGIN FROM event WHERE kind IN (:LOGIN, :VERSION_ADDED) AND $1 = 7 -- :NOBODY\n;\n"
        )
        self.assertIn("':LOGIN', a::LOGIN FROM event WHERE kind IN (30, 53) AND $1 = 7", c)
        self.bad(
            "-- name: x()\n\n-- …\nSELECT 1\nWHERE kind = :LOG_OUT;\n", 5, "`:LOG_OUT` is no event of ledger/event.def"
        )
        code, text, _ = self.generate({}, events="nothing\n")
        self.assertEqual(code, 1)
        self.assertIn("event.def:1: ", text)

    def test_a_number_for_an_event_is_refused(self):
        good = []
        for sql in (
            "SELECT 1 FROM event e WHERE e.kind = 53",
            "SELECT 1 FROM event WHERE KIND<>53",
            "SELECT 1 WHERE 53 = e.kind",
            "SELECT 1 WHERE kind IN (:LOGIN, 53)",
            "SELECT 1 WHERE kind NOT IN (53)",
            "SELECT 1 WHERE kind = ANY (ARRAY[:LOGIN, 53])",
            "SELECT 1 WHERE kind BETWEEN :LOGIN AND 53",
            "SELECT 1 WHERE kind BETWEEN 53 AND $1",
            "SELECT 1 WHERE kind IS DISTINCT FROM 53::int",
            "SELECT 1 WHERE kind = CASE WHEN a THEN :LOGIN ELSE 53 END",
            "SELECT 1 WHERE kind = (CASE WHEN a = 1 THEN 53 END)",
            "SELECT a, CASE a WHEN 1 THEN :LOGIN ELSE 53 END AS kind FROM t",
            "SELECT coalesce(a, 1), 53 AS kind FROM t",
            "INSERT INTO ha_request (kind, object) VALUES (53, $1)",
            "INSERT INTO t (a, kind) VALUES (1, :LOGIN), (2, 53)",
            "WITH x AS (INSERT INTO public.t (a, kind, b) SELECT f(1, 2), 53, 3 FROM s RETURNING 1) SELECT 1 FROM x",
        ):
            head = "-- name: x(a int)\n" if "$1" in sql else "-- name: x()\n"
            self.bad(
                f"\n{head}SELECT '53',\n(\n{sql});\n", 5, "the number 53 for a kind of event: write `:VERSION_ADDED`"
            )
            good.append(f"{head.replace('x', f'x{len(good)}')}{sql.replace('53', ':VERSION_ADDED')};\n")
        self.good("".join(good))
        self.bad(
            "-- name: x()\nSELECT 1 WHERE kind = 99;\n", 2, "the number 99 for a kind of event: write the event's name"
        )

    def test_other_numbers_are_none_of_events(self):
        good = []
        for n, sql in enumerate(
            (
                "SELECT kind FROM (SELECT 5) t",
                "SELECT DISTINCT kind FROM t LIMIT 5",
                "SELECT kind, n = 5 FROM t WHERE kinds = 5",
                "SELECT 1 WHERE kind = (SELECT max(k) FROM t LIMIT 5) AND n = 5",
                "INSERT INTO t (n, kind) VALUES (5, f(5))",
                "SELECT 5 AS n, f(5) AS kind",
                "SELECT 1 WHERE kind = $1 AND a = 5 OR 5 < n",
            )
        ):
            good.append(f"-- name: x{n}({'a int' if '$1' in sql else ''})\n{sql};\n")
        self.good("".join(good))

    def test_what_is_said_alike_is_a_fragment(self):
        given = (
            "-- fragment: of(t, p)\n-- why\n(SELECT n FROM t WHERE t.id = :t.id AND a = :p::text\nAND kind = :LOGIN)\n"
            "-- fragment: twice(t)\n:of(:t, f(1, 2)) + :of(:t, ':of(x)')\n-- fragment: one()\n1\n"
        )
        c = self.good(
            f"{given}-- name: x(a int)\nSELECT :twice(q), :one() FROM q -- :of(\nWHERE $1 = :VERSION_ADDED;\n"
        )
        quoted = "':of(x)'"
        of = '(SELECT n FROM t WHERE t.id = q.id AND a = %s::text\\n"\n\t\t"AND kind = 30)'
        self.assertIn(f"SELECT {of % 'f(1, 2)'} + {of % quoted}, 1 FROM q", c)
        self.assertNotIn("STMT_OF", c)
        nested = "-- fragment: out(a, b)\n(:a - :b)\n-- fragment: in(a)\ngreatest(:a, 'x, y')\n"
        c = self.good(f"{nested}-- name: x()\nSELECT :out(:in(1), :in(:out(2, 3))), 4;\n")
        self.assertIn("SELECT (greatest(1, 'x, y') - greatest((2 - 3), 'x, y')), 4", c)
        for sql, line, words in (
            ("-- fragment: f(a)\n:a\n-- name: x()\nSELECT\n:f(1, 2);\n", 5, "`:f` takes (a)"),
            ("-- fragment: f(a)\n:a\n:b\n", 3, "`:b` is no fragment that stands before this"),
            ("-- fragment: f(a)\n:g(:a)\n-- fragment: g(a)\n:a\n", 2, "`:g` is no fragment that stands before this"),
            ("-- fragment: f(a)\n1\n", 1, "f never uses :a"),
            ("-- fragment: f(a)\n:a\n", 1, "nothing uses the fragment f"),
            ("-- fragment: f(a)\n:a\n-- name: f()\nSELECT :f(1);\n", 3, "`f` is already in"),
            ("-- fragment: f()\nkind = 53\n", 2, "the number 53"),
            ("-- fragment f()\n", 1, "is neither"),
        ):
            self.bad(sql, line, words)

    def test_a_read_may_ask_which_moment_it_is(self):
        part = "-- fragment: over(t)\n(:t.until < :clock)\n"
        c = self.good(
            f"{part}-- name: x(a int)\nSELECT 1 FROM t WHERE :over(t) AND $1 = 1 AND ':clock' <> '';\n-- name: y()\nSELECT 1;\n"
        )
        self.assertIn("(t.until < $2) AND $1 = 1 AND ':clock'", c)
        self.assertIn(".param_types = { STMT_INT, STMT_TIMESTAMPTZ }", c)
        self.assertEqual((c.count(".clock = true"), c.count(".clock = false")), (1, 1))
        many = ", ".join(f"p{n} int" for n in range(24)), " + ".join(f"${n + 1}" for n in range(24))
        for sql, line, words in (
            (f"{part}-- name: x()\nDELETE FROM t WHERE :over(t);\n", 3, "x changes something and asks for :clock"),
            ("-- name: x()\nWITH d AS (DELETE FROM t) SELECT :clock;\n", 1, "x changes something"),
            (f"-- name: x({many[0]})\nSELECT {many[1]}, :clock;\n", 1, "no parameter left"),
        ):
            self.bad(sql, line, words)

    def test_columns_go_by_name(self):
        two = "-- name: one() -> id uuid, n int\nSELECT 1, 2;\n-- name: two() -> id uuid, n int\nSELECT 3, 4;\n"
        code, text, made = self.generate({"a.sql": two, "b.sql": "-- columns: both of one, two\n"})
        self.assertEqual((code, text), (0, ""))
        for name in ("ONE", "TWO", "BOTH"):
            self.assertIn(f"enum {{ COL_{name}_ID, COL_{name}_N }};", made["stmt_gen.h"])
        for line, why in (
            ("both of one, three", "b.sql:1: both: there is no statement three"),
            ("both of one", "for what two statements or more give"),
            ("one of one, two", "one is a statement already"),
            ("both: one, two", "is not `-- columns:"),
        ):
            code, text, _ = self.generate({"a.sql": two, "b.sql": f"-- columns: {line}\n"})
            self.assertEqual(code, 1)
            self.assertIn(why, text)
        other = two.replace("n int\nSELECT 3", "m int\nSELECT 3")
        code, text, _ = self.generate({"a.sql": other, "b.sql": "-- columns: both of one, two\n"})
        self.assertEqual(code, 1)
        self.assertIn("two gives other columns than one", text)

    def test_migrations_name_events_too(self):
        steps = {f"{n:04}_a.sql": "SELECT 1;\n" for n in range(1, 14)}
        steps["0013_a.sql"] = "CREATE INDEX i ON event (seq) WHERE kind = 53;\n"
        said = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\n\tSELECT 1 FROM event WHERE kind = %s $$;\n"
        code, text, made = self.generate({}, {**steps, "0014_b.sql": said % ":VERSION_ADDED"})
        self.assertEqual((code, text), (0, ""))
        self.assertEqual(made["migration_gen.c"].count("kind = 53"), 2)
        self.assertIn(hashlib.sha256((said % ":VERSION_ADDED").encode()).hexdigest(), made["migration_gen.c"])
        code, text, _ = self.generate({}, {**steps, "0014_b.sql": said % "53"})
        self.assertEqual(code, 1)
        self.assertIn("0014_b.sql:2: the number 53 for a kind of event: write `:VERSION_ADDED`", text)

    def test_migrations(self):
        code, _, made = self.generate({}, {"0001_a.sql": "SELECT 1;\n", "0002_b.sql": "SELECT 2;\n"})
        self.assertEqual(code, 0)
        self.assertIn("0002_b.sql", made["d"])
        self.assertIn("/query ", made["d"])
        for files, words in (
            ({"0002_b.sql": ""}, "0001"),
            ({"1_b.sql": ""}, "NNNN"),
            ({"0001_a.sql": "SELECT 1;\nCOMMIT;\n"}, "0001_a.sql:2"),
        ):
            code, text, _ = self.generate({}, files)
            self.assertEqual(code, 1)
            self.assertIn(words, text)

    def test_earlier_schemas(self):
        steps = {
            "0001_begin.sql": "CREATE TABLE t ();\n",
            "0002_a.sql": "ALTER TABLE t ADD a int;\n",
            "0003_b.sql": "ALTER TABLE t ADD b int;\n",
        }
        a, b = "-- table: t\nSELECT x.*, 1 AS a FROM :before x\n", "-- table: t\nSELECT x.*, 2 AS b FROM :before x\n"
        query = {
            "q.sql": "-- name: x() -> a int\nSELECT a FROM t;\n-- name: y() -> a int\nWITH r AS (SELECT 1) SELECT 1;\n"
        }
        code, text, made = self.generate(query, steps, earlier={"0002_a.sql": a, "0003_b.sql": b})
        self.assertEqual((code, text), (0, ""))
        c = made["stmt_gen.c"]
        self.assertIn("stmt_schemas[2] = { 1, 3 }", c)
        self.assertIn('"(SELECT x.*, 2 AS b FROM (SELECT x.*, 1 AS a FROM public.t x) x)"', c)
        self.assertIn('"(SELECT x.*, 2 AS b FROM public.t x)"', c)
        self.assertIn(".earlier = 1,", c)
        self.assertIn(".with_bytes = 5,", c)
        for earlier, words in (
            ({"0002_a.sql": a}, "earlier/0003_b.sql is missing"),
            ({"0002_a.sql": a, "0003_b.sql": b, "0004_c.sql": a}, "the name of no migration"),
            ({"0002_a.sql": "SELECT 1\n", "0003_b.sql": b}, "SQL before the first"),
            ({"0002_a.sql": "-- table: t\n", "0003_b.sql": b}, "t has no text"),
        ):
            code, text, _ = self.generate(query, steps, earlier=earlier)
            self.assertEqual(code, 1)
            self.assertIn(words, text)

    def with_migration(self, text):
        """What becomes of a migration that has no file in earlier/, behind one that has."""
        steps = {"0001_begin.sql": "CREATE TABLE t ();\n", "0002_a.sql": "", "0003_b.sql": text}
        return self.generate(
            {"q.sql": "-- name: x() -> a int\nSELECT a FROM n;\n"}, steps, earlier={"0002_a.sql": "-- nothing\n"}
        )

    def test_before_a_new_table_there_is_an_empty_one(self):
        code, text, made = self.with_migration(
            "-- a; b\nCREATE TABLE n (\n\tid uuid PRIMARY KEY, -- c, d\n\ta numeric(4, 2) NOT NULL DEFAULT 1,\n"
            "\tnames text[] CHECK (names <> '{a,b); '),\n\tat timestamptz,\n\tCHECK (a > 0), UNIQUE (id, a)\n);\n"
            "CREATE TABLE m (one boolean references n);\n"
            "CREATE UNIQUE INDEX i ON n (a);\nGRANT SELECT ON n TO hf_vault;\nCOMMENT ON TABLE n IS 'x; y';\n"
        )
        self.assertEqual((code, text), (0, ""))
        c = made["stmt_gen.c"]
        self.assertIn("stmt_schemas[2] = { 1, 3 }", c)
        self.assertIn(
            '"(SELECT NULL::uuid AS id, NULL::numeric(4, 2) AS a, NULL::text[] AS names, NULL::timestamptz AS at WHERE false)"',
            c,
        )
        self.assertIn('"(SELECT NULL::boolean AS one WHERE false)"', c)
        self.assertIn(".earlier = 2,", c)

    def test_what_does_more_than_create_tables_is_asked_for(self):
        """Whether a table that comes with rows, or instead of another one, was empty before is for a person to say."""
        new = "CREATE TABLE n (a int);\n"
        for more in (
            "ALTER TABLE t ADD b int;",
            "INSERT INTO n VALUES (1);",
            "UPDATE t SET b = 1;",
            "DROP TABLE t;",
            "CREATE VIEW v AS SELECT 1 AS a;",
            "CREATE SEQUENCE s;",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;",
            "CREATE TABLE o AS SELECT 1 AS a;",
            "CREATE TABLE o (a int) INHERITS (t);",
            "CREATE TABLE o (LIKE t, a int);",
            "CREATE TABLE o (like t, a int);",
            'CREATE TABLE o ("A" int);',
            "SELECT 1;",
        ):
            code, text, _ = self.with_migration(new + more + "\n")
            self.assertEqual((more, code), (more, 1))
            self.assertIn("earlier/0003_b.sql is missing", text)
        self.assertEqual(self.with_migration(new)[0], 0)


unittest.main()
