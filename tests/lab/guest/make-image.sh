#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Makes what the lab's machines boot from, in $1 (build/lab):
#
#	disk.img		the guest system with our programs, a raw ext4 disk
#	{old,new}.vmlinuz	the two stock kernels
#	{old,new}.initrd	a first init for each, just enough to mount the disk
#
# Further arguments are ROLE=FOLDER of kernels with KHO (mk/kho-kernel.sh): one more kernel, or the one in
# the place of the stock kernel of that name.
#
# Our programs are laid over the cached tree by an overlay mount, so that tree
# stays clean and nothing is copied but into the image. Runs in the build root.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=mk/common.sh
. "$here/../../../mk/common.sh"
disk_size=2G
roles=(old new)
declare -A ours=() # folders by role

# kernel ROLE: its folder
kernel() { echo "${ours[$1]:-/opt/kernels/$1}"; }

# release ROLE
release() { cat "$(kernel "$1")/release"; }

# install_kernel ROOT ROLE: one of ours; the guest's system has the stock kernels only
install_kernel() {
	local release
	release=$(release "$2")
	mkdir -p "$1/usr/lib/modules/$release"
	cp -r "${ours[$2]}/modules/." "$1/usr/lib/modules/$release/"
	rm -f "$1/usr/lib/modules/$release/"{build,source}
	cp -L "${ours[$2]}/vmlinuz" "$1/boot/vmlinuz-$release"
	cp -L "${ours[$2]}/config" "$1/boot/config-$release"
}

# overlay TREE UPPER: mounts a writable view of TREE at UPPER/root
overlay() {
	mkdir -p "$2"
	mount -t tmpfs tmpfs "$2"
	mkdir "$2/root" "$2/upper" "$2/work"
	mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/root"
}

# install_ours ROOT
install_ours() {
	local role dir
	make --no-print-directory -s install-built DESTDIR="$1"
	# that of a kernel which is another lab's
	for dir in "$1"/usr/lib/modules/*; do
		[[ -e $dir/modules.builtin ]] || rm -rf "$dir"
	done
	# the one with failpoints, which do nothing until a test asks for one
	install build/test/kho-agent "$1/usr/sbin/"
	install -D -t "$1/usr/lib/kho-lab" build/lab/lab-shell build/lab/abmem build/lab/zoo \
		build/lab/lab-pages build/lab/lab-net build/lab/lab-bpf "$here/traffic.py" "$here/stuck.py" \
		"$here/kill-agent.sh" "$here/health.sh" "$here/kho.py"
	install -m 644 "$here/lab-shell.service" "$1/etc/systemd/system/"
	mkdir -p "$1/etc/systemd/system/multi-user.target.wants"
	ln -sf ../lab-shell.service "$1/etc/systemd/system/multi-user.target.wants/"
	install -m 644 "$here/lab-serial.service" "$here/lab-kill.service" "$here/lab-abmem.service" \
		"$here"/lab-zoo*.service "$here/lab-stuck.service" "$1/etc/systemd/system/"
	mkdir -p "$1/etc/systemd/system/kho-new.target.wants"
	ln -sf ../lab-serial.service ../lab-kill.service "$1/etc/systemd/system/kho-new.target.wants/"
	for role in "${roles[@]}"; do
		install -D -m 644 "build/lab/hang/$(release "$role")/lab_hang.ko" \
			"$1/usr/lib/kho-lab/$role/lab_hang.ko"
		ln -s "$role" "$1/usr/lib/kho-lab/$(release "$role")"
	done
	# everything takes ten times as long under emulation
	mkdir -p "$1/usr/lib/kho-agent/kho-agent.conf.d"
	printf '[Upgrade]\nMaxBlackoutSec=60\nMaxFrozenSec=60\n' \
		>"$1/usr/lib/kho-agent/kho-agent.conf.d/lab.conf"
	install -D -m 644 "$here/image-hook.sh" "$1/etc/kho-agent/init.d/lab.sh"
	ln -sf /usr/lib/systemd/system/kho-agent.service "$1/etc/systemd/system/multi-user.target.wants/"
	for role in "${roles[@]}"; do
		depmod -b "$1" "$(release "$role")"
	done
}

# sign_kernels ROOT: the new one with a key that's thrown away, beside the distribution's
# signature; and certificates for keyrings. That of the distribution's signer is taken from
# its signature, which is good enough for a lab and no way to come to trust anybody.
sign_kernels() {
	local dir="$1/usr/lib/kho-lab" work vmlinuz=/opt/kernels/new/vmlinuz
	work=$(mktemp -d)
	mkdir -p "$dir/keys-lab" "$dir/keys-debian"
	openssl req -x509 -newkey rsa:2048 -nodes -subj "/CN=Throw-away key of the lab" -days 3650 \
		-keyout "$work/key" -out "$dir/keys-lab/lab.pem" 2>/dev/null
	sbsign --key "$work/key" --cert "$dir/keys-lab/lab.pem" --output "$dir/vmlinuz.signed" \
		"$vmlinuz" 2>/dev/null
	cp -L "$vmlinuz" "$work/vmlinuz"
	sbattach --detach "$work/signature" "$work/vmlinuz"
	openssl pkcs7 -inform DER -in "$work/signature" -print_certs \
		-out "$dir/keys-debian/debian.pem"
	rm -rf "$work"
}

# target_images ROOT: one for each kernel, made by the guest's own khoctl
target_images() {
	local role
	for role in "${roles[@]}"; do
		chroot "$1" khoctl image build "$role" "$(release "$role")" \
			--module=virtio_pci --module=virtio_blk --module=virtio_net --module=ext4 \
			--program=/usr/lib/kho-lab/lab-shell --file=/etc/kho-agent/init.d \
			--file="/usr/lib/kho-lab/$role/lab_hang.ko:/usr/lib/kho-lab/lab_hang.ko"
		chroot "$1" khoctl image build "$role-system" "$(release "$role")" \
			--system --exclude=usr/share/doc --exclude=usr/share/man
	done
}

# drivers ROLE RELEASE: of the root disk; a small kernel of ours has them built in
drivers() {
	local tree=/
	[[ ! ${ours[$1]:-} ]] || tree=${ours[$1]}/tree
	modprobe -d "$tree" -S "$2" --show-depends virtio_blk
	modprobe -d "$tree" -S "$2" --show-depends ext4
}

# initrd ROLE FILE
initrd() {
	local release dir number=10 module
	release=$(release "$1")
	dir=$(mktemp -d)
	mkdir "$dir/bin" "$dir/modules"
	cp /bin/busybox "$dir/bin/"
	install "$here/init" "$dir/init"
	while read -r _ module _; do
		[[ $module == /* ]] || continue
		xz -dcf "$module" >"$dir/modules/$number-$(basename "${module%.xz}")"
		number=$((number + 1))
	done < <(drivers "$1" "$release")
	(cd "$dir" && find . | cpio -o -H newc --quiet) >"$2"
	rm -rf "$dir"
}

main() {
	local out=$1 tree role work arg
	shift
	for arg; do
		role=${arg%%=*}
		ours[$role]=${arg#*=}
		[[ " ${roles[*]} " == *" $role "* ]] || roles+=("$role")
	done
	tree=$("$here/make-system.sh")
	work=$(mktemp -d)
	overlay "$tree" "$work"
	for role in "${!ours[@]}"; do
		install_kernel "$work/root" "$role"
	done
	install_ours "$work/root"
	sign_kernels "$work/root"
	target_images "$work/root"
	rm -f "$out/disk.tmp"
	mke2fs -q -t ext4 -L lab -E lazy_itable_init=1,nodiscard -d "$work/root" "$out/disk.tmp" "$disk_size"
	umount "$work/root" "$work"
	for role in "${roles[@]}"; do
		cp -L "$(kernel "$role")/vmlinuz" "$out/$role.vmlinuz"
		cp "$(kernel "$role")/release" "$out/$role.release"
		initrd "$role" "$out/$role.initrd"
	done
	mv "$out/disk.tmp" "$out/disk.img"
}
main "$@"
