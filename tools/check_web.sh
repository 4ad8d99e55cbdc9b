#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Holds the console's committed files (web/dist/) against its sources, and their types against the API: check_web.sh [HOLDFAST]
# (the program; without it the types are not looked at). Exit 0 equal, 1 not, 77 where node or the packages cannot be had.
set -eu
cd "$(dirname "$0")/.."

for tool in node npm; do
	command -v $tool >/dev/null || { echo "web: skipped, there is no $tool here" >&2; exit 77; }
done
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || { echo "web: skipped, node is older than 18" >&2; exit 77; }

# Beside the sources, so that a check changes nothing there.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/web"
cp -R web/src web/build.mjs web/package.json web/package-lock.json web/tsconfig.json web/.npmrc "$work/web"
if ! (cd "$work/web" && npm ci --ignore-scripts --no-audit --no-fund >"$work/npm.log" 2>&1); then
	tail -n 3 "$work/npm.log" >&2
	echo "web: skipped, the packages cannot be had" >&2
	exit 77
fi

bad=
(cd "$work/web" && node_modules/.bin/tsc --noEmit) || bad=1
(cd "$work/web" && node build.mjs "$work/dist") || bad=1
diff -rq web/dist "$work/dist" || { echo "web: web/dist is not what the sources make: run make web"; bad=1; }
if [ -n "${1-}" ]; then
	"$1" docs openapi | tools/web_types.py >"$work/openapi.ts"
	diff -u web/src/openapi.ts "$work/openapi.ts" || { echo "web: the types are not those of the API: run make web"; bad=1; }
fi
[ -z "$bad" ] || exit 1
echo "web: good"
