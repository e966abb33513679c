#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Second half of mk/root.sh, run inside the new root by chroot: what doesn't
# come from plain trixie.
#
# Two stock kernels, each with its headers: the "old" one of trixie and the
# "new" one of trixie-backports. Both suites use the same metapackage name, so
# each is resolved to the release it points to now. No patch level is written
# down anywhere; /opt/kernels/{old,new}/release says what was found:
#
#	/opt/kernels/old/{release,vmlinuz,config,System.map,modules,headers}
#
# /opt/kernels/source names the packaged source of the newest kernel in
# trixie-backports, which mk/kho-kernel.sh fetches when it's asked for: its
# address, file name, size and SHA-256, as the signed archive has them.
#
# CRIU comes from forky by a pin (mk/root.sh): trixie's 4.1 can't dump a TCP
# socket on a 7.x kernel.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# resolve METAPACKAGE SUITE: the versioned package that it depends on there
resolve() {
	apt-cache show "$1" | awk -v want="$(version_in "$@")" -v base="${1%-cloud-amd64}" '
		/^Version: / { hit = $2 == want }
		hit && /^Depends: / {
			n = split($0, word, /[ ,:()=]+/)
			for (i = 1; i <= n; i++)
				if (index(word[i], base "-") == 1 && word[i] ~ /^linux-[a-z]+-[0-9]/) {
					print word[i]
					exit
				}
		}'
}

# version_in PACKAGE SUITE
version_in() {
	apt-cache madison "$1" | awk -F'|' -v suite="$2/main" '
		index($3, suite) { gsub(/ /, "", $2); print $2; exit }'
}

# link_kernel ROLE RELEASE: /opt/kernels/ROLE
link_kernel() {
	local dir=/opt/kernels/$1 release=$2
	mkdir -p "$dir"
	echo "$release" >"$dir/release"
	ln -s "/boot/vmlinuz-$release" "$dir/vmlinuz"
	ln -s "/boot/config-$release" "$dir/config"
	ln -s "/boot/System.map-$release" "$dir/System.map"
	ln -s "/usr/lib/modules/$release" "$dir/modules"
	ln -s "/usr/src/linux-headers-$release" "$dir/headers"
}

# note_source: where the new kernel's source is; it's large, so it isn't fetched here
note_source() {
	local package
	package=$(resolve linux-source trixie-backports)
	[[ $package ]] || { echo "no linux-source in trixie-backports" >&2; exit 1; }
	apt-get download --print-uris \
		"$package=$(version_in "$package" trixie-backports)" >/opt/kernels/source
	test -s /opt/kernels/source
}

main() {
	local role suite image headers packages=(criu libcriu-dev)

	for role in old:trixie new:trixie-backports; do
		suite=${role#*:}
		image=$(resolve linux-image-cloud-amd64 "$suite")
		headers=$(resolve linux-headers-cloud-amd64 "$suite")
		[[ $image && $headers ]] || { echo "no cloud kernel in $suite" >&2; exit 1; }
		packages+=("$image" "$headers")
		link_kernel "${role%:*}" "${image#linux-image-}"
	done
	apt-get install -y -q --no-install-recommends "${packages[@]}"
	for role in old new; do
		test -s "/opt/kernels/$role/vmlinuz" -a -d "/opt/kernels/$role/headers/" ||
			{ echo "kernel '$role' is incomplete" >&2; exit 1; }
	done
	note_source
}
main
