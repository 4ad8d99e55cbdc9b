#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# clang-tidy on the C files that changed since a commit (default: the fork point from the main branch's upstream, else
# the last commit), with a bound in time: what was not reached is named.
#   tools/check_tidy.sh --build build/test [--since COMMIT | --all] [--seconds N]
set -eu
cd "$(dirname "$0")/.."

build=build/test
since=
all=
seconds=240
while [ $# -gt 0 ]; do
	case $1 in
	--build) build=$2; shift ;;
	--since) since=$2; shift ;;
	--all) all=1 ;;
	--seconds) seconds=$2; shift ;;
	*) echo "usage: $0 [--build DIR] [--since COMMIT | --all] [--seconds N]" >&2; exit 2 ;;
	esac
	shift
done

tool=$(command -v clang-tidy-14 || command -v clang-tidy || true)
if [ -z "$tool" ]; then
	echo "tidy: skipped, clang-tidy is not here" >&2
	exit 77
fi
if [ -z "$since" ]; then
	since=$(git merge-base HEAD '@{upstream}' 2>/dev/null || true)
	[ -n "$since" ] && [ "$since" != "$(git rev-parse HEAD)" ] || since=$(git rev-parse -q --verify 'HEAD~1' || true)
fi
if [ -n "$all" ] || [ -z "$since" ]; then
	changed=$(git ls-files 'src/*.c')
else
	# A folder with a change is looked at as a whole.
	folders=$(git diff --name-only "$since" -- src | sed 's|/[^/]*$||' | sort -u)
	changed=
	[ -z "$folders" ] || changed=$(git ls-files $folders | grep '\.c$' || true)
fi
[ -n "$changed" ] || { echo "tidy: nothing changed"; exit 0; }

# gcc's own options mean nothing to clang-tidy.
end=$(($(date +%s) + seconds))
export end tool build
list=$(mktemp)
out=$(mktemp)
trap 'rm -f "$list" "$out"' EXIT
echo "$changed" >"$list"
xargs -P "$(nproc)" -n 1 sh -c '
	if [ "$(date +%s)" -ge "$end" ]; then echo "not reached: $1"; exit 0; fi
	"$tool" --quiet -p "$build" --extra-arg=-Wno-unknown-warning-option "$1" 2>/dev/null' - <"$list" >"$out" || true
grep '^not reached' "$out" || true
if grep -E '(warning|error): ' "$out"; then
	echo "tidy: $(grep -cE '(warning|error): ' "$out") finding(s)"
	exit 1
fi
echo "tidy: good"
