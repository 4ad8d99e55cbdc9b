#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Holds the Python of tools and tests against black and flake8 (pyproject.toml, .flake8).
# Version 23 of black decides; others break lines differently. --fix rewrites instead.
# Exit 0 good, 1 differences or findings, 77 one of the two is not here (skipped).
set -eu
cd "$(dirname "$0")/.."

if ! command -v flake8 >/dev/null || ! black --version 2>/dev/null | grep -q '^black, 23\.'; then
	echo "python: skipped, black 23 or flake8 is not here" >&2
	exit 77
fi
files=$(git ls-files '*.py')
if [ "${1-}" = --fix ]; then
	black --quiet $files
	exit 0
fi
black --quiet --check $files || {
	echo "python: $(black --check $files 2>&1 | grep -c '^would reformat') file(s) differ; tools/check_python.sh --fix mends them"
	exit 1
}
flake8 $files
echo "python: good"
