#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes the system user that Holdfast runs as, when it is not there: neither Holdfast nor PostgreSQL runs as root.
set -eu
getent passwd holdfast >/dev/null && exit 0
useradd --system --user-group --home-dir /var/lib/holdfast --no-create-home --shell /usr/sbin/nologin holdfast
