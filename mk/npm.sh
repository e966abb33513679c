#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Fetches what only the npm registry has (mk/npm.packages), unpacked into the cache, and
# named by a hash of that list. It runs outside of the build root: the registry is the one that this
# machine's npm is set up for. A machine without npm, or whose registry doesn't answer, does
# without, and the test that needs it says so.
#
#	$(cache_dir)/npm-HASH/NAME/{package.json,...}	NAME without its @scope/
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=mk/common.sh
. "$here/common.sh"
limit=120 # seconds for all of them

fetch() {
	local dir=$1 package file
	for package in $(package_list "$here/npm.packages"); do
		file=$(cd "$dir" && timeout "$limit" npm pack --silent "$package" </dev/null) || return 1
		mkdir "$dir/unpacked"
		tar -xzf "$dir/$file" -C "$dir/unpacked"
		package=${package##*/}
		mv "$dir/unpacked/package" "$dir/${package%%@*}"
		rmdir "$dir/unpacked"
		rm "$dir/$file"
	done
}

main() {
	local dir
	dir=$(cache_dir)/npm-$(hash_of "$here/npm.packages")
	[[ ! -d $dir ]] || return 0
	command -v npm >/dev/null || return 0
	rm -rf --one-file-system "$dir.tmp"
	mkdir -p "$dir.tmp"
	if fetch "$dir.tmp"; then
		mv -T "$dir.tmp" "$dir"
	else
		say "the npm registry doesn't have, or give, all of mk/npm.packages"
		rm -rf --one-file-system "$dir.tmp"
	fi
}
main "$@"
