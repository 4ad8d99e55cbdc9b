#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Holds the C sources against .clang-format (version 14 decides; others break lines differently).
# --fix rewrites instead. Exit 0 good, 1 differences, 77 no clang-format 14 here (skipped).
set -eu
cd "$(dirname "$0")/.."

tool=
for t in clang-format-14 clang-format; do
	if command -v $t >/dev/null && $t --version | grep -q 'version 14\.'; then
		tool=$t
		break
	fi
done
if [ -z "$tool" ]; then
	echo "format: skipped, clang-format 14 is not here" >&2
	exit 77
fi
files=$(git ls-files 'src/*.[ch]' 'test/*.[ch]')
[ -n "$files" ] || exit 0
if [ "${1-}" = --fix ]; then
	$tool -i $files
else
	bad=$(for f in $files; do $tool "$f" | cmp -s - "$f" || echo "$f"; done)
	if [ -n "$bad" ]; then
		echo "$bad"
		echo "format: $(echo "$bad" | wc -l) file(s) differ from .clang-format; make fmt mends them"
		exit 1
	fi
	echo "format: good"
fi
