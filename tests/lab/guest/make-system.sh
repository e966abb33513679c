#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Makes the lab's guest system, a small Debian 13 with systemd and both stock
# kernels, as a tree in the cache; prints its path. Runs in the build root.
#
# The tree holds nothing of this project, so it is made once: it is named by a
# hash of what it is made from, built under a temporary name and renamed, and
# guarded by a lock, as the build root is. make-image.sh adds our programs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=mk/common.sh
. "$here/../../../mk/common.sh"

# Units that a lab machine has no use for, or that only cost boot time
masked=(
	apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
	e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer
	getty@tty1.service console-getty.service getty-static.service
	systemd-networkd-wait-online.service systemd-hwdb-update.service
	systemd-journal-catalog-update.service systemd-update-done.service ldconfig.service
	systemd-firstboot.service systemd-pcrphase.service systemd-pcrmachine.service
	systemd-binfmt.service proc-sys-fs-binfmt_misc.automount dev-hugepages.mount
	systemd-boot-random-seed.service systemd-random-seed.service systemd-udev-settle.service
	nginx.service redis-server.service postgresql.service
)

# customise TREE: settings of the guest
customise() {
	local tree=$1 unit release role
	mkdir -p "$tree/usr/lib/modules" "$tree/boot"
	echo lab >"$tree/etc/hostname"
	echo 0123456789abcdef0123456789abcdef >"$tree/etc/machine-id"
	echo '/dev/vda / ext4 defaults,noatime 0 1' >"$tree/etc/fstab"
	printf '127.0.0.1 localhost lab\n' >"$tree/etc/hosts"
	for unit in "${masked[@]}"; do
		ln -sf /dev/null "$tree/etc/systemd/system/$unit"
	done
	# tests start these by hand
	rm -f "$tree/etc/systemd/system/"{nginx,redis-server,postgresql}.service
	rm -f "$tree/etc/systemd/system/"*.wants/{nginx,redis-server,postgresql}.service
	# its compiler of queries is five times as large as the rest of PostgreSQL
	rm -rf "$tree/usr/lib/postgresql/"*/lib/{bitcode,llvmjit*} "$tree"/usr/lib/*/libLLVM*
	# no login prompt on the console
	mkdir -p "$tree/etc/systemd/system-generators"
	ln -s /dev/null "$tree/etc/systemd/system-generators/systemd-getty-generator"
	mkdir -p "$tree/etc/systemd/journald.conf.d"
	printf '[Journal]\nStorage=persistent\nSystemMaxUse=64M\nRateLimitIntervalSec=0\n' \
		>"$tree/etc/systemd/journald.conf.d/lab.conf"
	for role in old new; do
		release=$(<"/opt/kernels/$role/release")
		cp -a "/usr/lib/modules/$release" "$tree/usr/lib/modules/"
		cp -L "/opt/kernels/$role/vmlinuz" "$tree/boot/vmlinuz-$release"
		cp -L "/opt/kernels/$role/config" "$tree/boot/config-$release"
		rm -f "$tree/usr/lib/modules/$release/"{build,source}
	done
	rm -rf "$tree/var/lib/apt/lists/"* "$tree/var/cache/apt/"*.bin "$tree/usr/share/locale"/*
	touch "$tree/etc/.updated" "$tree/var/.updated"
}

build() {
	local tree=$1 tmp=$1.tmp mirror list
	mirror=$(debian_mirror)
	list=$(package_list "$here/packages")
	rm -rf --one-file-system "$tmp"
	cp /etc/apt/preferences.d/pins /tmp/pins
	printf 'deb %s trixie main\ndeb [check-valid-until=no] %s forky main\n' "$mirror" "$mirror" |
		mmdebstrap --mode=root --format=directory --variant=essential \
			"${mmdebstrap_trim[@]}" --include="${list// /,}" \
			--setup-hook='copy-in /tmp/pins /etc/apt/preferences.d' \
			trixie "$tmp" -
	customise "$tmp"
	mv -T "$tmp" "$tree"
}

main() {
	local cache tree
	cache=$(cache_dir)
	tree=$cache/guest-$(hash_of "$here/make-system.sh" "$here/packages" /opt/kernels/{old,new}/release)
	if [[ ! -d $tree ]]; then
		exec 9>"$cache/guest.lock"
		flock -n 9 || { say "waiting for another run that makes the lab's system"; flock 9; }
		if [[ ! -d $tree ]]; then
			local start=$SECONDS
			say "making the lab's guest system (Debian 13, about 1 min)"
			with_log "$tree.log" build "$tree"
			say "guest system is ready ($((SECONDS - start)) s)"
		fi
	fi
	echo "$tree"
}
main
