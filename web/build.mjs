// SPDX-License-Identifier: Apache-2.0
//
// Makes the console's files: node build.mjs [FOLDER]  (default: dist, which is committed, so that the program builds without node).
// The same sources give the same bytes; tools/check_web.sh compares.
import { build } from "esbuild";
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "dist");
const license = readFileSync(join(here, "node_modules/preact/LICENSE"), "utf8").trim();

mkdirSync(out, { recursive: true });
await build({
	absWorkingDir: here,
	entryPoints: { console: "src/main.tsx" },
	outdir: out,
	bundle: true,
	minify: true,
	format: "iife",
	target: "es2022",
	jsx: "automatic",
	jsxImportSource: "preact",
	charset: "utf8",
	banner: { js: `/* SPDX-License-Identifier: Apache-2.0\n * Contains Preact:\n${license.replace(/^/gm, " * ").replace(/ +$/gm, "")}\n */` },
});
await build({ absWorkingDir: here, entryPoints: { console: "src/console.css" }, outdir: out, bundle: true, minify: true });
for (const name of ["index.html", "icon.svg"])
	copyFileSync(join(here, "src", name), join(out, name));
