#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Removes the cached build roots and lab systems, unless a run makes one now.
set -euo pipefail
# shellcheck source=mk/common.sh
. "$(dirname "$0")/common.sh"

cache=$(cache_dir)
[[ -d $cache ]] || exit 0
exec 8>>"$cache/root.lock" 9>>"$cache/guest.lock"
{ flock -n 8 && flock -n 9; } || die "another run is using $cache"
rm -rf --one-file-system "$cache"/root-* "$cache"/guest-* "$cache"/kernel-* "$cache"/linux-source-*
