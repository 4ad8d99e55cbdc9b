#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Installs what is missing of Debian's (12, 13) or Ubuntu's (24.04) packages, and says nothing when nothing is.
#   tools/deps.sh [--check] [build] [test] [lint]     default: build
# --check only looks: exit 1 and the names when something is missing.
# A row "a|b" means: either will do; the first one the archive has is installed. "a?": only where the archive has it.
set -eu

BUILD='
gcc meson|meson ninja-build pkg-config|pkgconf
libmicrohttpd-dev libuv1-dev libpq-dev libsqlite3-dev libsodium-dev libgnutls28-dev libjansson-dev libexpat1-dev
libcurl4-gnutls-dev libarchive-dev libseccomp-dev libcmocka-dev libinih-dev liboath-dev libqrencode-dev
libsystemd-dev libunistring-dev zlib1g-dev postgresql python3 unzip'
TEST='
clang libclang-rt-dev|libclang-rt-14-dev|libclang-rt-18-dev|libclang-rt-19-dev
python3-pytest python3-pytest-xdist python3-psycopg|python3-psycopg2
debootstrap wrk iproute2 nftables haproxy keepassxc-minimal|keepassxc zip unzip openssl procps strace util-linux curl zsh
chromium? chromium-driver? python3-selenium? python3-zbar?'
LINT='clang clang-format-14|clang-format clang-tidy-14|clang-tidy black flake8'

die()
{
	echo "deps.sh: $*" >&2
	exit 1
}

check=
groups=
wanted=
for arg in "$@"; do
	case $arg in
	--check) check=1 ;;
	build) groups="$groups $BUILD" wanted="$wanted build" ;;
	test) groups="$groups $TEST" wanted="$wanted test" ;;
	lint) groups="$groups $LINT" wanted="$wanted lint" ;;
	*) die "unknown group '$arg'; usage: tools/deps.sh [--check] [build] [test] [lint]" ;;
	esac
done
[ -n "$groups" ] || groups=$BUILD

if ! command -v dpkg-query >/dev/null; then
	[ -n "$check" ] && exit 0 # another distribution: meson names what it misses
	die "this is not Debian or Ubuntu; install the equivalents of: $(echo $groups)"
fi

# One call for all names; a package that provides another's name (pkgconf) is listed by its own.
installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | tr '\n' ' ')"
has()
{
	case $installed in *" $1 "*) return 0 ;; esac
	return 1
}

missing=
maybe=
for row in $groups; do
	found=
	case $row in *\?)
		has "${row%\?}" || maybe="$maybe ${row%\?}"
		continue
		;;
	esac
	for name in $(echo "$row" | tr '|' ' '); do
		has "$name" && found=1 && break
	done
	[ -n "$found" ] || missing="$missing $row"
done

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "root is needed to install:$missing (there is no sudo here); run this as root once"
	fi
}

if [ -n "$check" ]; then
	[ -z "$missing" ] && exit 0
	echo "missing packages:$missing" >&2
	echo "install them with: tools/deps.sh$wanted" >&2
	exit 1
fi

# Of a list: what the archive has.
offered()
{
	for name in "$@"; do
		apt-cache show "$name" >/dev/null 2>&1 && echo " $name"
	done | tr -d '\n'
}

[ -z "$missing" ] || { echo "installing:$missing" && as_root apt-get update -q; }
maybe=$(offered $maybe)
if [ -n "$missing$maybe" ]; then
	# A fresh postgresql package would start a cluster of its own on port 5432; Holdfast has a private one.
	dropin=/etc/postgresql-common/createcluster.d/holdfast.conf
	fresh=
	if ! has postgresql-common; then
		fresh=1
		as_root mkdir -p "${dropin%/*}"
		echo 'create_main_cluster = false' | as_root tee "$dropin" >/dev/null
	fi
	names=$maybe
	for row in $missing; do
		pick=
		for name in $(echo "$row" | tr '|' ' '); do
			if apt-cache show "$name" >/dev/null 2>&1; then
				pick=$name
				break
			fi
		done
		[ -n "$pick" ] || die "the package archive has none of: $row"
		names="$names $pick"
	done
	if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $names; then
		[ -z "$fresh" ] || as_root rm -f "$dropin"
		die "apt-get could not install:$names"
	fi
	[ -z "$fresh" ] || as_root rm -f "$dropin"
fi
# PostgreSQL refuses root, so Holdfast started as root becomes this user.
[ "$(id -u)" -ne 0 ] || "$(dirname "$0")/../packaging/make_user.sh"
