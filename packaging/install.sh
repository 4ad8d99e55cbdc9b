#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
#   packaging/install.sh BINARY PREFIX [DESTDIR]      packaging/install.sh --remove PREFIX [DESTDIR]
set -eu
cd "$(dirname "$0")/.."

binary=$1
prefix=$2
dest=${3-}
# A unit is looked for in /usr/local/lib and /usr/lib alike.
unit=$prefix/lib/systemd/system/holdfast.service
sysusers=$prefix/lib/sysusers.d/holdfast.conf
man=$prefix/share/man/man1/holdfast.1
bash=$prefix/share/bash-completion/completions/holdfast
zsh=$prefix/share/zsh/site-functions/_holdfast
doc=$prefix/share/doc/holdfast
all="$prefix/bin/holdfast $unit $sysusers $man $bash $zsh"

if [ "$binary" = --remove ]; then
	for f in $all; do
		rm -f "$dest$f"
	done
	rm -rf "$dest$doc"
	exit 0
fi

put()
{
	install -D -m "$1" "$2" "$dest$3"
}

put 755 "$binary" "$prefix/bin/holdfast"
filled=$(mktemp)
trap 'rm -f "$filled"' EXIT
sed "s|@BINDIR@|$prefix/bin|" packaging/holdfast.service >"$filled"
put 644 "$filled" "$unit"
put 644 packaging/holdfast.sysusers "$sysusers"
put 644 packaging/holdfast.1 "$man"
put 644 packaging/completion/holdfast.bash "$bash"
put 644 packaging/completion/_holdfast "$zsh"
for f in README.md LICENSE docs/*.md; do
	put 644 "$f" "$doc/${f##*/}"
done

if [ -z "$dest" ] && [ "$(id -u)" -eq 0 ]; then
	command -v systemd-sysusers >/dev/null && systemd-sysusers holdfast.conf 2>/dev/null || true
	[ -d /run/systemd/system ] && systemctl daemon-reload || true
fi
echo "installed below $dest$prefix"
