#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Makes the build root: a Debian 13 (trixie) tree with every tool that building
# and testing needs, so that the host's own release does not matter. Prints
# the root's path.
#
# The tree is cached and named by a hash of what it is made from (this script,
# its second half, the package list). It is built under a temporary name and
# renamed when complete, so an interrupted run leaves nothing that looks
# finished; a lock keeps two runs from racing.
#
#	KHO_CACHE	where the cache is; default $XDG_CACHE_HOME/kho-agent
#	MIRROR		Debian mirror; default: the one that the host's apt uses
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=mk/common.sh
. "$here/common.sh"

host_tools() {
	local missing=()
	command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
	[[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || missing+=(debian-archive-keyring)
	[[ ${#missing[@]} -eq 0 ]] && return
	say "installing ${missing[*]} on the host"
	apt-get update -q >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
}

sources() {
	local mirror=$1
	echo "deb $mirror trixie main"
	echo "deb $mirror trixie-backports main"
	# testing's release file expires between its updates
	echo "deb [check-valid-until=no] $mirror forky main"
}

# pin PACKAGES SUITE PRIORITY: one stanza for apt_preferences(5)
pin() { printf 'Package: %s\nPin: release n=%s\nPin-Priority: %d\n\n' "$@"; }

pins() {
	pin '*' forky -10
	pin 'criu libcriu-dev libcriu2 libcompel1 libnet9 libnl-*' forky 990
	pin 'linux-base pahole' trixie-backports 990	# what the new kernel's packages need
	pin 'qemu-* seabios' trixie-backports 990	# guests fall silent under 10.0 (decision 0010)
}

build() {
	local root=$1 mirror tmp=$1.tmp list
	mirror=$(debian_mirror)
	list=$(package_list "$here/root.packages")

	rm -rf --one-file-system "$tmp"
	mkdir -p "$tmp.d"
	pins >"$tmp.d/pins"
	sources "$mirror" |
		mmdebstrap --mode=root --format=directory --variant=apt \
			"${mmdebstrap_trim[@]}" \
			--dpkgopt='path-exclude=/etc/kernel/postinst.d/*' \
			--include="${list// /,}" \
			--setup-hook="copy-in '$tmp.d/pins' /etc/apt/preferences.d" \
			--customize-hook="copy-in '$here/root-extra.sh' /tmp" \
			--customize-hook='chroot "$1" bash /tmp/root-extra.sh' \
			--customize-hook='mkdir "$1/src" "$1/cache"; touch "$1/etc/kho-build-root"' \
			trixie "$tmp" - >&2
	rm -rf "$tmp.d"
	mv -T "$tmp" "$root"
}

main() {
	local cache root
	need_root
	cache=$(cache_dir)
	root=$cache/root-$(hash_of "$here/root.sh" "$here/root-extra.sh" "$here/root.packages")

	if [[ ! -d $root ]]; then
		mkdir -p "$cache"
		exec 9>"$cache/root.lock"
		flock -n 9 || { say "waiting for another run that makes the build root"; flock 9; }
		if [[ ! -d $root ]]; then
			local start=$SECONDS
			host_tools
			say "making the build root (trixie; about 3 min, log $root.log)"
			with_log "$root.log" build "$root"
			say "build root is ready ($((SECONDS - start)) s)"
		fi
	fi
	echo "$root"
}
main
