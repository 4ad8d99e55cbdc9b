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
// The libraries in the page, whose licences go with it.
const LIBRARIES = [
	["Preact", "preact"],
	["uqr", "uqr"],
];
const licenses = LIBRARIES.map(([name, folder]) => {
	const text = readFileSync(join(here, "node_modules", folder, "LICENSE"), "utf8").trim();
	return ` * Contains ${name}:\n${text.replace(/^/gm, " * ").replace(/ +$/gm, "")}\n`;
});

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
	banner: { js: `/* SPDX-License-Identifier: Apache-2.0\n${licenses.join("")} */` },
});
await build({ absWorkingDir: here, entryPoints: { console: "src/console.css" }, outdir: out, bundle: true, minify: true });
for (const name of ["index.html", "icon.svg"])
	copyFileSync(join(here, "src", name), join(out, name));
