# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the set-up scripts share: messages, the cache's place, the mirror, logs.

say() { echo "==> $*" >&2; }

die() { echo "error: $*" >&2; exit 1; }

need_root() {
	[[ $EUID -eq 0 ]] || die "this needs root (it makes a Debian tree and enters it): run as root"
}

cache_dir() {
	if [[ -e /etc/kho-build-root ]]; then
		echo /cache
	else
		echo "${KHO_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kho-agent}"
	fi
}

# hash_of FILE...: 12 digits that change with any of them
hash_of() { cat -- "$@" | sha256sum | cut -c1-12; }

# package_list FILE: its names on one line, comments dropped
package_list() { sed 's/#.*//' "$1" | xargs; }

# debian_mirror: $MIRROR, or the archive that this system's apt uses
debian_mirror() {
	local uri
	if [[ -n ${MIRROR:-} ]]; then
		echo "$MIRROR"
		return
	fi
	if [[ -e /etc/kho-build-root ]]; then # the one that the root came from
		awk '$1 == "deb" { print $2; exit }' /etc/apt/sources.list
		return
	fi
	uri=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
		awk -F'|' '$1 == "Debian" && $2 == "Debian" { print $3; exit }')
	[[ $uri ]] || die "apt knows no Debian mirror: run 'apt-get update', or give one by MIRROR="
	echo "${uri%/}"
}

# with_log FILE COMMAND...: its output goes to FILE, whose end is shown if it
# fails. The command runs with set -e in force.
with_log() {
	local log=$1 rc=0 pid
	shift
	(set -e; "$@") >"$log" 2>&1 &
	pid=$!
	wait "$pid" || rc=$?
	[[ $rc -eq 0 ]] && return
	tail -n 40 "$log" >&2
	die "failed: the whole log is in $log"
}

# What no tree of ours needs; and no fsync after each package
# shellcheck disable=SC2034  # used by those that source this file
mmdebstrap_trim=(
	--aptopt='APT::Install-Recommends "false"'
	--aptopt='Acquire::Languages "none"'
	--aptopt='Acquire::Retries "3"'
	--dpkgopt=force-unsafe-io
	--dpkgopt='path-exclude=/usr/share/doc/*'
	--dpkgopt='path-exclude=/usr/share/man/*'
	--dpkgopt='path-exclude=/usr/share/info/*'
	--dpkgopt='path-exclude=/usr/share/locale/*'
)
