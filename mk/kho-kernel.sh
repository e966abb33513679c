#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds a kernel with KHO from Debian's packaged source, and prints its folder:
#
#	kernel-FLAVOUR-HASH/{release,vmlinuz,config,System.map,modules,headers,*.deb}
#
# in the form that /opt/kernels/ROLE has for stock kernels, in the cache. Named by a hash
# of what it's made from: source, fragments, patches, compiler, and the recipe's number
# below. Made under a temporary name and renamed, so what's there is complete. A run that
# was interrupted is gone on with: its tree has the hash in its name, too.
#
#	mk/kho-kernel.sh FLAVOUR		builds it if it isn't there
#	mk/kho-kernel.sh --find FLAVOUR		prints the folder, nothing if it isn't there
#
# FLAVOUR is kho (allnoconfig and kernel/config/kho.config), kho-btf (with types for
# BPF), or debian (Debian's cloud configuration with KHO switched on).
#
# Compiling has the lowest priority there is (SCHED_IDLE): lab machines that run meanwhile
# have deadlines. Runs in the build root.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=mk/common.sh
. "$here/common.sh"
recipe=1 # counts up when what's below changes the result
source_file=/opt/kernels/source # made by mk/root-extra.sh
idle=(chrt -i 0 nice -n 19)

# fragments FLAVOUR
fragments() {
	case $1 in
	kho) echo "$here/../kernel/config/kho.config" ;;
	kho-btf) echo "$here/../kernel/config/kho.config $here/../kernel/config/btf.config" ;;
	debian) echo "$here/../kernel/config/debian.config" ;;
	*) die "no flavour '$1': use kho, kho-btf or debian" ;;
	esac
}

# folder FLAVOUR: where it is or will be
folder() {
	local list
	[[ -s $source_file ]] || die "$source_file is missing: remove the build root, it's made anew"
	list=$(fragments "$1")
	# shellcheck disable=SC2086  # names of files of ours
	{
		echo "$recipe" "$1"
		cat "$source_file" $list
		find "$here/../kernel/patches" -name '*.patch' -print0 2>/dev/null | sort -z | xargs -0r cat
		gcc -dumpfullversion
		[[ $1 != debian ]] || cat /opt/kernels/new/config
	} | sha256sum | cut -c1-12 | sed "s,^,$(cache_dir)/kernel-$1-,"
}

# fetch DIR: Debian's package of the source, checked against the signed archive's sum
fetch() {
	local uri name sum
	read -r uri name _ sum <"$source_file"
	uri=${uri//\'/}
	[[ $sum == SHA256:* ]] || die "$source_file has no SHA-256: remove the build root, it's made anew"
	if ! echo "${sum#SHA256:}  $(cache_dir)/$name" | sha256sum -c --status 2>/dev/null; then
		/usr/lib/apt/apt-helper download-file "$uri" "$(cache_dir)/$name.new" "$sum" >&2 ||
			die "can't fetch $uri: if the archive has moved on, remove the build root"
		mv "$(cache_dir)/$name.new" "$(cache_dir)/$name"
	fi
	dpkg-deb --fsys-tarfile "$(cache_dir)/$name" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
		tar -xJ --strip-components=1 -C "$1"
}

# last_ones: of options that are set more than once, the last one counts
last_ones() {
	tac | awk -F= '!seen[$1]++' | tac
}

# check_config FILE FRAGMENT...: Kconfig drops what it can't do without a word
check_config() {
	local config=$1 line bad=0
	shift
	while read -r line; do
		case $line in
		CONFIG_*=n) grep -q "^${line%=n}=" "$config" || continue ;;
		CONFIG_*) ! grep -qxF -e "$line" "$config" || continue ;;
		*) continue ;;
		esac
		echo "the kernel's configuration didn't take $line"
		bad=1
	done < <(cat "$@" | last_ones)
	return $bad
}

configure() {
	local flavour=$1 src=$2 list
	read -ra list <<<"$(fragments "$flavour")"
	cat "${list[@]}" >"$src.fragment"
	if [[ $flavour == debian ]]; then
		cat /opt/kernels/new/config "$src.fragment" >"$src/.config"
		make -C "$src" olddefconfig
	else
		make -C "$src" KCONFIG_ALLCONFIG="$src.fragment" allnoconfig
	fi
	check_config "$src/.config" "$src.fragment"
}

apply_patches() {
	local patch
	for patch in "$here"/../kernel/patches/*.patch; do
		[[ -e $patch ]] || continue
		patch -d "$1" -p1 --fuzz=0 <"$patch"
	done
}

# lay_out SRC OUT: the packages' content, as /opt/kernels/ROLE has it
lay_out() {
	local src=$1 out=$2 release deb
	release=$(<"$src/include/config/kernel.release")
	mkdir "$out/tree"
	for deb in "$out"/linux-{image,headers}-*.deb; do
		dpkg-deb -x "$deb" "$out/tree"
	done
	echo "$release" >"$out/release"
	ln -s "tree/boot/vmlinuz-$release" "$out/vmlinuz"
	ln -s "tree/boot/config-$release" "$out/config"
	ln -s "tree/boot/System.map-$release" "$out/System.map"
	ln -s "tree/lib/modules/$release" "$out/modules"
	ln -s "tree/usr/src/linux-headers-$release" "$out/headers"
	test -s "$out/vmlinuz" -a -s "$out/headers/Module.symvers"
}

# prepare FLAVOUR SRC: the tree that is compiled; SRC.ready says that it's whole
prepare() {
	rm -rf --one-file-system "$2"
	mkdir -p "$2"
	fetch "$2"
	apply_patches "$2"
	configure "$1" "$2"
	touch "$2.ready"
}

build() {
	local flavour=$1 tmp=$2 src=$2.src out=$2.out
	rm -rf --one-file-system "$out"
	mkdir -p "$out"
	[[ -e $src.ready ]] || prepare "$flavour" "$src"
	# what our build root has needs no check, and nobody wants symbols
	DEB_BUILD_PROFILES='pkg.linux-upstream.nokerneldbg' \
		KDEB_COMPRESS=zstd KDEB_PKGVERSION=1 DPKG_FLAGS='-d' \
		"${idle[@]}" make -C "$src" -j"$(nproc)" INSTALL_MOD_STRIP=1 bindeb-pkg
	mv "$src"/../linux-{image,headers}-*.deb "$out/"
	lay_out "$src" "$out"
	rm -f "$src"/../linux-{libc-dev,upstream}_*
	mv -T "$out" "$tmp"
	rm -rf --one-file-system "$src" "$src.fragment" "$src.ready"
}

main() {
	local find='' dir
	[[ ${1:-} != --find ]] || { find=y; shift; }
	dir=$(folder "${1:-kho}")
	if [[ $find ]]; then
		[[ ! -d $dir ]] || echo "$dir"
		return
	fi
	if [[ ! -d $dir ]]; then
		exec 9>"$(cache_dir)/kernel.lock"
		flock -n 9 || { say "waiting for another run that builds a kernel"; flock 9; }
		if [[ ! -d $dir ]]; then
			local start=$SECONDS
			say "building a kernel, flavour ${1:-kho} (log $dir.log)"
			with_log "$dir.log" build "${1:-kho}" "$dir"
			say "kernel $(<"$dir/release") is ready ($((SECONDS - start)) s)"
		fi
	fi
	echo "$dir"
}
main "$@"
