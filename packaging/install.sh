#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
#   packaging/install.sh BINARY PREFIX [DESTDIR]      packaging/install.sh --remove PREFIX [DESTDIR]
#
# As root and without DESTDIR it also makes the user, and tells systemd. Removing stops and disables the service, removes
# all that was installed, the folders too that were made for it, and leaves the user and the data.
set -eu
umask 022
cd "$(dirname "$0")/.."

binary=$1
prefix=$2
dest=${3-}
case $prefix in
/*) ;;
*) echo "install.sh: PREFIX is '$prefix'; it must be a full path" >&2 && exit 2 ;;
esac
# A unit is looked for in /usr/local/lib and /usr/lib alike.
unit=$prefix/lib/systemd/system/holdfast.service
sysusers=$prefix/lib/sysusers.d/holdfast.conf
man=$prefix/share/man/man1/holdfast.1
bash=$prefix/share/bash-completion/completions/holdfast
zsh=$prefix/share/zsh/site-functions/_holdfast
doc=$prefix/share/doc/holdfast
all="$prefix/bin/holdfast $unit $sysusers $man $bash $zsh"
folders=$doc/folders # that installing made, the deepest first

# This very machine is meant, not a folder that will be packed or copied.
on_this_machine()
{
	[ -z "$dest" ] && [ "$(id -u)" -eq 0 ]
}

with_systemd()
{
	on_this_machine && [ -d /run/systemd/system ]
}

if [ "$binary" = --remove ]; then
	if with_systemd && [ -e "$unit" ]; then
		systemctl disable --now --quiet holdfast.service
	fi
	made=$(cat "$dest$folders" 2>/dev/null || true)
	for f in $all; do
		rm -f "$dest$f"
	done
	rm -rf "$dest$doc"
	for f in $made; do
		rmdir "$dest$f" 2>/dev/null || true # others may use it by now
	done
	if with_systemd; then
		systemctl daemon-reload
		systemctl reset-failed --quiet holdfast.service 2>/dev/null || true
	fi
	echo "removed from $dest$prefix"
	if on_this_machine && getent passwd holdfast >/dev/null; then
		echo "The user is left, and so are the homes of nodes with their data and the master key file. To remove them too:"
		echo "  rm -r /var/lib/holdfast; userdel holdfast"
	fi
	exit 0
fi

made=
folder()
{
	[ -d "$dest$1" ] && return 0
	folder "${1%/*}"
	mkdir "${dest}$1"
	made="$1 $made"
}

put()
{
	folder "${3%/*}"
	install -m "$1" "$2" "$dest$3"
}

[ -z "$dest" ] || mkdir -p "$dest"
put 755 "$binary" "$prefix/bin/holdfast"
filled=$(mktemp)
verbs=$(mktemp)
trap 'rm -f "$filled" "$verbs"' EXIT
sed "s|@BINDIR@|$prefix/bin|" packaging/holdfast.service >"$filled"
put 644 "$filled" "$unit"
put 644 packaging/holdfast.sysusers "$sysusers"
"$binary" docs verbs >"$verbs"
sed -e "/^\.\\\\\" VERBS/{" -e "r $verbs" -e d -e "}" packaging/holdfast.1 >"$filled"
put 644 "$filled" "$man"
put 644 packaging/completion/holdfast.bash "$bash"
put 644 packaging/completion/_holdfast "$zsh"
for f in README.md LICENSE docs/*.md; do
	put 644 "$f" "$doc/${f##*/}"
done
for f in docs/images/*.png; do
	put 644 "$f" "$doc/images/${f##*/}"
done
# What an earlier installation made is ours to remove as well.
earlier=$(cat "$dest$folders" 2>/dev/null || true)
for f in $made $earlier; do
	echo "$f"
done >"$dest$folders"

echo "installed below $dest$prefix"
if on_this_machine; then
	packaging/make_user.sh
	echo "the service runs as the user holdfast"
	if with_systemd; then
		systemctl daemon-reload
	fi
fi
